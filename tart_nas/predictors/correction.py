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

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tart_nas.errors import PredictorError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.feature_rows import CellRows, FeatureRows, GraphRows
from tart_nas.predictors.inputs import PredictorInputs, row_chunks
from tart_nas.predictors.models.covariance import Covariance
from tart_nas.predictors.models.gaussian_process import MAX_POINTS
from tart_nas.predictors.models.marginal_likelihood import Posterior
from tart_nas.predictors.models.threads import Rows, for_each_chunk
from tart_nas.predictors.population import Population
from tart_nas.predictors.readings import ANOTHER_UNIT, BOUND, OWN_UNIT, LabelledRows

__all__ = ["Correction", "networks_among"]

Floats = npt.NDArray[np.float64]

_LEAST_SPREAD = 1e-3  # of the base's standard deviations, in those of the population: nothing is known exactly
_POPULATION = "population."  # begins the names of the population's arrays
_NUMBERS = ("targets", "base", "spread")  # of each labelled row


class Correction:
    """A Gaussian process on the features of cells or of graphs, led by the predictions of a base.

    The residual's kernel is that of :class:`~tart_nas.predictors.models.gaussian_process.GaussianProcess` (of graphs,
    :class:`~tart_nas.predictors.models.graph_process.GraphProcess`) before it has seen labels, with features
    standardised over the population. Nothing is random.

    Args:
        form: in which networks are kept and read.

    Attributes:
        form: likewise.
        arrays: the labelled rows, the population and the parameters, which are all there is to learn.
    """

    _rows: LabelledRows
    _told: tuple[Tensor, Tensor]  # of these rows, on the device where predictions are made, like the two that follow
    _covariance: Covariance
    _posterior: Posterior

    def __init__(self, form: type[CellRows] | type[GraphRows] = CellRows) -> None:
        self.form = form
        self.arrays: Arrays = {}
        self._device = torch.device("cpu")

    def fit(self, networks: FeatureRows, targets: Floats, base: Floats, spread: Floats, population: Population) -> None:
        """Learns from n labels.

        Args:
            networks: the n, in the form that it reads.
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
        rows = {"targets": targets, "base": base, "spread": spread}
        self._population = population
        features = networks.features(population.vocabulary)
        # In its own unit the base's standard deviations set the size of the residual: they must all be known.
        readings = [False, True] if np.isfinite(spread).all() else [False]
        fits = [(labelled := self._labelled(rows, features, own), *labelled.fit()) for own in readings]
        labelled, parameters, _ = min(fits, key=lambda fit: fit[2])
        told = {f"{_POPULATION}{name}": array for name, array in population.arrays.items()}
        own_unit = np.array([labelled.reading is OWN_UNIT])
        self._condition(networks.arrays() | rows | told | {"parameters": parameters, "own_unit": own_unit}, labelled)

    @property
    def population(self) -> Population | None:
        """That of the labels; None before there are any."""
        return self._population if self.arrays else None

    def to(self, device: torch.device) -> None:
        """Predicts on a device from now on; what it learns is found on the CPU."""
        self._device = device
        if self.arrays:
            self._told = (self._told[0].to(device), self._told[1].to(device))
            self._covariance, self._posterior = self._covariance.to(device), self._posterior.to(device)

    def predict(self, inputs: PredictorInputs, base: Floats, spread: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of new measurements, each (m,), given the base's (m,)."""
        predictions, networks = np.empty((2, len(inputs))), self.form.of(inputs)
        z, amplitude = (base - self._population.mean) / self._population.spread, np.ones(len(inputs))
        if self.arrays["own_unit"].item():
            # The base may not know how sure it is of a new row: then as sure as on the labelled ones, on average.
            amplitude = self._amplitude(np.where(np.isfinite(spread), spread, self.arrays["spread"].mean()))

        def score(rows: Rows) -> None:
            with torch.inference_mode():
                features = networks.take(rows).features(self._population.vocabulary, self._device)
                told = (torch.from_numpy(array[rows]).to(self._device) for array in (z, amplitude))
                predictions[:, rows] = torch.stack(self._scored(features, *told)).cpu().numpy()

        size = self.form.chunk if self._device.type == "cpu" else len(inputs)
        for_each_chunk(score, row_chunks(len(inputs), max(1, size)), self._device)
        return self._rows.center + self._rows.unit * predictions[0], self._rows.unit * predictions[1]

    def restore(self, arrays: Arrays) -> None:
        """Takes what :attr:`arrays` gave.

        Raises:
            ValueError: if they are of another model, or hold what no architecture has.
        """
        of_population = {name: array for name, array in arrays.items() if name.startswith(_POPULATION)}
        self._population = Population.from_arrays(
            {name.removeprefix(_POPULATION): array for name, array in of_population.items()}
        )
        if (self._population.vocabulary is None) != (self.form is CellRows):
            raise ValueError("other arrays than those of an update")
        networks = self.form.from_arrays(networks_among(arrays))
        rows = {name: arrays.get(name, np.zeros(0)) for name in _NUMBERS}
        if any(array.shape != (len(networks),) for array in rows.values()):
            raise ValueError("other arrays than those of an update")
        if not (np.isfinite(rows["targets"]).all() and np.isfinite(rows["base"]).all()):
            raise ValueError("other values in the arrays than those of an update")
        own, parameters = arrays.get("own_unit", np.zeros(0)), arrays.get("parameters", np.zeros(0))
        if own.shape != (1,) or own.dtype != np.bool_ or parameters.shape != (3,):
            raise ValueError("other arrays than those of an update")
        reading = OWN_UNIT if own.item() else ANOTHER_UNIT
        spread, away = rows["spread"], abs(parameters - reading.centers) / reading.deviations
        is_known = np.isfinite(spread) & (spread >= 0)
        if not (is_known | (np.isnan(spread) & ~own)).all() or not (away <= BOUND + 1e-6).all():
            raise ValueError("other values in the arrays than those of an update")
        features = networks.features(self._population.vocabulary)
        self._condition(arrays, self._labelled(rows, features, own.item()))

    def _condition(self, arrays: Arrays, rows: LabelledRows) -> None:
        """Makes ready to predict."""
        self.arrays, self._rows = arrays, rows
        self._told, self._covariance = (rows.base, rows.amplitude), rows.kernel
        self._posterior = rows.posterior(torch.from_numpy(arrays["parameters"]))
        self.to(self._device)

    def _labelled(self, rows: Mapping[str, Floats], features: Tensor, own: bool) -> LabelledRows:
        """The labelled rows, of features (n, columns), with labels in the base's own unit or in another."""
        population, targets = self._population, rows["targets"]
        center, unit = (population.mean, population.spread) if own else (targets.mean(), targets.std())
        amplitude = torch.from_numpy(self._amplitude(rows["spread"]) if own else np.ones(len(targets)))
        # in the base's own unit without the linear summands: what is linear is what a fitted predictor knows best
        kernel = population.kernel(linear=not own)
        covariance = kernel.between(torch.from_numpy(kernel.prior), features)
        return LabelledRows(
            reading=OWN_UNIT if own else ANOTHER_UNIT,
            center=float(center),
            unit=float(unit),
            estimated=0 if own else 2,
            targets=torch.from_numpy((targets - center) / unit),
            base=torch.from_numpy((rows["base"] - population.mean) / population.spread),
            amplitude=amplitude,
            kernel=covariance,
            residual=covariance.with_rows(features)[0] * torch.outer(amplitude, amplitude),
        )

    def _amplitude(self, spread: Floats) -> Floats:
        """The base's standard deviations (m,), in those of the population."""
        return np.maximum(spread / self._population.spread, _LEAST_SPREAD)

    def _scored(self, features: Tensor, base: Tensor, amplitude: Tensor) -> tuple[Tensor, Tensor]:
        """Means and standard deviations (m,) in the labels' unit, of features (m, columns) and z (m,)."""
        reading, (labelled_base, labelled_amplitude) = self._rows.reading, self._told
        slope, share, noise = np.exp(self.arrays["parameters"])
        covariance, variances = self._covariance.with_rows(features)
        covariance *= (slope * share) ** 2 * amplitude[:, None] * labelled_amplitude
        covariance += reading.offset**2 + (reading.doubt * slope) ** 2 * base[:, None] * labelled_base
        variances = ((slope * share) ** 2 * variances + noise**2) * amplitude.square()
        variances += reading.offset**2 + (reading.doubt * slope * base).square()
        residuals, std = self._posterior.predict(covariance, variances)
        return slope * base + residuals, std


def networks_among(arrays: Arrays) -> Arrays:
    """Those of the arrays of a correction that hold the labelled networks themselves."""
    others = (*_NUMBERS, "parameters", "own_unit")
    return {name: a for name, a in arrays.items() if name not in others and not name.startswith(_POPULATION)}
