"""Acquisition functions: the value of training a candidate, from its predicted mean and standard deviation."""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr  # scipy.stats takes a second to import

from tart_nas.checks import one_of

__all__ = ["ACQUISITIONS", "Acquisition", "acquire", "chebyshev"]

Floats = npt.NDArray[np.float64]
Acquisition = Literal["expected-improvement", "thompson", "upper-bound", "mean"]

_AUGMENTATION = 0.05  # weight of the sum beside the Chebyshev norm: rho in the ParEGO paper, section III


def _expected_improvement(mean: Floats, std: Floats, best: float, rng: np.random.Generator) -> Floats:
    z = (mean - best) / std
    return np.asarray(std * (z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)))


def _thompson(mean: Floats, std: Floats, best: float, rng: np.random.Generator) -> Floats:
    return np.asarray(rng.normal(mean, std))


def _upper_bound(mean: Floats, std: Floats, best: float, rng: np.random.Generator) -> Floats:
    return mean + 2 * std  # two, the usual choice: an upper bound with a probability of 97.7 %


def _mean(mean: Floats, std: Floats, best: float, rng: np.random.Generator) -> Floats:
    return mean


ACQUISITIONS: dict[str, Callable[[Floats, Floats, float, np.random.Generator], Floats]] = {
    "expected-improvement": _expected_improvement,
    "thompson": _thompson,
    "upper-bound": _upper_bound,
    "mean": _mean,
}
"""Expected improvement on the best so far (Jones et al., Journal of Global Optimization 1998), a draw from each
prediction's distribution (Thompson, Biometrika 1933; of each candidate by itself, since predictors give no
covariances), the mean plus two standard deviations, and the mean."""


def acquire(name: Acquisition, mean: Floats, std: Floats, best: float, rng: np.random.Generator) -> Floats:
    """The acquisition value of each candidate; higher is better.

    Args:
        name: one of :data:`ACQUISITIONS`.
        mean: (n,) predictions.
        std: (n,) their standard deviations, at least 0.
        best: the best value so far.
        rng: source of randomness.

    Returns:
        (n,) acquisition values; only their order has a meaning.

    Raises:
        SettingError: for another name.
    """
    one_of("acquisition", name, ACQUISITIONS)
    return ACQUISITIONS[name](mean, np.maximum(std, 1e-12), best, rng)  # expected improvement divides by it


def chebyshev(values: Floats, seen: Floats, rng: np.random.Generator) -> Floats:
    """Scalarises several objectives with random weights, so that many calls together search the whole Pareto front.

    Knowles, "ParEGO", IEEE Transactions on Evolutionary Computation 2006: the augmented Chebyshev norm of the distance
    from the ideal point, each objective scaled to its range.

    Args:
        values: (n, m) of the candidates, higher is better.
        seen: (k, m) measured so far.
        rng: source of randomness.

    Returns:
        (n,) numbers, higher is better.
    """
    both = np.concatenate([values, seen])
    low, high = both.min(axis=0), both.max(axis=0)
    away = (high - values) / np.where(high > low, high - low, 1.0)
    weighted = rng.dirichlet(np.ones(values.shape[1])) * away
    return np.asarray(-weighted.max(axis=1) - _AUGMENTATION * weighted.sum(axis=1))
