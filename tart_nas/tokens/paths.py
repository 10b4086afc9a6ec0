"""The paths through a cell: how many there are, and of how many operations."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tart_nas.operations import NONE, OPERATIONS
from tart_nas.tokens.cell import MAX_CELL_NODES
from tart_nas.tokens.structure import HAS_WEIGHTS
from tart_nas.tokens.tensors import CellTensors

__all__ = ["PATH_LENGTHS", "PathCounts"]

PATH_LENGTHS = MAX_CELL_NODES + 1
"""Numbers of operations that a path can have, from 0 on."""

_PASSES_ON = tuple(op.name != NONE and not op.weights for op in OPERATIONS.values())


@dataclass(frozen=True, eq=False)
class PathCounts:
    """Numbers of paths in B architectures, which a ``none`` interrupts and which end in a concatenated node.

    Attributes:
        lengths: (B, 2, 2 * PATH_LENGTHS) float64, for the normal and the reduction cell: the paths from the cell's
            inputs to its output by the number of operations on them, then by the number of operations with weights.
        onwards: (B, E) float64, paths from each edge's target to the cell's output; 0 where there is padding.
    """

    lengths: Tensor
    onwards: Tensor

    @classmethod
    def of(cls, tokens: CellTensors) -> "PathCounts":
        """The paths of cell tokens."""
        B, N = len(tokens), tokens.last_node + 1
        none = torch.zeros(B, 2 * N * N, dtype=torch.float64, device=tokens.op.device)
        node = tokens.cell * N + tokens.target  # (B, E) in (B, cells * nodes)
        weighted, plain = (  # (B, cell, target, source), numbers of edges
            none.scatter_add(1, node * N + tokens.source, (of_kind[tokens.op] & tokens.mask).double()).view(B, 2, N, N)
            for of_kind in torch.tensor([HAS_WEIGHTS, _PASSES_ON], device=none.device)
        )
        edges = weighted + plain
        concat = (tokens.concat & tokens.mask).double()
        is_output = none[:, : 2 * N].scatter_reduce(1, node, concat, "amax").view(B, 2, N)

        by_length, by_weights = none.new_zeros(2, B, 2, N, PATH_LENGTHS)
        by_length[:, :, :2, 0] = by_weights[:, :, :2, 0] = 1  # the inputs
        onwards = is_output.clone()
        for k in range(2, N):  # at most MAX_CELL_NODES steps for any batch
            by_length[:, :, k, 1:] = _through(edges[:, :, k], by_length)[..., :-1]
            by_weights[:, :, k] = _through(plain[:, :, k], by_weights)
            by_weights[:, :, k, 1:] += _through(weighted[:, :, k], by_weights)[..., :-1]
        for k in range(N - 1, 1, -1):
            onwards[:, :, k] += (edges[:, :, :, k] * onwards).sum(dim=2)
        lengths = [_through(is_output, paths) for paths in (by_length, by_weights)]
        return cls(torch.cat(lengths, dim=2), onwards.view(B, 2 * N).gather(1, node) * tokens.mask)


def _through(edges: Tensor, paths: Tensor) -> Tensor:
    """(B, 2, L) numbers of paths that come over edges (B, 2, N) from nodes with paths (B, 2, N, L)."""
    return (edges[..., None] * paths).sum(dim=2)
