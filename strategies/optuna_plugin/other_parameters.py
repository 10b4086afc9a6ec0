"""What parameters beside the architecture do to a study's values, so that it is not put down to the architecture.

The values y of trials with architectures x and other parameters h, such as a learning rate:

    y = offset + f(x) + g(h) + noise,   f and g Gaussian processes

The two effects are told apart by the marginal likelihood: with f left out, good learning rates of late trials, whose
architectures are better too, would be praised for both (Duvenaud et al., "Additive Gaussian Processes", NeurIPS 2011).
Nothing is optimised: predictions are means over settings drawn from a prior, weighted by their likelihood.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from scipy.linalg import cho_factor, cho_solve
from scipy.special import ndtr

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.predictors.cell_features import block_scales, cell_features
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.kernel import CellKernel
from tart_nas.search_spaces.random_values import drawn
from tart_nas.strategies.acquisition import acquire

__all__ = ["OtherParameters"]

Floats = npt.NDArray[np.float64]
Told = Mapping[str, tuple[BaseDistribution, Any]]
"""Parameters of a trial by name: distribution and value."""

_SETTINGS = 64  # drawn from the prior; the few likely ones have nearly all the weight
_MOST_LABELS = 200  # that are learned from: with more, the matrices take longer than a suggestion
_DRAWN = 256  # places of the parameters that are compared, half of them near the best ones
_NEAR = 0.1  # standard deviation of these, in shares of a range
_LEAST_NOISE = 1e-4  # of the values' variance: keeps matrices regular where a study has no noise


@dataclass(frozen=True, eq=False)
class _Fit:
    """The model under one setting.

    Attributes:
        weight: share of all settings' likelihood.
        scales: (width,) length scales of the parameters.
        variance: of their effect.
        noise: variance of the noise.
        alpha: (n,) inverse covariance times targets.
        factor: of the covariance, of Cholesky.
    """

    weight: float
    scales: Floats
    variance: float
    noise: float
    alpha: Floats
    factor: Any


class OtherParameters:
    """The effect g of parameters that all labelled trials have, on one scale, beside networks of cells.

    Numbers are scaled to [0, 1] in the range of the last trial, by their logarithm where the distribution is
    logarithmic; categories are one-hot.
    """

    def __init__(self) -> None:
        self._distributions: dict[str, BaseDistribution] = {}
        self._fits: list[_Fit] = []
        self._points: Floats = np.zeros((0, 0))
        self._center, self._spread = 0.0, 1.0

    @property
    def distributions(self) -> Mapping[str, BaseDistribution]:
        """Those parameters of which something was learned, by name."""
        return self._distributions if self._fits else {}

    def comparable(
        self,
        architectures: Sequence[Any],
        told: Sequence[Told],
        values: Floats,
        seed: int,
        without: Sequence[Told] = (),
    ) -> Floats:
        """Learns the effect; n values as they would be with the best setting of the other parameters.

        Args:
            architectures: n that were trained.
            told: (n,) what else each trial was given.
            values: (n,) measured, higher is better.
            seed: of the settings that are drawn.
            without: what trials were given that have no architecture. A parameter which decides whether there is one
                is not learned: its other values would look unexplored for ever.
        """
        self._fits = []
        self._distributions = {
            name: distribution
            for name, distribution in _shared(told).items()
            if not _decides(name, distribution, told, without)
        }
        spread = float(values.std())
        if not self._distributions or not spread > 0:
            return values
        self._points = self._encoded([{name: value for name, (_, value) in each.items()} for each in told])
        if not np.ptp(self._points, axis=0).any():
            return values
        points, rows = self._points, np.unique(np.linspace(0, len(values) - 1, _MOST_LABELS).astype(int))
        alike = _architecture_kernel([architectures[row] for row in rows])
        if alike is None:
            return values
        self._center, self._spread = float(values[rows].mean()), spread
        self._points, targets = points[rows], (values[rows] - self._center) / spread
        self._fit(alike, targets, np.random.default_rng(seed))
        effect = self._predicted(points)[0]
        return np.asarray(values + spread * (effect.max() - effect))

    def chosen(
        self, rng: np.random.Generator, chance: Callable[[Sequence[Mapping[str, Any]]], Floats]
    ) -> dict[str, Any]:
        """The setting with the greatest expected improvement of the effect, by name; empty where nothing is known.

        Args:
            rng: source of randomness.
            chance: gives n settings' chances of a success, by which the improvement is multiplied.
        """
        if not self._fits:
            return {}
        effect = self._predicted(self._points)[0]
        best = self._points[np.argsort(-effect)[: _DRAWN // 8]]
        settings = [{n: drawn(d, rng) for n, d in self._distributions.items()} for _ in range(_DRAWN)]
        settings += [self._near(row, rng) for row in best for _ in range(4)]
        mean, std = self._predicted(self._encoded(settings))
        order = acquire("expected-improvement", mean, std, float(effect.max()), rng)
        return settings[int((order * chance(settings)).argmax())]

    def chance_above_zero(self, settings: Sequence[Mapping[str, Any]]) -> Floats:
        """(n,) chances of a new value above 0 with n settings, over all architectures; 1 where nothing is known."""
        if not self._fits:
            return np.ones(len(settings))
        mean, std = self._predicted(self._encoded(settings))
        noise = sum(fit.weight * fit.noise for fit in self._fits)
        return np.asarray(ndtr((self._center + self._spread * mean) / (self._spread * np.sqrt(std**2 + noise))))

    def _fit(self, of_architectures: Floats, targets: Floats, rng: np.random.Generator) -> None:
        n, width = self._points.shape
        fits, likelihoods = list[_Fit](), list[float]()
        for _ in range(_SETTINGS):
            # Both effects and the noise explain some share of the variance, any of them nearly nothing at times; a
            # range of a parameter is some length scales wide.
            shares = np.exp(rng.normal([-1.0, -1.0, -2.5], [1.0, 1.5, 1.0]))
            scales = np.exp(rng.normal(math.log(0.3), 0.7, size=width))
            effect = shares[1] * _smooth(self._points, self._points, scales)
            noise = float(shares[2]) + _LEAST_NOISE
            covariance = shares[0] * of_architectures + effect + noise * np.eye(n) + 1.0
            factor = cho_factor(covariance, lower=True, check_finite=False)
            weights = cho_solve(factor, targets, check_finite=False)
            likelihoods.append(float(-0.5 * targets @ weights - np.log(np.diag(factor[0])).sum()))
            fits.append(_Fit(1.0, scales, float(shares[1]), noise, weights, factor))
        shares_of = np.exp(np.array(likelihoods) - max(likelihoods))
        likely = shares_of > 0.01  # the others would only take time
        shares_of /= shares_of[likely].sum()
        self._fits = [replace(fits[i], weight=float(shares_of[i])) for i in np.flatnonzero(likely).tolist()]

    def _predicted(self, points: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations (m,) of the effect at m points, in standard deviations of the values."""
        means, squares = np.zeros(len(points)), np.zeros(len(points))
        for fit in self._fits:
            cross = fit.variance * _smooth(points, self._points, fit.scales)
            mean = cross @ fit.alpha
            left = fit.variance - (cross * cho_solve(fit.factor, cross.T, check_finite=False).T).sum(axis=1)
            means += fit.weight * mean
            squares += fit.weight * (np.maximum(left, 0) + mean**2)
        return means, np.sqrt(np.maximum(squares - means**2, 0))

    def _encoded(self, settings: Sequence[Mapping[str, Any]]) -> Floats:
        """(n, width) numbers."""
        columns = [np.zeros((len(settings), 0))]
        for name, distribution in self._distributions.items():
            given = [setting[name] for setting in settings]
            if isinstance(distribution, CategoricalDistribution):
                rows = [distribution.to_internal_repr(value) for value in given]
                columns.append(np.eye(len(distribution.choices))[np.array(rows, dtype=int)])
            else:
                columns.append(np.array([[_share(distribution, float(value))] for value in given]))
        return np.hstack(columns)

    def _near(self, row: Floats, rng: np.random.Generator) -> dict[str, Any]:
        """A setting near an encoded one."""
        setting, first = {}, 0
        for name, distribution in self._distributions.items():
            if isinstance(distribution, CategoricalDistribution):
                width = len(distribution.choices)
                setting[name] = distribution.choices[int(row[first : first + width].argmax())]
                first += width
            else:
                share = abs(float(row[first]) + rng.normal(0, _NEAR))
                share = max(0.0, 1 - abs(1 - share))  # reflected: at a bound, all would be the same
                setting[name], first = _at(distribution, share), first + 1
        return setting


