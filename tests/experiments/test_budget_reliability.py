"""How reliable budgets are: the committed results are those of the committed labels."""

import json
from pathlib import Path

import pytest

from tart_nas.experiments import budget_reliability
from tart_nas.experiments.budget_reliability import FOLDERS, between_budgets, seconds
from tart_nas.experiments.label_targets import labels_of


def test_the_committed_results_are_those_of_the_labels(capsys):
    results = json.loads(Path(str(budget_reliability.__file__)).with_suffix(".json").read_text())["results"]
    for space, budget in FOLDERS:
        assert results[space][budget]["seconds"] == pytest.approx(seconds(space, budget))
    for space in ("DeepNets-1M", "DARTS"):
        assert results[space]["tiny"]["small budget"] == pytest.approx(between_budgets(space))
    assert budget_reliability.main(["--only"]) == 0
    assert f"{results['DARTS']['tiny']['repeats']['mean']:.2f} ± " in capsys.readouterr().out


def test_budgets_are_compared_on_the_same_networks():
    for space in ("DeepNets-1M", "DARTS"):
        tiny, small = (labels_of(FOLDERS[space, budget][0]) for budget in ("tiny", "small"))
        assert {*tiny} <= {*small}
        assert all(tiny[i]["architecture"] == small[i]["architecture"] for i in tiny)
