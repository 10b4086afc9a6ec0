"""Exact Gaussian process regression on the features of cells: the strongest of the classical predictors."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors.cell_features import BLOCKS, FEATURE_CHUNK, cell_features
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs, row_chunks
from tart_nas.predictors.models.kernel import BY_INPUT, LINEAR, CellKernel
from tart_nas.predictors.models.labelled_rows import checked_rows
from tart_nas.predictors.models.marginal_likelihood import Posterior, most_likely, negative_log_likelihood
from tart_nas.predictors.models.regressor import Regressor
from tart_nas.predictors.models.threads import Rows, for_each_chunk
from tart_nas.tokens import TOKEN_SCHEME, CellTokens

__all__ = ["MAX_POINTS", "CellProcess", "GaussianProcess"]

Floats = npt.NDArray[np.float64]

MAX_POINTS = 3000
"""Most labels that one is fitted to: memory grows with their square, time with their cube."""

_SPREAD = 1.0  # standard deviation of each parameter's prior; twice that makes it too sure of itself at 50 labels
_BOUND = 8.0  # a parameter stays this near its prior's centre
_NOISE = 0.1  # its variance at the prior's centre, a tenth of the targets'


class CellProcess:
    """A Gaussian process on the features of cells.

    Its kernel is a sum: linear on ``counts``, ``flow``, ``attributes``, ``inputs``, ``settings`` and ``size``;
    Gaussian on these, ``paths``, ``minima`` and ``readers`` together; Gaussian on ``edges``; Gaussian on ``pairs`` and
    ``size``. Each block of :data:`BLOCKS` has a variance or a length scale, found by the marginal likelihood under a
    wide prior; nothing is random. Standard deviations are those of a new measurement.

    Args:
        without: blocks that are not read.

    Attributes:
        arrays: the training set and the parameters, which are all there is to learn.
    """

    def __init__(self, without: Sequence[str] = ()) -> None:
        self.without = tuple(without)
        self.arrays: Arrays = {}
        self._device = torch.device("cpu")

    def fit(self, tokens: CellTokens, sizes: Floats, targets: Floats) -> None:
        """Learns from n architectures with targets (n,).

        Args:
            tokens: the architectures.
            sizes: (n,) of :attr:`PredictorInputs.sizes`.
            targets: (n,), standardised.

        Raises:
            PredictorError: if there are more than :data:`MAX_POINTS`.
        """
        if len(targets) > MAX_POINTS:
            raise PredictorError(
                f"A Gaussian process is fitted to at most {MAX_POINTS} labelled architectures, but got {len(targets)}."
            )
        training = {field.name: getattr(tokens, field.name) for field in fields(CellTokens)}
        training |= {"sizes": sizes, "targets": targets}
        features = cell_features(tokens, sizes)
        kernel = CellKernel.of(features.numpy(), self.without)
        pairs, labels = kernel.pairs(features.numpy()), torch.from_numpy(targets)

        def objective(parameters: torch.Tensor) -> torch.Tensor:
            return negative_log_likelihood(kernel.covariance(parameters, pairs), labels)

        centers = _centers(kernel)
        parameters, _ = most_likely(objective, centers, np.full(len(centers), _SPREAD), _BOUND / _SPREAD)
        self._condition(training | {"parameters": parameters}, kernel, features)

    def _condition(self, arrays: Arrays, kernel: CellKernel, features: torch.Tensor) -> None:
        """Makes ready to predict."""
        parameters = torch.from_numpy(arrays["parameters"])
        self._noise = float(parameters[-1].exp())
        self._covariance = kernel.between(parameters[:-1], features)
        covariance = self._covariance.with_rows(features)[0]
        covariance.diagonal().add_(self._noise)
        self._posterior = Posterior.of(covariance, torch.from_numpy(arrays["targets"]))
        self.arrays = arrays
        self.to(self._device)

    @property
    def device(self) -> torch.device:
        """Where it predicts."""
        return self._device

    def to(self, device: torch.device) -> None:
        """Predicts on a device from now on; what it learns is found on the CPU."""
        self._device = device
        if self.arrays:
            self._covariance, self._posterior = self._covariance.to(device), self._posterior.to(device)

    def predict(self, inputs: PredictorInputs, base: Floats | None = None) -> tuple[Floats, Floats]:
        """Means and standard deviations, each (m,); ``base`` as in :meth:`restore`, (m,)."""
        predictions = np.empty((2, len(inputs)))

        def score(rows: Rows) -> None:
            with torch.inference_mode():
                features = cell_features(inputs.tokens.take(rows), inputs.sizes[rows], self._device)
                if base is not None:
                    features = torch.cat((features, torch.from_numpy(base[rows, None]).to(self._device)), dim=1)
                covariance, variances = self._covariance.with_rows(features)
                said = self._posterior.predict(covariance, variances + self._noise)
                predictions[:, rows] = torch.stack(said).cpu().numpy()

        size = FEATURE_CHUNK if self._device.type == "cpu" else len(inputs)
        for_each_chunk(score, row_chunks(len(inputs), max(1, size)), self._device)
        return predictions[0], predictions[1]

    def restore(self, arrays: Arrays, has_base: bool = False) -> None:
        """Takes what :attr:`arrays` gave.

        Args:
            arrays: of a process that was fitted.
            has_base: whether it also reads another model's predictions: an updated predictor of an earlier version,
                which is read but no longer made (:mod:`tart_nas.predictors.refined`).

        Raises:
            ValueError: if they are of another model, or hold what no architecture has.
        """
        rows = {name: array for name, array in arrays.items() if name != "parameters"}
        tokens = checked_rows(rows, ("sizes", "targets", *(["base"] if has_base else [])))
        features = cell_features(tokens, arrays["sizes"])
        if has_base:
            features = torch.cat((features, torch.from_numpy(arrays["base"])[:, None]), dim=1)
        kernel = CellKernel.of(features.numpy(), self.without)
        parameters, centers = arrays.get("parameters", np.zeros(0)), _centers(kernel)
        if parameters.shape != centers.shape:  # fitted by version 0.2, which did not have these blocks
            kernel = CellKernel.of(features.numpy(), (*self.without, *BY_INPUT))
            centers = _centers(kernel)
        if parameters.shape != centers.shape:
            raise ValueError("other arrays than those of a Gaussian process")
        if not (abs(parameters - centers) < _BOUND + 1e-6).all():
            raise ValueError("other values in the arrays than those of a Gaussian process")
        self._condition(arrays, kernel, features)


def _centers(kernel: CellKernel) -> Floats:
    """The centres of the priors of the kernel's parameters and of the logarithm of the noise's variance."""
    return np.append(kernel.prior, np.log(_NOISE))


class GaussianProcess(Regressor):
    """A :class:`CellProcess` on its own.

    Args:
        without: blocks of :data:`BLOCKS` that are not read, such as ``["pairs"]``: to find out what they are good for.

    Raises:
        SettingError: if there is no such block, or nothing linear is left.
    """

    token_scheme = TOKEN_SCHEME

    def __init__(self, without: Sequence[str] = ()) -> None:
        names = {name.split()[-1] for name in BLOCKS}
        legal = isinstance(without, list | tuple) and all(isinstance(name, str) for name in without)
        linear = {name.split()[-1] for name in LINEAR}
        if not legal or not set(without) <= names or linear <= set(without):
            expected = f"some of {', '.join(sorted(names))}, not all of {', '.join(sorted(linear))}"
            raise SettingError(f"`without` must be {expected}, but got {without!r}.")
        self._process = CellProcess(without)

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {"without": list(self._process.without)}

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        self._process.fit(inputs.tokens, inputs.sizes, targets)
        advance(1.0)

    def training_tokens(self) -> CellTokens:  # noqa: D102
        return CellTokens(**{field.name: self._process.arrays[field.name] for field in fields(CellTokens)})

    def to(self, device: torch.device) -> None:  # noqa: D102
        self._process.to(device)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        return self._process.predict(inputs)

    def arrays(self) -> Arrays:  # noqa: D102
        return self._process.arrays

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        self._process.restore(arrays)

    def training_targets(self) -> Floats:  # noqa: D102
        return self._process.arrays["targets"]
