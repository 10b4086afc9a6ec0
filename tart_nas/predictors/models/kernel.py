"""The kernel of all Gaussian processes here: a sum over blocks of the features of cells.

A linear kernel on some blocks, and Gaussian kernels on groups of blocks. Each block is centred and scaled to variance
1, and has a variance or a length scale of its own, so that one prior suits all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tart_nas.predictors.cell_features import BLOCKS, CELLS, COLUMNS, block_scales, differs
from tart_nas.predictors.models.covariance import Covariance, Part

__all__ = ["BY_INPUT", "LINEAR", "SMOOTH", "CellKernel", "Pairs"]

Floats = npt.NDArray[np.float64]


def _of_both_cells(*names: str) -> tuple[str, ...]:
    return tuple(f"{cell} {name}" for name in names for cell in CELLS)


BY_INPUT = ("inputs", "minima", "readers")
"""Blocks that tell a cell's two inputs apart. Version 0.2 did not have them: with 50, 100 and 574 labels of the DARTS
space they are worth 0.008, 0.008 and 0.019 of Kendall's tau (``python -m tart_nas.experiments.ablations``)."""

LINEAR = (*_of_both_cells("counts", "flow", "attributes", "inputs"), "settings", "size")
"""The linear summands of the kernel, by the blocks of features that they read."""

SMOOTH = (
    (*_of_both_cells("counts", "flow", "paths", "attributes", *BY_INPUT), "settings", "size"),
    _of_both_cells("edges"),
    (*_of_both_cells("pairs"), "size"),
)
"""The Gaussian summands, likewise."""


def _but(names: Sequence[str], without: Sequence[str]) -> tuple[str, ...]:
    """The blocks but those without, which are named without their cells."""
    return tuple(name for name in names if name.split()[-1] not in without)


_BASE = slice(COLUMNS, COLUMNS + 1)  # behind the features, in updated predictors of earlier versions: predictions


class Pairs(NamedTuple):
    """How alike n rows are to one another: what a covariance needs of them, whatever the parameters.

    A covariance is symmetric, so that its lower triangle of `m = n (n + 1) / 2` values is enough.

    Attributes:
        n: the number of rows.
        places: `m`, where the values of the triangle are in a matrix, its rows one after the other.
        products: `(L + 1) x m` inner products in each linear block, and of each row with itself alone: the noise.
        distances: for each Gaussian kernel `(1 + B) x m` ones, for its variance, and squared distances in each of its B
            blocks.
    """

    n: int
    places: Tensor
    products: Tensor
    distances: tuple[Tensor, ...]


