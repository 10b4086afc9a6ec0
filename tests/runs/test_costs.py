"""Latencies of a run on a machine that other work slows down now and then."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from tart_nas.measurements import InferenceTime
from tart_nas.networks import count_parameters, parameter_count
from tart_nas.runs import costs as module
from tart_nas.runs.costs import Costs
from tart_nas.search_spaces import DartsSpace

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


def test_a_run_that_goes_on_takes_its_first_time_as_it_is(busy):
    costs = Costs(("latency_ms",), 10, 32, torch.device("cpu"), 0)
    others = SPACE.sample(9, 1)
    shares = [costs.measure(other) / parameter_count(other, 10, 32) for other in others]
    np.testing.assert_allclose(shares, shares[0])
