"""Where each edge stands in its cell's graph: small integers that a predictor would otherwise have to work out."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import CELL_OPS
from tart_nas.tokens.cell import MAX_CELL_NODES, CellTokens

__all__ = ["HAS_WEIGHTS", "EdgeStructure"]

HAS_WEIGHTS = np.array([op not in ("none", "max_pool_3x3", "avg_pool_3x3", "skip_connect") for op in CELL_OPS])
"""(15,) which operations have parameters."""


@dataclass(frozen=True, eq=False)
class EdgeStructure:
    """Structure of the edges of B architectures, 0 where there is padding.

    Attributes:
        depth: (B, E) uint8, edges on the longest path from the cell's inputs to the edge's source.
        weighted_depth: (B, E) uint8, the most operations with weights on a path from the inputs to the edge's source.
        uses: (B, E) uint8, edges that leave the edge's target.
    """

    depth: npt.NDArray[np.uint8]
    weighted_depth: npt.NDArray[np.uint8]
    uses: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, tokens: CellTokens) -> "EdgeStructure":
        """The structure of cell tokens."""
        nodes = MAX_CELL_NODES + 2
        rows = np.arange(len(tokens))[:, None]
        source = rows * 2 * nodes + tokens.cell * np.int64(nodes) + tokens.source  # (B, E) into (B * cells * nodes,)
        target = source - tokens.source + tokens.target
        uses = np.bincount(source[tokens.mask], minlength=len(tokens) * 2 * nodes)
        depths = []
        for length in (np.uint8(1), HAS_WEIGHTS[tokens.op].astype(np.uint8)):  # of each edge
            reached = np.zeros(len(tokens) * 2 * nodes, dtype=np.uint8)
            for node in range(2, int(tokens.target.max(initial=0)) + 1):  # at most MAX_CELL_NODES steps for any batch
                through = np.where(tokens.mask & (tokens.target == node), reached[source] + length, 0)
                for cell in (0, 1):
                    longest = np.where(tokens.cell == cell, through, 0).max(axis=1, initial=0)
                    reached[(rows[:, 0] * 2 + cell) * nodes + node] = longest
            depths.append(np.where(tokens.mask, reached[source], 0).astype(np.uint8))
        return cls(depths[0], depths[1], np.where(tokens.mask, uses[target], 0).astype(np.uint8))
