"""What later labels say beside a fitted predictor: a Gaussian process whose mean are the predictor's predictions.

The labels y of architectures x, of which the predictor, the *base*, predicts m(x) +- s(x):

    y = offset + b z(x) + residual(x) + noise,   z(x) = (m(x) - mean of m) / (standard deviation of m)

Mean and deviation are those of a :class:`~tart_nas.predictors.population.Population`, never of the labelled rows alone:
a search labels the rows that the base puts first, whose predictions are nearly equal. The slope b is positive, so that
labels which say nothing of it leave the ranking as it was. Compare multi-fidelity cokriging (Kennedy and O'Hagan,
Biometrika 2000), where a cheap code stands in the base's place; there b may have either sign.

The labels may be in any unit. Two readings of it are tried, and the one under which they are more likely is taken:
another unit than the base's, or the base's own, in which b is 1 and the residual about as large as s(x).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize
from torch import Tensor

from tart_nas.errors import PredictorError
from tart_nas.predictors.cell_features import BLOCKS, COLUMNS, FEATURE_CHUNK, cell_features
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs, row_chunks
from tart_nas.predictors.models.gaussian_process import LINEAR, MAX_POINTS, SMOOTH, checked_rows
from tart_nas.predictors.models.posterior import Covariance, Part
from tart_nas.predictors.models.threads import Rows, for_each_chunk, one_blas_thread
from tart_nas.predictors.population import Population
from tart_nas.tokens import CellTokens

__all__ = ["Correction"]

Floats = npt.NDArray[np.float64]

_BOUND = 6.0  # a parameter stays within this many of its prior's deviations
_LEAST_SPREAD = 1e-3  # of the base's standard deviations, in those of the population: nothing is known exactly


class _Reading(NamedTuple):
    """What is believed of the labels before they are seen, in their own unit.

    The unit is the labels' standard deviation where it is another than the base's, and the standard deviation of the
    base's predictions over the population where it is the base's own.

    Attributes:
        slope: centre of b, and standard deviation of its logarithm.
        residual: likewise, of the residual's standard deviation as a share of b. It is a share, since both are in the
            labels' unit, which a narrow top does not tell: else noise passes for a residual that outweighs b.
        noise: likewise, of the noise's standard deviation.
        doubt: standard deviation of what is added to the slope, as a share of b; it lets labels contradict the base.
        offset: standard deviation of the offset.
    """

    slope: tuple[float, float]
    residual: tuple[float, float]
    noise: tuple[float, float]
    doubt: float
    offset: float

    @property
    def centers(self) -> Floats:
        """(3,) of the logarithms of b, of the residual's share and of the noise."""
        return np.log([self.slope[0], self.residual[0], self.noise[0]])

    @property
    def deviations(self) -> Floats:
        """(3,) likewise."""
        return np.array([self.slope[1], self.residual[1], self.noise[1]])


# A predictor of another task explains about two thirds of the variance, and what is measured on a small budget is noise
# by a third to a half of its deviation: in experiments/labels/darts, repeated with another seed, by 0.75 of 1.9 points.
# Labels of the top alone deviate less than those of the population, hence b above 1.
_ANOTHER_UNIT = _Reading(slope=(1.35, 0.7), residual=(0.74, 0.5), noise=(0.5, 1.0), doubt=0.3, offset=5.0)

# The base's intervals are right, and of their variance about two thirds are of the architecture, one third is noise.
_OWN_UNIT = _Reading(slope=(1.0, 0.1), residual=(0.8, 0.5), noise=(0.6, 0.5), doubt=0.1, offset=0.3)


