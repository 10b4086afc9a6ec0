"""How each of a cell's two inputs reaches its output: what reads it, and the least that its paths pass through.

The inputs are not alike: one is the output of the last cell, the other that of the cell before.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from tart_nas.operations import NONE, OPERATIONS
from tart_nas.tokens.paths import PATH_LENGTHS
from tart_nas.tokens.tensors import CellTensors

__all__ = ["CLASSES", "InputPaths"]

CLASSES: dict[str, tuple[bool, ...]] = {
    "any": tuple(op.name != NONE for op in OPERATIONS.values()),
    "separable": tuple(op.separable and not op.dilated for op in OPERATIONS.values()),
    "dilated": tuple(op.dilated for op in OPERATIONS.values()),
    "convolution": tuple(op.is_convolution and not op.separable for op in OPERATIONS.values()),
    "global": tuple(op.is_global for op in OPERATIONS.values()),
    "identity": tuple(op.kind == "skip" for op in OPERATIONS.values()),
    "pooling": tuple(op.is_pooling for op in OPERATIONS.values()),
    "without weights": tuple(op.name != NONE and not op.weights for op in OPERATIONS.values()),
}
"""Classes of operations: (15,) for each of C, whether each operation belongs to it."""

UNREACHED = PATH_LENGTHS
"""In the place of a number of operations where no path leads to the output: more than any path has."""


@dataclass(frozen=True, eq=False)
class InputPaths:
    """The two inputs of the cells of B architectures. All numbers are whole.

    Attributes:
        readers: (B, 2, 2, C) float64, by cell (normal, reduction), input and class: the edges that read the input.
        fewest: (B, 2, 2, C) float64, likewise: the fewest operations of the class on any path from the input to the
            cell's output, :data:`UNREACHED` where there is no path.
    """

    readers: Tensor
    fewest: Tensor

    @classmethod
    def of(cls, tokens: CellTensors) -> "InputPaths":
        """The inputs' paths in cell tokens."""
        B, N, C = len(tokens), tokens.last_node + 1, len(CLASSES)
        device = tokens.op.device
        belongs = torch.tensor(list(CLASSES.values()), dtype=torch.float64, device=device).T  # (15, C)
        is_edge = tokens.mask & (tokens.op != list(OPERATIONS).index(NONE))
        lengths = belongs[tokens.op] * is_edge[..., None]  # (B, E, C)

        readers = torch.zeros(B, 2 * N, C, dtype=torch.float64, device=device)
        source, target = (
            (tokens.cell * N + node)[..., None] for node in (tokens.source, tokens.target)
        )  # among the nodes of both cells
        readers = readers.scatter_add_(1, source.expand(-1, -1, C), lengths).view(B, 2, N, C)[:, :, :2]

        # The least from each input to each node, node by node: (B, cell * node, input * class).
        fewest = torch.full((B, 2 * N, 2 * C), float(UNREACHED), dtype=torch.float64, device=device)
        for place in (0, 1):
            fewest.view(B, 2, N, 2, C)[:, :, place, place] = 0
        source, target = source.expand(-1, -1, 2 * C), target.expand(-1, -1, 2 * C)
        lengths = lengths.repeat(1, 1, 2)
        for node in range(2, N):  # at most MAX_CELL_NODES steps for any batch
            through = fewest.gather(1, source) + lengths
            through = through.where((is_edge & (tokens.target == node))[..., None], float(UNREACHED))
            fewest = fewest.scatter_reduce(1, target, through.clamp(max=UNREACHED), "amin")
        concat = (tokens.concat & tokens.mask).to(torch.float64)  # of each edge: whether its target is concatenated
        node_index = tokens.cell * N + tokens.target
        is_output = torch.zeros(B, 2 * N, dtype=torch.float64, device=device)
        is_output = is_output.scatter_reduce(1, node_index, concat, "amax").view(B, 2, N, 1)
        fewest = fewest.view(B, 2, N, 2 * C).where(is_output > 0, float(UNREACHED)).amin(dim=2)
        return cls(readers, fewest.view(B, 2, 2, C))
