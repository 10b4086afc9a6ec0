"""TPE, ASHA and topk with real training: what they train, what is found at which cost, and the committed results."""

import json
from pathlib import Path
from typing import Any

import optuna
import pytest

import tart_nas
from tart_nas.experiments import first_run, peer_searches
from tart_nas.experiments.peer_searches import COSTS, METHODS, TRAINED, found, one_search, training_seconds
from tart_nas.predictors import Predictor
from tart_nas.runs import SearchResult, TrainingBudget
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import suggest_architecture
from tart_nas.training import TrainingRecipe

SMALL: dict[str, Any] = {
    "budget": TrainingBudget(n_cells=2, C=4, train_images=128, image_size=8),
    "recipe": TrainingRecipe(epochs=2, batch_size=64, lr=0.1, crop=1),
}


@pytest.fixture
def small(monkeypatch):
    """Searches of four small trainings."""
    monkeypatch.setattr(peer_searches, "training", lambda space: SMALL)
    monkeypatch.setattr(peer_searches, "TRAINED", 4)
    monkeypatch.setattr(peer_searches, "CANDIDATES", 50)
    monkeypatch.setattr(peer_searches, "_trained", {})


def test_what_is_found_is_chosen_by_validation_alone_among_what_has_ended():
    search = {
        "other_seconds": 5.0,
        "seconds": [10.0, 10.0, 10.0, 10.0],
        "validation": [0.3, 0.5, None, 0.4],
        "test": [0.9, 0.2, None, 0.8],
    }
    at = {14.9: 0.1, 15.0: 0.9, 24.9: 0.9, 25.0: 0.2, 45.0: 0.2, 1000.0: 0.2}
    assert {seconds: found(search, seconds) for seconds in at} == at


def test_tpe_trains_as_a_search_does(small, tmp_path):
    trained = one_search("darts", "TPE", 3, tmp_path)
    assert trained["epochs"] == [2] * 4
    trial = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=3)).ask()
    result = tart_nas.search(
        candidates=[suggest_architecture(trial, DartsSpace())],
        predictor="params",
        top_k=1,
        random=0,
        dataset="cifar10-sample",
        seed=3,
        out=tmp_path / "run",
        **SMALL,
    )
    (pick,) = result.picks
    assert (pick.validation_accuracy, pick.test_accuracy) == (trained["validation"][0], trained["test"][0])


def test_halving_trains_as_many_epochs_of_more_networks(small, tmp_path):
    whole = one_search("darts", "TPE", 0, tmp_path)
    after = one_search("darts", "TPE + ASHA", 0, tmp_path)
    stopped = after["validation"].count(None)
    assert stopped > 0
    assert after["epochs"].count(1) == stopped == after["test"].count(None)
    assert sum(whole["epochs"]) == 8 <= sum(after["epochs"]) <= 9
    assert (after["test"][0], after["seconds"][0]) == (whole["test"][0], whole["seconds"][0])  # not trained again


def test_halving_gives_the_same_without_what_was_trained_before(small, tmp_path, monkeypatch):
    one_search("darts", "TPE", 1, tmp_path)
    after = one_search("darts", "TPE + ASHA", 1, tmp_path)
    monkeypatch.setattr(peer_searches, "_trained", {})
    alone = one_search("darts", "TPE + ASHA", 1, tmp_path)
    for name in ("epochs", "validation", "test"):
        assert alone[name] == after[name]


def test_topk_trains_the_best_of_the_candidates(small, tmp_path):
    search = one_search("darts", "topk", 0, tmp_path)
    assert len(search["test"]) == 4
    result = SearchResult.load(tmp_path / "darts-0")
    assert search["test"] == [pick.test_accuracy for pick in result.top]
    assert not result.random
    assert search["predictor"] == Predictor.open("darts-small").identity


def test_the_committed_results_are_complete_and_printed(capsys):
    files = (Path(str(module.__file__)).with_suffix(".json") for module in (peer_searches, first_run))
    results, randoms = (json.loads(file.read_text())["results"] for file in files)
    assert peer_searches.main(["--only"]) == 0
    printed = capsys.readouterr().out
    for space, by_method in results.items():
        assert {*by_method} == {*METHODS}
        for method, by_seed in by_method.items():
            assert {*by_seed} == {"0", "1", "2"}
            for search in by_seed.values():
                ended = sum(value is not None for value in search["validation"])
                assert ended <= TRAINED <= len(search["test"]), "some fail by themselves"
                assert (ended < TRAINED - 2) == (method == "TPE + ASHA")
        one = training_seconds(results, space)
        for cost in COSTS:
            mean = 100 * sum(found(search, cost * one) for search in by_method["topk"].values()) / 3
            assert f"{mean:.2f} ± " in printed
            assert f"{100 * first_run.random_found(randoms, space, cost):.2f}" in printed
        last = {method: [found(by[s], one * COSTS[-1]) for s in "012"] for method, by in by_method.items()}
        assert f"{100 * (sum(last['topk']) - sum(last['TPE'])) / 3:+.2f}, 95 %" in printed
