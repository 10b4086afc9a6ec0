"""What a search has learned from its measured networks."""

from dataclasses import replace

import numpy as np

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
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
