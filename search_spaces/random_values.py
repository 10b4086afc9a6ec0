"""Random values of Optuna's distributions: uniform over choices, numbers, or logarithms of numbers."""

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

__all__ = ["drawn", "drawn_other"]


def drawn(distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    """A value of a distribution, drawn as a random sampler of Optuna's would: uniformly, or in the logarithm."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(rng.integers(len(distribution.choices)))]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
        return min(max(round(value) if isinstance(distribution, IntDistribution) else value, low), high)
    if step is None:
        return float(rng.uniform(low, high))
    return low + step * int(rng.integers(round((high - low) / step) + 1))


def drawn_other(distribution: BaseDistribution, value: Any, rng: np.random.Generator) -> Any:
    """A value of a distribution that is another than the given one; the same if there is no other."""
    if distribution.single():
        return value
    while (other := drawn(distribution, rng)) == value:
        pass
    return other
