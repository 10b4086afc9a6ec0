"""Where each edge stands in its cell's graph: small integers that a predictor would otherwise have to work out."""

from dataclasses import dataclass

import torch
from torch import Tensor

from tart_nas.operations import OPERATIONS
from tart_nas.tokens.tensors import CellTensors

__all__ = ["HAS_WEIGHTS", "EdgeStructure"]

HAS_WEIGHTS = tuple(op.weights for op in OPERATIONS.values())
"""(15,) which operations have parameters."""


@dataclass(frozen=True, eq=False)
class EdgeStructure:
    """Structure of the edges of B architectures, 0 where there is padding.

    Attributes:
        depth: (B, E) int64, edges on the longest path from the cell's inputs to the edge's source.
        weighted_depth: (B, E) int64, the most operations with weights on a path from the inputs to the edge's source.
        uses: (B, E) int64, edges that leave the edge's target.
    """

    depth: Tensor
    weighted_depth: Tensor
    uses: Tensor

    @classmethod
    def of(cls, tokens: CellTensors) -> "EdgeStructure":
        """The structure of cell tokens."""
        mask, nodes = tokens.mask.long(), tokens.last_node + 1
        source, target = (
            tokens.cell * nodes + node for node in (tokens.source, tokens.target)
        )  # in (B, cells * nodes)
        none = tokens.op.new_zeros(len(tokens), 2 * nodes)
        uses = none.scatter_add(1, source, mask)
        depths = []
        for length in (1, torch.tensor(HAS_WEIGHTS, device=mask.device)[tokens.op].long()):  # of each edge
            reached = none
            for node in range(2, nodes):  # at most MAX_CELL_NODES steps for any batch
                through = (reached.gather(1, source) + length) * (tokens.mask & (tokens.target == node))
                reached = reached.scatter_reduce(1, target, through, "amax")
            depths.append(reached.gather(1, source) * mask)
        return cls(depths[0], depths[1], uses.gather(1, target) * mask)