@dataclass(frozen=True)
class _Rows:
    """n labelled rows under one reading of their unit.

    Attributes:
        reading: of the unit.
        center: what is taken from labels.
        unit: what they are divided by.
        estimated: how many of these two numbers were taken from the labels.
        targets: (n,) labels in that unit.
        base: (n,) z of the rows.
        amplitude: (n,) factors of residual and noise: 1 in another unit, s(x) in the base's own.
        residual: (n, n) the residual's covariance, where its standard deviation is 1.
    """

    reading: _Reading
    center: float
    unit: float
    estimated: int
    targets: Floats
    base: Floats
    amplitude: Floats
    residual: Floats

    def covariance(self, parameters: Floats) -> Floats:
        """(n, n) of the labels."""
        slope, share, noise = np.exp(parameters)
        covariance = self.reading.offset**2 + (self.reading.doubt * slope) ** 2 * np.outer(self.base, self.base)
        covariance += (slope * share) ** 2 * self.residual
        covariance[np.diag_indices_from(covariance)] += (noise * self.amplitude) ** 2
        return np.asarray(covariance)

    def solved(self, parameters: Floats) -> tuple[Floats, Floats]:
        """The lower Cholesky factor (n, n) of the covariance, and its inverse times what the base leaves (n,)."""
        factor = cholesky(self.covariance(parameters), lower=True)
        return factor, cho_solve((factor, True), self.targets - np.exp(parameters[0]) * self.base)

    def objective(self, parameters: Floats) -> tuple[float, Floats]:
        """Negative logarithm of the parameters' posterior, up to a constant that all readings have, and its gradient.

        What was taken from the labels is paid for as in Schwarz, "Estimating the dimension of a model", Annals of
        Statistics 1978, so that labels of the base's own unit are read in it where they are few.

        Equation 5.9 of Rasmussen and Williams, "Gaussian Processes for Machine Learning", MIT Press 2006.
        """
        slope, share, noise = np.exp(parameters)
        factor, solved = self.solved(parameters)
        left = self.targets - slope * self.base
        away = (parameters - self.reading.centers) / self.reading.deviations
        value = 0.5 * left @ solved + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        value += len(left) * np.log(self.unit) + 0.5 * self.estimated * np.log(len(left))
        by_covariance = cho_solve((factor, True), np.eye(len(left))) - np.outer(solved, solved)
        residual = (slope * share) ** 2 * (by_covariance * self.residual).sum()
        doubt = (self.reading.doubt * slope) ** 2 * (self.base @ by_covariance @ self.base)
        noises = (np.diag(by_covariance) * (noise * self.amplitude) ** 2).sum()
        gradient = np.array([residual + doubt - slope * self.base @ solved, residual, noises])
        return float(value), gradient + away / self.reading.deviations

    def fit(self) -> tuple[Floats, float]:
        """The most likely parameters (3,), and the objective there."""
        low, high = (self.reading.centers + side * _BOUND * self.reading.deviations for side in (-1, 1))
        bounds = list(zip(low, high, strict=True))
        best = minimize(self.objective, self.reading.centers, jac=True, method="L-BFGS-B", bounds=bounds)
        return np.asarray(best.x), float(best.fun)


class _Solution(NamedTuple):
    """What predictions need of the labelled rows, on the device where they are made."""

    covariance: Covariance
    base: Tensor
    amplitude: Tensor
    factor: Tensor
    solved: Tensor


