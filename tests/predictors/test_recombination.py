import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.predictors.recombination import recombined
from tart_nas.predictors.scope import Scope
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens import CellTokens


@pytest.mark.parametrize("space", [DartsSpace(), DeepNets1MSpace("search"), DeepNets1MSpace("dense")])
def test_what_comes_out_is_like_what_went_in(space):
    given = space.sample(40, seed=0)
    drawn = recombined(given, 300, np.random.default_rng(1))
    assert len(drawn) == 300
    assert len(set(drawn) - set(given)) > 290
    tokens = CellTokens.encode(drawn)
    scope = Scope.of(CellTokens.encode(given))
    assert set(scope.ops) >= set(Scope.of(tokens).ops)
    assert all(scope.ranges["n_cells"][0] <= a.n_cells <= scope.ranges["n_cells"][1] for a in drawn)
    if isinstance(space, DartsSpace):
        assert scope.contains(tokens).all()
        assert all(space.contains(architecture) for architecture in drawn)


def test_it_is_reproducible():
    given = DartsSpace().sample(10, seed=0)
    draws = [recombined(given, 20, np.random.default_rng(seed)) for seed in (0, 0, 1)]
    assert draws[0] == draws[1] != draws[2]


@pytest.mark.slow
def test_pretraining_helps_with_few_labels(labelled, held_out):
    taus = []
    for settings in ({}, {"pretraining": 2000, "learning_rate": 1e-3}):
        predictor = Predictor("tart-cell", ensemble=2, **settings)
        predictor.fit(labelled.architectures[:50], labelled.targets[:50], seed=0)
        taus.append(kendalltau(predictor.predict(held_out.architectures), held_out.targets).statistic)
    assert taus[1] > taus[0] + 0.05


def test_pretraining_is_a_number():
    with pytest.raises(SettingError, match="`pretraining` must be a whole number of at least 1, but got -1"):
        Predictor("tart-cell", pretraining=-1)
