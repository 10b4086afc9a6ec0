import numpy as np
import pytest

from tart_nas.errors import SettingError
from tart_nas.strategies.acquisition import acquire, chebyshev


def test_expected_improvement_is_that_of_many_draws():
    mean, std = np.array([0.0, 1.0, 2.0, 2.0]), np.array([1.0, 2.0, 0.1, 0.0])
    rng = np.random.default_rng(0)
    draws = rng.normal(mean, std, size=(200_000, 4))
    expected = np.maximum(draws - 1.5, 0).mean(axis=0)
    assert acquire("expected-improvement", mean, std, 1.5, rng) == pytest.approx(expected, abs=5e-3)
    assert acquire("mean", mean, std, 1.5, rng).tolist() == mean.tolist()
    assert acquire("upper-bound", mean, std, 1.5, rng) == pytest.approx([2, 5, 2.2, 2])
    drawn = np.stack([acquire("thompson", mean, std, 1.5, rng) for _ in range(5000)])
    assert drawn.std(axis=0) == pytest.approx(std, abs=0.05)
    with pytest.raises(SettingError, match="luck"):
        acquire("luck", mean, std, 1.5, rng)  # type: ignore[arg-type]


def test_random_weights_find_all_of_a_concave_front():
    angles = np.linspace(0, np.pi / 2, 21)
    front = 1 - np.stack([np.cos(angles), np.sin(angles)], axis=1)  # no weighted sum finds its middle
    inside = front - 0.05
    rng = np.random.default_rng(0)
    best = [int(np.argmax(chebyshev(np.concatenate([front, inside]), np.empty((0, 2)), rng))) for _ in range(400)]
    assert max(best) < 21
    assert len(set(best)) >= 10
    assert set(best) & set(range(7, 14))
