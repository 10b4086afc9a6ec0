import numpy as np
import pytest

from tart_nas.errors import SettingError
from tart_nas.strategies import random_others, top_k


def test_top_k_is_stable_and_best_first():
    assert top_k([1.0, 3.0, 2.0, 3.0], 3) == [1, 3, 2]
    assert top_k([1.0], 0) == []
    scores = np.random.default_rng(0).normal(size=500)
    assert top_k(scores, 500) == sorted(range(500), key=lambda i: -scores[i])


@pytest.mark.parametrize("k", [-1, 4])
def test_k_must_fit(k):
    with pytest.raises(SettingError, match=r"`k` of the candidates must be a whole number in \[0, 3\]"):
        top_k([1.0, 2.0, 3.0], k)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_must_be_finite(bad):
    with pytest.raises(SettingError, match="finite"):
        top_k([1.0, bad], 1)


def test_random_others_are_others_and_seeded():
    picked = list(range(10))
    others = random_others(30, 15, picked, seed=1)
    assert len(set(others)) == 15
    assert not set(others) & set(picked)
    assert others == random_others(30, 15, picked, seed=1)
    assert others != random_others(30, 15, picked, seed=2)
    with pytest.raises(SettingError, match=r"\[0, 20\]"):
        random_others(30, 21, picked, seed=1)
