"""The paths through a cell: how many there are, and of how many operations."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import CELL_OPS
from tart_nas.tokens.cell import MAX_CELL_NODES, CellTokens
from tart_nas.tokens.structure import HAS_WEIGHTS

__all__ = ["PATH_LENGTHS", "PathCounts"]

PATH_LENGTHS = MAX_CELL_NODES + 1
"""Numbers of operations that a path can have, from 0 on."""

_NODES = MAX_CELL_NODES + 2
_IS_NONE = np.array([op == "none" for op in CELL_OPS])

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PathCounts:
    """Numbers of paths in B architectures, which a ``none`` interrupts and which end in a concatenated node.

    Attributes:
        lengths: (B, 2, 2 * PATH_LENGTHS), for the normal and the reduction cell: the paths from the cell's inputs to
            its output by the number of operations on them, then by the number of operations with weights.
        onwards: (B, E), paths from each edge's target to the cell's output.
    """

    lengths: Floats
    onwards: Floats

    @classmethod
    def of(cls, tokens: CellTokens) -> "PathCounts":
        """The paths of cell tokens."""
        shape = (len(tokens), 2, _NODES, _NODES)
        rows = np.broadcast_to(np.arange(len(tokens))[:, None], tokens.op.shape)
        where = tuple(
            array[tokens.mask].astype(np.int64) for array in (rows, tokens.cell, tokens.target, tokens.source)
        )
        op = tokens.op[tokens.mask]
        edges, weighted = np.zeros(shape), np.zeros(shape)  # [., ., target, source]
        np.add.at(edges, where, ~_IS_NONE[op])
        np.add.at(weighted, where, HAS_WEIGHTS[op])
        is_output = np.zeros(shape[:3])
        is_output[where[:3]] = tokens.concat[tokens.mask]

        by_length, by_weights = (np.zeros((*shape[:3], PATH_LENGTHS)) for _ in range(2))
        by_length[:, :, :2, 0] = by_weights[:, :, :2, 0] = 1  # the inputs
        onwards = is_output.copy()
        last = int(tokens.target.max(initial=0))
        for node in range(2, last + 1):  # at most MAX_CELL_NODES steps for any batch
            heavier = np.einsum("bcs,bcsl->bcl", weighted[:, :, node], by_weights)
            by_length[:, :, node, 1:] = np.einsum("bcs,bcsl->bcl", edges[:, :, node], by_length)[..., :-1]
            by_weights[:, :, node] = np.einsum("bcs,bcsl->bcl", edges[:, :, node] - weighted[:, :, node], by_weights)
            by_weights[:, :, node, 1:] += heavier[..., :-1]
        for node in range(last, 1, -1):
            onwards[:, :, node] += np.einsum("bct,bct->bc", edges[:, :, :, node], onwards)
        lengths = [np.einsum("bcn,bcnl->bcl", is_output, paths) for paths in (by_length, by_weights)]
        return cls(np.concatenate(lengths, axis=2), np.where(tokens.mask, onwards[rows, tokens.cell, tokens.target], 0))
