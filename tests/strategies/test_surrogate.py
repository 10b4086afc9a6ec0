"""What a search has learned from its measured networks."""

from dataclasses import replace

import numpy as np
import pytest

from tart_nas.genotype import Genotype
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies import Surrogate


def test_one_that_is_not_judged_does_not_keep_it_from_learning():
    predictor = Predictor.from_pretrained("darts-cifar10")
    nets = DartsSpace().sample(30, seed=0)
    measured = predictor.predict(nets[:12]) / 100
    surrogate, with_a_stranger = Surrogate(predictor), Surrogate(predictor)
    surrogate.fit(nets[:12], measured, seed=0)
    stranger = replace(nets[0], C=64)
    with_a_stranger.fit([stranger, *nets[:12]], np.array([0.1, *measured]), seed=0)
    assert with_a_stranger.is_measured
    for own, other in zip(surrogate.predict(nets), with_a_stranger.predict(nets), strict=True):
        assert np.array_equal(own, other)
    mean, std = with_a_stranger.predict([nets[20], stranger, nets[21]])
    assert np.array_equal(np.isnan(mean), [False, True, False])
    assert std[1] == 0
    assert predictor.kind == "ensemble"  # the given one stays as it was


@pytest.mark.parametrize("n", [4, 6])
def test_one_that_learns_from_few_judges_the_whole_space(n):
    networks = DeepNets1MSpace("search").sample(1000, seed=0)
    labels = np.arange(float(n))
    surrogate, alone = Surrogate(Predictor("gp"), lambda: networks[500:]), Surrogate(Predictor("gp"))
    for each in (surrogate, alone):
        each.fit(networks[:n], labels, seed=0)
        assert each.is_measured
    judged, in_range = (np.isfinite(each.predict(networks[:500])[0]).mean() for each in (surrogate, alone))
    assert judged > 0.98
    assert in_range < 0.5  # of these few labels


def test_a_network_that_cannot_be_read_does_not_keep_it_from_learning():
    networks = DartsSpace().sample(12, seed=0)
    cell = [("skip_connect", i) for _ in range(11) for i in (0, 1)]
    large = replace(networks[0], genotype=Genotype(cell, range(2, 13), cell, range(2, 13)))  # cell tokens hold 10 nodes
    surrogate = Surrogate(Predictor("gp"), lambda: [large, *networks])
    surrogate.fit([*networks[:6], large], np.arange(7.0), seed=0)
    assert surrogate.is_measured
    assert np.isnan(surrogate.predict([large, *networks])[0]).tolist() == [True] + 12 * [False]