def _shared(told: Sequence[Told]) -> dict[str, BaseDistribution]:
    """What all trials have with distributions of one kind, by name; of more than one value, in the last trial's range.

    A study may go on with another range of a number, in which the next values lie.
    """
    last = dict(told[-1]) if told else {}
    return {
        name: distribution
        for name, (distribution, _) in sorted(last.items())
        if not distribution.single() and all(name in each and _is_alike(each[name][0], distribution) for each in told)
    }


def _is_alike(one: BaseDistribution, other: BaseDistribution) -> bool:
    """Whether values of both are on one scale, whatever their ranges."""
    if isinstance(one, IntDistribution | FloatDistribution) and type(one) is type(other):
        return bool(one.log == other.log)
    return one == other


def _decides(name: str, distribution: BaseDistribution, told: Sequence[Told], without: Sequence[Told]) -> bool:
    """Whether a parameter's values in trials without an architecture are none of those in trials with one.

    Floats are left out: no two trials have the same.
    """
    others = [each[name][1] for each in without if name in each]
    if not others or isinstance(distribution, FloatDistribution):
        return False
    return set(others).isdisjoint(each[name][1] for each in told)


def _architecture_kernel(architectures: Sequence[Any]) -> Floats | None:
    """(n, n) how alike architectures are, in the manner of the predictors' Gaussian process before it sees labels.

    None where it cannot tell: without their effect, other parameters would be praised for what is the networks'.
    """
    if not all(isinstance(architecture, Architecture) for architecture in architectures):
        return None
    try:
        inputs = PredictorInputs(list(architectures))
        features = cell_features(inputs.tokens, inputs.sizes)
    except PredictorError:  # cells too large for tokens
        return None
    rows = features.numpy()
    kernel = CellKernel.without_labels(rows.mean(axis=0), block_scales(rows))
    covariance, _ = kernel.between(torch.from_numpy(kernel.prior), features).with_rows(features)
    return np.asarray(covariance)


def _smooth(one: Floats, other: Floats, scales: Floats) -> Floats:
    """(n, m) Gaussian kernel."""
    away = (one[:, None, :] - other[None, :, :]) / scales
    return np.asarray(np.exp(-0.5 * (away**2).sum(axis=2)))


def _share(distribution: Any, value: float) -> float:
    """A number's place in its range, from 0 to 1."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        low, high, value = math.log(low), math.log(high), math.log(value)
    return (value - low) / (high - low)


def _at(distribution: Any, share: float) -> Any:
    """The legal number nearest to a place in the range."""
    low, high = float(distribution.low), float(distribution.high)
    if distribution.log:
        value = math.exp(math.log(low) + share * (math.log(high) - math.log(low)))
    else:
        value = low + share * (high - low)
    if isinstance(distribution, IntDistribution):
        steps = round((value - distribution.low) / distribution.step)
        return int(min(distribution.high, max(distribution.low, distribution.low + steps * distribution.step)))
    assert isinstance(distribution, FloatDistribution)
    if distribution.step is not None:
        value = low + round((value - low) / distribution.step) * distribution.step
    return min(distribution.high, max(distribution.low, value))
