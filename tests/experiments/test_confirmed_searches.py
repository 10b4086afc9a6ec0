"""Searches with real training: what was found, and the committed results."""

import json
from pathlib import Path

from tart_nas.experiments import confirmed_searches
from tart_nas.experiments.confirmed_searches import METHODS, STEPS, TRAINED, found


def test_what_is_found_is_chosen_by_validation_alone():
    search = {"validation": [0.3, 0.5, 0.4], "test": [0.9, 0.2, 0.8]}
    assert [found(search, n) for n in (1, 2, 3)] == [0.9, 0.2, 0.2]


def test_the_committed_results_are_complete_and_printed(capsys):
    results = json.loads(Path(str(confirmed_searches.__file__)).with_suffix(".json").read_text())["results"]
    searched = {method: {*by_seed} for method, by_seed in results.items()}
    assert searched == {method: {"0", "1", "2"} for method in METHODS}
    for search in (search for by_seed in results.values() for search in by_seed.values()):
        assert TRAINED - 2 <= len(search["test"]) == len(search["validation"]) <= TRAINED, "some fail by themselves"
    assert confirmed_searches.main(["nowhere", "--only"]) == 0
    printed = capsys.readouterr().out
    for n in STEPS:
        mean = 100 * sum(found(search, n) for search in results["topk"].values()) / 3
        assert f"{mean:.2f} ± " in printed
    gains = [found(results["topk"][s], TRAINED) - found(results["random"][s], TRAINED) for s in ("0", "1", "2")]
    assert f"{100 * sum(gains) / 3:+.2f}, 95 %" in printed
