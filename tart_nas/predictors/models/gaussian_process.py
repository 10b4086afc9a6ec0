"""Exact Gaussian process regression on the features of cells: the strongest of the classical predictors.

The hyperparameters are found by the gradient of the marginal likelihood, equation 5.9 of Rasmussen and Williams,
"Gaussian Processes for Machine Learning", MIT Press 2006. Prediction is in :mod:`tart_nas.predictors.models.posterior`.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from scipy.linalg import cho_solve, cholesky
from scipy.optimize import minimize

from tart_nas.errors import PredictorError, SettingError
from tart_nas.operations import CELL_OPS
from tart_nas.predictors.cell_features import (
    BLOCKS,
    CELLS,
    COLUMNS,
    FEATURE_CHUNK,
    block_scales,
    cell_features,
    differs,
)
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs, row_chunks
from tart_nas.predictors.models.posterior import Covariance, Part, Posterior
from tart_nas.predictors.models.regressor import Regressor
from tart_nas.predictors.models.threads import Rows, for_each_chunk, one_blas_thread
from tart_nas.tokens import MAX_CELL_NODES, SETTINGS, TOKEN_SCHEME, CellTokens

__all__ = ["LINEAR", "MAX_POINTS", "SMOOTH", "CellProcess", "GaussianProcess", "checked_rows"]

Floats = npt.NDArray[np.float64]

MAX_POINTS = 3000
"""Most labels that one is fitted to: memory grows with their square, time with their cube."""


def _of_both_cells(*names: str) -> tuple[str, ...]:
    return tuple(f"{cell} {name}" for name in names for cell in CELLS)


LINEAR = (*_of_both_cells("counts", "flow", "attributes"), "settings", "size")
"""The linear summands of the kernel, by the blocks of features that they read."""

SMOOTH = (
    (*_of_both_cells("counts", "flow", "paths", "attributes"), "settings", "size"),
    _of_both_cells("edges"),
    (*_of_both_cells("pairs"), "size"),
)
"""The Gaussian summands, likewise."""

_BASE = slice(COLUMNS, COLUMNS + 1)  # behind the features, in updated predictors of earlier versions: predictions

_SPREAD = 1.0  # standard deviation of each parameter's prior; twice that makes it too sure of itself at 50 labels
_BOUND = 8.0  # a parameter stays this near its prior's centre
_NOISE = 0.1  # its variance at the prior's centre, a tenth of the targets'


class _Pairs(NamedTuple):
    """How alike the n training rows are to one another.

    Attributes:
        products: (linear blocks, n, n) inner products in each block of features.
        distances: one array per Gaussian kernel, (its blocks, n, n): squared distances in each block.
    """

    products: Floats
    distances: tuple[Floats, ...]


class _Kernel:
    """The sum of a linear kernel and of Gaussian kernels on blocks of features, each block with its own scale.

    The parameters are logarithms: a variance for each linear block; for each Gaussian kernel a variance and for each
    of its blocks the inverse of the squared length scale; the variance of the noise. Blocks are centred and scaled to
    variance 1, so that the same prior suits all.

    Args:
        features: (n, COLUMNS) of the training set, or (n, COLUMNS + 1) where there is a base.
        without: blocks that are not read, without their cells' names.
    """

    def __init__(self, features: Floats, without: Sequence[str] = ()) -> None:
        has_base = features.shape[1] > COLUMNS
        self.blocks = BLOCKS | ({"base": _BASE} if has_base else {})
        read = [name for name in self.blocks if name.split()[-1] not in without]
        self.linear = tuple(name for name in (*LINEAR, "base") if name in read)
        self.smooth = tuple(s for b in SMOOTH if (s := tuple(name for name in b if name in read)))
        self._center = features.mean(axis=0)
        for block in self.blocks.values():
            if not differs(features[:, block]).any():
                self._center[block.start] -= 1  # all rows are 1 there: a constant, which centred blocks do not have
        self._scales = block_scales(features, self.blocks)
        self._training = (features - self._center) / self._scales

    @property
    def prior(self) -> Floats:
        """The centre of the parameters' prior: equal shares of the variance, and a correlation of exp(-1/2).

        The latter is that of two architectures at the average distance, which is sqrt(2) in each block. A base is
        taken to explain as much as the targets vary.
        """
        share = -np.log(len(self.linear) + len(self.smooth) - ("base" in self.linear))
        smooth = [[share, *[-np.log(2 * len(blocks))] * len(blocks)] for blocks in self.smooth]
        linear = [0.0 if block == "base" else share for block in self.linear]
        return np.concatenate([linear, *smooth, [np.log(_NOISE)]])

    def pairs(self) -> _Pairs:
        """The training set against itself."""
        products, distances = {}, {}
        for name, block in self.blocks.items():
            rows = self._training[:, block]
            rows = rows[:, rows.any(axis=0)]  # few of the edges that there could be
            products[name] = rows @ rows.T
            squares = (rows**2).sum(axis=1)
            distances[name] = np.maximum(squares[:, None] + squares - 2 * products[name], 0)
        return _Pairs(
            np.stack([products[name] for name in self.linear]),
            tuple(np.stack([distances[name] for name in blocks]) for blocks in self.smooth),
        )

    def split(self, parameters: Floats) -> tuple[Floats, list[tuple[float, Floats]], float]:
        """Variances of the linear blocks; variance and inverse squared length scales of each kernel; the noise."""
        values = np.exp(parameters)
        smooth, first = [], len(self.linear)
        for blocks in self.smooth:
            smooth.append((float(values[first]), values[first + 1 : first + 1 + len(blocks)]))
            first += 1 + len(blocks)
        return values[: len(self.linear)], smooth, float(values[-1])

    def parts(self, parameters: Floats, pairs: _Pairs) -> list[Floats]:
        """The summands (n, n) of the training set's covariance: linear, then one per Gaussian kernel."""
        linear, smooth, _ = self.split(parameters)
        return [np.tensordot(linear, pairs.products, 1)] + [
            variance * np.exp(-0.5 * np.tensordot(precisions, distances, 1))
            for (variance, precisions), distances in zip(smooth, pairs.distances, strict=True)
        ]

    def objective(self, parameters: Floats, pairs: _Pairs, targets: Floats) -> tuple[float, Floats]:
        """Negative logarithm of the parameters' posterior, up to a constant, and its gradient."""
        linear, smooth, noise = self.split(parameters)
        parts = self.parts(parameters, pairs)
        identity = np.eye(len(targets))
        factor = cholesky(np.sum(parts, axis=0) + noise * identity, lower=True)
        solved = cho_solve((factor, True), targets)
        slope = np.outer(solved, solved) - cho_solve((factor, True), identity)  # 2 d log likelihood / d covariance
        gradient = [linear * np.tensordot(pairs.products, slope, 2)]
        for (_, precisions), part, distances in zip(smooth, parts[1:], pairs.distances, strict=True):
            through = slope * part
            gradient += [np.array([through.sum()]), -0.5 * precisions * np.tensordot(distances, through, 2)]
        gradient += [np.array([noise * np.trace(slope)])]
        away = (parameters - self.prior) / _SPREAD
        value = 0.5 * targets @ solved + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        return float(value), -0.5 * np.concatenate(gradient) + away / _SPREAD

    def posterior(self, parameters: Floats, targets: Floats) -> Posterior:
        """What it makes of the training set's targets (n,)."""
        linear, smooth, noise = self.split(parameters)
        parts = []
        for names, precisions, variance in [
            (self.linear, linear, None),
            *((blocks, p, v) for blocks, (v, p) in zip(self.smooth, smooth, strict=True)),
        ]:
            weights = np.zeros(self._training.shape[1])
            for name, precision in zip(names, precisions, strict=True):
                weights[self.blocks[name]] = precision / self._scales[self.blocks[name]] ** 2
            parts.append(Part(torch.from_numpy(weights), variance))
        covariance = np.sum(self.parts(parameters, self.pairs()), axis=0)
        factor = cholesky(covariance + noise * np.eye(len(targets)), lower=True)
        center, training, *solution = (
            torch.from_numpy(array)
            for array in (self._center, self._training * self._scales, factor, cho_solve((factor, True), targets))
        )
        return Posterior(Covariance.of(center, training, parts), noise, *solution)


