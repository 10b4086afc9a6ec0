"""Searches that train by a function of the user's."""

from typing import Any

import optuna
import pytest
import torch

import tart_nas
from tart_nas.errors import RunFolderError, SettingError, TrainingError
from tart_nas.runs import Reporter, work
from tart_nas.runs.own_training import train_by
from tests.runs.conftest import SMALL

pytestmark = pytest.mark.usefixtures("undrawn")

OWN: dict[str, Any] = {**SMALL, "random": 0, "top_k": 3}


def reporter(**changes):
    trial = optuna.create_study().ask()
    told: dict[int, float] = {}
    values: dict[str, Any] = {"tell": lambda value, epoch: told.__setitem__(epoch, value), **changes}
    return Reporter(torch.device("cpu"), 0, trial, **values), told


def test_a_function_of_the_user_trains_reports_and_is_pruned(ridge, tmp_path):
    calls: list[int] = []

    def train(network, reporter):
        calls.append(sum(parameter.numel() for parameter in network.parameters()))
        logits = network(torch.rand(2, 3, 8, 8))
        assert logits.shape == (2, 10)
        if len(calls) == 2:
            raise RuntimeError("no data\nfor this one")
        value = 0.9 if len(calls) == 1 else 0.1
        reporter.report(value / 2)
        reporter.report(value, 2)
        if reporter.should_prune():
            raise optuna.TrialPruned
        return value

    arguments = {**OWN, "predictor": ridge[0], "out": tmp_path / "run", "train": train}
    arguments["pruner"] = optuna.pruners.ThresholdPruner(lower=0.3)
    result = tart_nas.search(**arguments)
    first, second, third = result.picks
    assert (first.state, first.validation_accuracy, first.test_accuracy) == ("trained", 0.9, None)
    assert [epoch["validation_accuracy"] for epoch in first.curve] == [0.45, 0.9]
    assert first.network()(torch.rand(1, 3, 8, 8)).shape == (1, 10)
    assert second.failure == "`train` raised RuntimeError: no data (the same command tries it again)"
    assert third.failure == "pruned after 2 epochs"
    assert calls[0] == first.pick.parameters
    page = (tmp_path / "run/report.html").read_text()
    assert "trained by" in page
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path / 'run/study.sqlite3'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "PRUNED"]
    assert study.trials[2].intermediate_values == {1: 0.05, 2: 0.1}
    again = tart_nas.search(**arguments)  # what raised is tried again, what was pruned is not
    assert len(calls) == 4
    assert [pick.state for pick in again.picks] == ["trained", "failed", "failed"]
    with pytest.raises(RunFolderError, match="are trained by .*train: only the search itself can"):
        work(tmp_path / "run")


@pytest.mark.parametrize(
    ("train", "said"),
    [
        (lambda network, reporter: 70.5, r"fractions in \[0, 1\], but got 70.5"),
        (lambda network, reporter: None, "but got None"),
        (lambda network, reporter: reporter.report(0.5, 0), "`epoch` must be a whole number above 0, but got 0"),
        (lambda network: 0.5, "TypeError: "),
    ],
)
def test_what_a_training_may_not_do(train, said):
    with pytest.raises(TrainingError, match=said):
        train_by(train, torch.nn.Linear(1, 1), reporter()[0])


def test_the_last_report_is_the_value():
    made, told = reporter()
    assert train_by(lambda network, reporter: reporter.report(0.25), torch.nn.Linear(1, 1), made) == 0.25
    assert told == {1: 0.25}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"train": 3}, "`train` must be a function of a network and a reporter"),
        ({"train": print, "workers": 2}, "needs `workers` 1"),
        ({"pruner": optuna.pruners.NopPruner()}, "`pruner` must be a pruner of Optuna's beside `train`"),
        ({"dataset": tart_nas.DartsSpace()}, "`dataset` must be the name of a data set, an ImageData"),
        ({"dataset": (torch.zeros(9, 3, 8, 8), torch.arange(9)), "workers": 2}, "`dataset` must be the name of a data"),
    ],
)
def test_wrong_arguments(changes, said, ridge, tmp_path):
    with pytest.raises(SettingError, match=said):
        tart_nas.search(**{**OWN, "predictor": ridge[0], "out": tmp_path / "run", **changes})
    assert not (tmp_path / "run").exists()