class Correction:
    """A Gaussian process on the features of cells, led by the predictions of a base.

    The residual's kernel is that of :class:`~tart_nas.predictors.models.gaussian_process.GaussianProcess` before it
    has seen labels, with features standardised over the population. In the base's own unit its linear summands are left
    out: what is linear in the features is what a fitted predictor knows best. Nothing is random.

    Attributes:
        arrays: the labelled rows, the population and the parameters, which are all there is to learn.
    """

    def __init__(self) -> None:
        self.arrays: Arrays = {}
        self._device = torch.device("cpu")

    def fit(
        self, tokens: CellTokens, sizes: Floats, targets: Floats, base: Floats, spread: Floats, population: Population
    ) -> None:
        """Learns from n labels.

        Args:
            tokens: of the n architectures.
            sizes: (n,) of :attr:`PredictorInputs.sizes`.
            targets: (n,) labels, in any unit; compared with the base's predictions to find out whether it is theirs.
            base: (n,) the base's predictions.
            spread: (n,) their standard deviations, NaN where it cannot tell.
            population: what the base may be asked about, in the same unit.

        Raises:
            PredictorError: if there are more than :data:`MAX_POINTS`.
        """
        if len(targets) > MAX_POINTS:
            raise PredictorError(
                f"A predictor is updated with at most {MAX_POINTS} labelled architectures, but got {len(targets)}."
            )
        rows = {field.name: getattr(tokens, field.name) for field in fields(CellTokens)}
        rows |= {"sizes": sizes, "targets": targets, "base": base, "spread": spread}
        self._population = population
        features = cell_features(tokens, sizes)
        readings = [False, True] if np.isfinite(spread).all() else [False]
        with one_blas_thread():
            fits = [(own, *self._labelled(rows, features, own).fit()) for own in readings]
        own, parameters, _ = min(fits, key=lambda fit: fit[2])
        told = {f"population.{name}": array for name, array in population.arrays.items()}
        self._condition(rows | told | {"parameters": parameters, "own_unit": np.array([own])}, features)

    @property
    def population(self) -> Population | None:
        """That of the labels; None before there are any."""
        return self._population if self.arrays else None

    def to(self, device: torch.device) -> None:
        """Predicts on a device from now on; what it learns is found on the CPU."""
        self._device = device
        if self.arrays:
            self._move()

    def predict(self, inputs: PredictorInputs, base: Floats, spread: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of new measurements, each (m,), given the base's (m,)."""
        predictions = np.empty((2, len(inputs)))
        z, amplitude = (base - self._population.mean) / self._population.spread, np.ones(len(inputs))
        if self.arrays["own_unit"].item():
            amplitude = self._amplitude(np.where(np.isfinite(spread), spread, self.arrays["spread"].mean()))

        def score(rows: Rows) -> None:
            with torch.inference_mode():
                features = cell_features(inputs.tokens.take(rows), inputs.sizes[rows], self._device)
                told = (torch.from_numpy(array[rows]).to(self._device) for array in (z, amplitude))
                predictions[:, rows] = torch.stack(self._scored(features, *told)).cpu().numpy()

        size = FEATURE_CHUNK if self._device.type == "cpu" else len(inputs)
        for_each_chunk(score, row_chunks(len(inputs), max(1, size)), self._device)
        return self._rows.center + self._rows.unit * predictions[0], self._rows.unit * predictions[1]

    def restore(self, arrays: Arrays) -> None:
        """Takes what :attr:`arrays` gave.

        Raises:
            ValueError: if they are of another model, or hold what no architecture has.
        """
        parts: dict[bool, Arrays] = {True: {}, False: {}}
        for name, array in arrays.items():
            parts[name.startswith("population.")][name.removeprefix("population.")] = array
        self._population = Population.from_arrays(parts[True])
        rows = {name: array for name, array in parts[False].items() if name not in ("parameters", "own_unit")}
        tokens = checked_rows(rows, ("sizes", "targets", "base"), ("spread",))
        own, parameters = arrays.get("own_unit", np.zeros(0)), arrays.get("parameters", np.zeros(0))
        if own.shape != (1,) or own.dtype != np.bool_ or parameters.shape != (3,):
            raise ValueError("other arrays than those of an update")
        reading = _OWN_UNIT if own.item() else _ANOTHER_UNIT
        spread, away = rows["spread"], abs(parameters - reading.centers) / reading.deviations
        is_known = np.isfinite(spread) & (spread >= 0)
        if not (is_known | (np.isnan(spread) & ~own)).all() or not (away <= _BOUND + 1e-6).all():
            raise ValueError("other values in the arrays than those of an update")
        self._condition(arrays, cell_features(tokens, rows["sizes"]))

    def _condition(self, arrays: Arrays, features: Tensor) -> None:
        """Makes ready to predict."""
        self.arrays = arrays
        self._rows = self._labelled(arrays, features, arrays["own_unit"].item())
        told = (self._rows.base, self._rows.amplitude, *self._rows.solved(arrays["parameters"]))
        covariance = self._covariance(features, arrays["own_unit"].item())
        self._solution = _Solution(covariance, *(torch.from_numpy(array) for array in told))
        self._move()

    def _move(self) -> None:
        covariance, *others = self._solution
        self._solution = _Solution(covariance.to(self._device), *(tensor.to(self._device) for tensor in others))

    def _labelled(self, rows: Mapping[str, Floats], features: Tensor, own: bool) -> _Rows:
        """The labelled rows, of features (n, COLUMNS), with labels in the base's own unit or in another."""
        population, targets = self._population, rows["targets"]
        center, unit = (population.mean, population.spread) if own else (targets.mean(), targets.std())
        amplitude = self._amplitude(rows["spread"]) if own else np.ones(len(targets))
        residual = self._covariance(features, own).with_rows(features)[0].numpy() * np.outer(amplitude, amplitude)
        return _Rows(
            _OWN_UNIT if own else _ANOTHER_UNIT,
            float(center),
            float(unit),
            0 if own else 2,
            (targets - center) / unit,
            (rows["base"] - population.mean) / population.spread,
            amplitude,
            residual,
        )

    def _amplitude(self, spread: Floats) -> Floats:
        """The base's standard deviations (m,), in those of the population."""
        return np.maximum(spread / self._population.spread, _LEAST_SPREAD)

    def _covariance(self, features: Tensor, own: bool) -> Covariance:
        """The residual's kernel between new rows and the labelled ones, of features (n, COLUMNS)."""
        linear = () if own else LINEAR
        share = 1 / (len(linear) + len(SMOOTH))
        squares = torch.from_numpy(self._population.scales).square()
        parts = [Part(_weights(linear, share) / squares)] if linear else []
        # a correlation of exp(-1/2) at the average distance, which is 2 in each block
        parts += [Part(_weights(blocks, 1 / (2 * len(blocks))) / squares, share) for blocks in SMOOTH]
        center = torch.from_numpy(self._population.center)
        return Covariance.of(center, features - center, parts)

    def _scored(self, features: Tensor, base: Tensor, amplitude: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations (m,) in the labels' unit, of features (m, COLUMNS) and z (m,)."""
        reading, known = self._rows.reading, self._solution
        slope, share, noise = np.exp(self.arrays["parameters"])
        covariance, variances = known.covariance.with_rows(features)
        covariance *= (slope * share) ** 2 * amplitude[:, None] * known.amplitude
        covariance += reading.offset**2 + (reading.doubt * slope) ** 2 * base[:, None] * known.base
        variances = ((slope * share) ** 2 * variances + noise**2) * amplitude.square()
        variances += reading.offset**2 + (reading.doubt * slope * base).square()
        explained = torch.linalg.solve_triangular(known.factor, covariance.T, upper=False)
        variances -= explained.square().sum(dim=0)
        return slope * base + covariance @ known.solved, variances.clamp(min=1e-12).sqrt()


def _weights(blocks: Sequence[str], weight: float) -> Tensor:
    """(COLUMNS,) the weight in the columns of some blocks, 0 elsewhere."""
    weights = torch.zeros(COLUMNS, dtype=torch.float64)
    for name in blocks:
        weights[BLOCKS[name]] = weight
    return weights