class CellProcess:
    """A Gaussian process on the features of cells.

    Its kernel is a sum: linear on ``counts``, ``flow``, ``attributes``, ``settings`` and ``size``;
    Gaussian on these and ``paths`` together; Gaussian on ``edges``; Gaussian on ``pairs`` and
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
        kernel = _Kernel(cell_features(tokens, sizes).numpy(), self.without)
        bounds = list(zip(kernel.prior - _BOUND, kernel.prior + _BOUND, strict=True))
        with one_blas_thread():
            start, pairs = kernel.prior, kernel.pairs()
            best = minimize(kernel.objective, start, (pairs, targets), jac=True, method="L-BFGS-B", bounds=bounds)
        self._condition(training | {"parameters": np.asarray(best.x)}, kernel)

    def _condition(self, arrays: Arrays, kernel: _Kernel) -> None:
        self._posterior = kernel.posterior(arrays["parameters"], arrays["targets"]).to(self._device)
        self.arrays = arrays

    @property
    def device(self) -> torch.device:
        """Where it predicts."""
        return self._device

    def to(self, device: torch.device) -> None:
        """Predicts on a device from now on; what it learns is found on the CPU."""
        self._device = device
        if self.arrays:
            self._posterior = self._posterior.to(device)

    def predict(self, inputs: PredictorInputs, base: Floats | None = None) -> tuple[Floats, Floats]:
        """Means and standard deviations, each (m,); ``base`` as in :meth:`restore`, (m,)."""
        predictions = np.empty((2, len(inputs)))

        def score(rows: Rows) -> None:
            with torch.inference_mode():
                features = cell_features(inputs.tokens.take(rows), inputs.sizes[rows], self._device)
                if base is not None:
                    features = torch.cat((features, torch.from_numpy(base[rows, None]).to(self._device)), dim=1)
                predictions[:, rows] = torch.stack(self._posterior.predict(features)).cpu().numpy()

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
        features = cell_features(tokens, arrays["sizes"]).numpy()
        kernel = _Kernel(np.column_stack([features, arrays["base"]]) if has_base else features, self.without)
        parameters = arrays.get("parameters", np.zeros(0))
        if parameters.shape != kernel.prior.shape:
            raise ValueError("other arrays than those of a Gaussian process")
        if not (abs(parameters - kernel.prior) < _BOUND + 1e-6).all():
            raise ValueError("other values in the arrays than those of a Gaussian process")
        self._condition(arrays, kernel)


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


def checked_rows(arrays: Arrays, numbers: Sequence[str], uncertain: Sequence[str] = ()) -> CellTokens:
    """The architectures among arrays that were read from a file: those of the n tokens, and numbers (n,).

    Args:
        arrays: what was read, by name.
        numbers: names of finite numbers.
        uncertain: names of numbers that need not be finite.

    Raises:
        ValueError: if there are other arrays or shapes, or what no architecture has.
    """
    n, edges = arrays["op"].shape if arrays.get("op", np.zeros(0)).ndim == 2 else (0, 0)
    per_edge = {"op", "source", "target", "cell", "concat", "mask"}
    shapes: dict[str, tuple[int, ...]] = {"settings": (n, len(SETTINGS))}
    shapes.update({name: (n, edges) for name in per_edge}, **{name: (n,) for name in (*numbers, *uncertain)})
    if n == 0 or {name: array.shape for name, array in arrays.items()} != shapes:
        raise ValueError("other arrays than those of a Gaussian process")
    tokens = CellTokens(**{field.name: arrays[field.name] for field in fields(CellTokens)})
    if not _is_legal(tokens) or not all(np.isfinite(arrays[name]).all() for name in numbers):
        raise ValueError("other values in the arrays than those of a Gaussian process")
    return tokens


def _is_legal(tokens: CellTokens) -> bool:
    """Whether what was read from a file, in which any numbers may stand, are tokens of architectures."""
    unsigned = all(array.dtype == np.uint8 for array in (tokens.op, tokens.source, tokens.target, tokens.cell))
    flags = tokens.concat.dtype == tokens.mask.dtype == np.bool_
    if not (unsigned and flags and tokens.settings.dtype == np.int32):
        return False
    in_range = (tokens.op < len(CELL_OPS)) & (tokens.cell < len(CELLS)) & (tokens.target < MAX_CELL_NODES + 2)
    is_edge = (tokens.target >= 2) & (tokens.source < tokens.target)
    return bool((in_range & np.where(tokens.mask, is_edge, tokens.target == 0)).all() and (tokens.settings >= 0).all())
