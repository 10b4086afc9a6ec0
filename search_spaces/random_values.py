"""Random values of Optuna's distributions: uniform over choices, numbers, or logarithms of numbers."""

from numbers import Real
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tart_nas.search_spaces.parameters import exact_float

__all__ = ["drawn", "drawn_other", "exact"]


def drawn(distribution: BaseDistribution, rng: np.random.Generator) -> Any:
    """A value of a distribution, drawn as a random sampler of Optuna's would: uniformly, or in the logarithm."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(rng.integers(len(distribution.choices)))]
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    low, high, step = distribution.low, distribution.high, distribution.step
    if distribution.log:
        is_whole = isinstance(distribution, IntDistribution)
        # Half a number more on both sides: the first and the last one have all that is rounded to them, as others have.
        around = 0.5 if is_whole else 0.0
        value = float(np.exp(rng.uniform(np.log(low - around), np.log(high + around))))
        return min(max(round(value) if is_whole else value, low), high)
    if step is None:
        return float(rng.uniform(low, high))
    # Optuna made `high` a multiple of the step above `low`. The product may miss it: 3 steps of 0.1 are more than 0.3.
    return min(low + step * int(rng.integers(round((high - low) / step) + 1)), high)


def drawn_other(distribution: BaseDistribution, value: Any, rng: np.random.Generator) -> Any:
    """A value of a distribution that is another than the given one; the same if there is no other."""
    if distribution.single():
        return value
    while (other := drawn(distribution, rng)) == value:
        pass
    return other


def exact(distribution: BaseDistribution, value: Any) -> Any:
    """The float that samplers of Optuna's give where a value misses it by rounding errors; else the value itself."""
    if not isinstance(distribution, FloatDistribution) or isinstance(value, bool) or not isinstance(value, Real):
        return value
    return exact_float(float(value), distribution.low, distribution.high, step=distribution.step, log=distribution.log)
