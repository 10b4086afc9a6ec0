"""Latencies of a run on a machine that other work slows down now and then."""

from typing import Any

import numpy as np
import optuna
import pytest
import torch
from scipy.stats import kendalltau

import tart_nas
from tart_nas.architecture import Architecture
from tart_nas.errors import RunFolderError
from tart_nas.measurements import InferenceTime
from tart_nas.networks import count_parameters, parameter_count
from tart_nas.runs import TrainingBudget, searching
from tart_nas.runs import costs as module
from tart_nas.runs.costs import Costs
from tart_nas.search_spaces import DartsSpace
from tart_nas.training import TrainingRecipe

SPACE = DartsSpace(n_cells=2, C=4)


@pytest.fixture
def busy(monkeypatch):
    """In place of the clock: a network takes a millisecond for a thousand parameters, the reference 2, if alone."""
    rng = np.random.default_rng(0)

    def timed(network, image_size, **settings):
        slowness = rng.choice([1.0, 1.0, 3.0])
        alone = count_parameters(network) / 1000
        return InferenceTime(slowness * alone, slowness * 2.0, alone / 2.0)

    monkeypatch.setattr(module, "inference_time", timed)


def test_times_of_a_run_are_at_one_speed(busy):
    costs = Costs(("latency_ms",), 10, 32, torch.device("cpu"), 0)
    candidates, others = SPACE.sample(200, 0), SPACE.sample(30, 1)
    assert costs.prepare(candidates) == 32
    true = np.array([parameter_count(other, 10, 32) / 1000 for other in others])
    measured = np.array([costs.measure(other) for other in others])
    np.testing.assert_allclose(measured, true)
    assert kendalltau(costs.of(others)["latency_ms"], true)[0] > 0.9
    picked = costs.of_pick(others[0], {"latency_ms": 7.0})
    assert picked == {"latency_ms": pytest.approx(true[0]), "predicted_latency_ms": 7.0}


def test_a_run_of_a_version_before_goes_on_at_the_speed_of_its_first_time(busy):
    kept: list[float] = []
    costs = Costs(("latency_ms",), 10, 32, torch.device("cpu"), 0, keep_reference=kept.append)
    others = SPACE.sample(9, 1)
    shares = [costs.measure(other) / parameter_count(other, 10, 32) for other in others]
    np.testing.assert_allclose(shares, shares[0])
    assert kept == [costs.reference]


def test_a_search_goes_on_at_the_speed_that_it_began_with(monkeypatch, tmp_path):
    """The second process runs on a machine that is five times as slow; what it picks then is timed as before."""
    slowness = 1.0

    def timed(network, image_size, **settings):
        alone = count_parameters(network) / 1000
        return InferenceTime(slowness * alone, slowness * 2.0, alone / 2.0)

    monkeypatch.setattr(module, "inference_time", timed)
    arguments: dict[str, Any] = {
        "predictor": "params",
        "dataset": "digits",
        "budget": TrainingBudget(n_cells=1, C=4),
        "progress": False,
    }
    arguments |= {"candidates": 60, "top_k": 1, "random": 0, "rounds": 2, "recipe": TrainingRecipe(epochs=1)}
    arguments |= {"objectives": ("accuracy", "latency"), "out": tmp_path / "run", "space": SPACE}

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(searching, "_train_round", stop)
        with pytest.raises(KeyboardInterrupt):
            tart_nas.search(**arguments)
    slowness = 5.0
    result = tart_nas.search(**arguments)
    assert [pick.pick.round for pick in result.picks] == [1, 2]
    for pick in result.picks:
        assert isinstance(pick.pick.architecture, Architecture)
        alone = parameter_count(pick.pick.architecture, 10, 32) / 1000
        assert pick.pick.costs["latency_ms"] == pytest.approx(alone)
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{tmp_path}/run/study.sqlite3")
    study.set_user_attr("latency_reference_ms", "fast")
    with pytest.raises(RunFolderError, match="damaged: its latency_reference_ms is 'fast'"):
        tart_nas.search(**arguments)