@dataclass(frozen=True, eq=False)
class CellKernel:
    """Covariances of architectures by their features.

    Its parameters are logarithms, in this order: a variance for each linear block; for each Gaussian kernel a variance
    and for each of its blocks the inverse of the squared length scale.

    Args:
        center: `columns`, what is taken from all rows.
        scales: `columns`, what they are divided by then (:func:`~tart_nas.predictors.cell_features.block_scales`).
        linear: blocks of the linear kernel.
        smooth: blocks of each Gaussian kernel.
        blocks: the columns of each block.
    """

    center: Floats
    scales: Floats
    linear: Sequence[str]
    smooth: Sequence[Sequence[str]]
    blocks: Mapping[str, slice] = field(default_factory=lambda: BLOCKS)

    @classmethod
    def of(cls, features: Floats, without: Sequence[str] = ()) -> "CellKernel":
        """The one of a training set.

        Args:
            features: `n x COLUMNS`, or `n x (COLUMNS + 1)` with a base's predictions in the last.
            without: blocks that are not read, without their cells' names.
        """
        blocks = BLOCKS | ({"base": _BASE} if features.shape[1] > COLUMNS else {})
        center = features.mean(axis=0)
        for block in blocks.values():
            if not differs(features[:, block]).any():
                # All rows are 1 there: a constant, explicitly. That centred blocks are one by rounding differs on GPUs.
                center[block.start] -= 1
        linear = _but((*LINEAR, "base"), without) if "base" in blocks else _but(LINEAR, without)
        smooth = tuple(group for names in SMOOTH if (group := _but(names, without)))
        return cls(center, block_scales(features, blocks), linear, smooth, blocks)

    @classmethod
    def without_labels(cls, center: Floats, scales: Floats, linear: bool = True) -> "CellKernel":
        """The one of :mod:`tart_nas.predictors.correction`.

        Args:
            center: `COLUMNS`, of a population; fewer of one that version 0.2 wrote, without the last blocks.
            scales: likewise.
            linear: whether it has linear summands.
        """
        without = () if len(center) == COLUMNS else BY_INPUT
        return cls(center, scales, _but(LINEAR, without) if linear else (), tuple(_but(n, without) for n in SMOOTH))

    @property
    def prior(self) -> Floats:
        """The centre of the parameters' prior: equal shares of the variance, and a correlation of exp(-1/2).

        The latter is that of two architectures at the average distance, which is sqrt(2) in each block. A base is
        taken to explain as much as the targets vary.
        """
        share = -np.log(len(self.linear) + len(self.smooth) - ("base" in self.linear))
        smooth = [[share, *[-np.log(2 * len(blocks))] * len(blocks)] for blocks in self.smooth]
        linear = [0.0 if block == "base" else share for block in self.linear]
        return np.concatenate([linear, *smooth])

    def pairs(self, features: Floats) -> Pairs:
        """The rows `n x columns` against each other."""
        standardised = torch.from_numpy((features - self.center) / self.scales)
        n = len(standardised)
        first, second = torch.tril_indices(n, n)
        places = first * n + second
        products, distances = {}, {}
        for name, block in self.blocks.items():
            rows = standardised[:, block]
            rows = rows[:, rows.any(dim=0)]  # few of the edges that there could be
            products[name] = (rows @ rows.T).flatten()[places]
            squares = rows.square().sum(dim=1)
            distances[name] = (squares[first] + squares[second] - 2 * products[name]).clamp_(min=0)
        ones = torch.ones(len(places), dtype=torch.float64)
        return Pairs(
            n,
            places,
            torch.stack([*(products[name] for name in self.linear), ones * (first == second)]),
            tuple(torch.stack([ones, *(distances[name] for name in blocks)]) for blocks in self.smooth),
        )

    def covariance(self, parameters: Tensor, pairs: Pairs) -> Tensor:
        """The covariance of labels of the rows of pairs, noise included; differentiable by the parameters.

        Each summand is one product of a row of weights with a matrix: a fit spends its time here.

        Args:
            parameters: those of the kernel, and behind them the logarithm of the noise's variance.
            pairs: of n rows.

        Returns:
            `n x n`, of which the upper triangle is 0.
        """
        weights = torch.where(self._is_exponent, parameters, self._factors * parameters.exp())
        linear, *smooth, noise = weights.split_with_sizes([*self._sizes, 1])
        values = torch.cat((linear, noise)) @ pairs.products
        for part, distances in zip(smooth, pairs.distances, strict=True):
            values = values + (part @ distances).exp()
        matrix = values.new_zeros(pairs.n * pairs.n).index_copy(0, pairs.places, values)
        return matrix.view(pairs.n, pairs.n)

    def between(self, parameters: Tensor, features: Tensor) -> Covariance:
        """The covariances of any rows with those of the features `n x columns`."""
        linear, *smooth = parameters.split_with_sizes(self._sizes)
        parts: list[tuple[Sequence[str], Tensor, float | None]] = []
        if self.linear:
            parts.append((self.linear, linear.exp(), None))
        parts += [
            (blocks, part[1:].exp(), float(part[0].exp())) for blocks, part in zip(self.smooth, smooth, strict=True)
        ]
        center, squares = torch.from_numpy(self.center), torch.from_numpy(self.scales).square()
        features = features[:, : len(center)]
        return Covariance.of(
            center, features - center, [Part(self._weights(names, w) / squares, v) for names, w, v in parts]
        )

    @cached_property
    def _is_exponent(self) -> Tensor:
        """Which parameters, the noise's behind them, are added within an exponent as they are: Gaussian variances."""
        first = torch.tensor(self._sizes).cumsum(0)[:-1]
        return torch.zeros(sum(self._sizes) + 1, dtype=torch.bool).index_fill(0, first, True)

    @cached_property
    def _factors(self) -> Tensor:
        """What the exponentials of the others are multiplied by: squared distances by -1/2."""
        factors = torch.full((sum(self._sizes) + 1,), -0.5, dtype=torch.float64)
        factors[: len(self.linear)], factors[-1] = 1, 1
        return factors

    @property
    def _sizes(self) -> list[int]:
        """How many parameters the linear kernel and each Gaussian one have."""
        return [len(self.linear), *(1 + len(blocks) for blocks in self.smooth)]

    def _weights(self, names: Sequence[str], weights: Tensor) -> Tensor:
        """`columns`: each block's weight in its columns, 0 elsewhere."""
        by_column = torch.zeros(len(self.scales), dtype=torch.float64)
        for name, weight in zip(names, weights, strict=True):
            by_column[self.blocks[name]] = weight
        return by_column
