"""The one table of cell operations, in the vocabulary of DARTS as extended by DeepNets-1M.

Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019; Knyazev et al., "Parameter Prediction for Unseen
Deep Architectures", NeurIPS 2021. Nothing else in the package reads an operation's name: it asks the operation's row.

What depends on the *kind* of an operation stands in one table by kind in each room: the number of parameters in
:mod:`tart_nas.layout`, the module in :mod:`tart_nas.networks.operations`, the nodes in :mod:`tart_nas.graphs.blocks`.
"""

import sys
from dataclasses import dataclass

from tart_nas.errors import SettingError

__all__ = [
    "ATTENTION_HEADS",
    "ATTENTION_OPS",
    "CELL_OPS",
    "NASBENCH301_OPS",
    "NONE",
    "OPERATIONS",
    "Operation",
    "register",
]


@dataclass(frozen=True)
class Operation:
    """A row of the table.

    Attributes:
        name: as genotypes have it.
        kind: what it is, whatever its kernel size.
        kernel: kernel size, 0 of what has none.
        weights: whether it has weights. A ``skip_connect`` counts as without: it has some in a reduction cell only.
        separable: whether its convolutions are depthwise and pointwise.
        dilated: whether its depthwise convolution is dilated.
        in_darts: whether it belongs to the DARTS space.
    """

    name: str
    kind: str
    kernel: int = 0
    weights: bool = True
    separable: bool = False
    dilated: bool = False
    in_darts: bool = False

    @property
    def is_pooling(self) -> bool:
        """Whether it is a pooling: a kernel without weights."""
        return self.kernel > 0 and not self.weights

    @property
    def is_convolution(self) -> bool:
        """Whether it is a convolution of any kind: a kernel with weights."""
        return self.kernel > 0 and self.weights

    @property
    def is_global(self) -> bool:
        """Whether each pixel of its output depends on the whole image: weights without a kernel."""
        return self.kernel == 0 and self.weights


NONE = "none"
"""The operation whose output is zero. It has no module and no nodes: what would read it leaves it out."""

# Files store operations by their place in this table (DeepNets-1M's order): new rows come last.
OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        Operation(NONE, "none", weights=False),
        Operation("max_pool_3x3", "max_pool", 3, weights=False, in_darts=True),
        Operation("avg_pool_3x3", "avg_pool", 3, weights=False, in_darts=True),
        Operation("skip_connect", "skip", weights=False, in_darts=True),
        Operation("sep_conv_3x3", "sep_conv", 3, separable=True, in_darts=True),
        Operation("sep_conv_5x5", "sep_conv", 5, separable=True, in_darts=True),
        Operation("dil_conv_3x3", "dil_conv", 3, separable=True, dilated=True, in_darts=True),
        Operation("dil_conv_5x5", "dil_conv", 5, separable=True, dilated=True, in_darts=True),
        Operation("conv_1x1", "conv", 1),
        Operation("conv_7x1_1x7", "factorized_conv", 7),
        Operation("conv_3x3", "conv", 3),
        Operation("conv_5x5", "conv", 5),
        Operation("conv_7x7", "conv", 7),
        Operation("msa", "attention"),
        Operation("cse", "excitation"),
    )
}
"""The operations by name, in the order of :data:`CELL_OPS`."""

CELL_OPS: tuple[str, ...] = tuple(OPERATIONS)
"""The names of the operations of a cell, in DeepNets-1M's order; indices elsewhere refer to it."""

NASBENCH301_OPS: tuple[str, ...] = tuple(op.name for op in OPERATIONS.values() if op.in_darts)
"""The 7 operations of the DARTS space in NAS-Bench-301's order, to which the op indices in its files refer."""

ATTENTION_OPS: frozenset[str] = frozenset(op.name for op in OPERATIONS.values() if op.kind == "attention")
"""Operations that make a network a vision transformer: its stem makes patches, and its resolution stays."""

ATTENTION_HEADS = 8  # DeepNets-1M's; each head is C // 8 wide, so that such a network needs 8 channels


def register(operation: Operation) -> None:
    """Adds an operation at the end of the table, for this process.

    Other modules size their arrays by the table when they are imported. So this must be called before any of them is
    imported; entries of a new kind in the tables by kind come after (see the top of this module). Predictors fitted
    with another table cannot be loaded then. To add an operation for good, write a row instead.

    Args:
        operation: its name is new, and it is not in the DARTS space, whose operations files number.

    Raises:
        SettingError: if the name is taken, the operation is said to be in the DARTS space, or it is too late.
    """
    global CELL_OPS, ATTENTION_OPS
    if operation.name in OPERATIONS or operation.in_darts:
        raise SettingError(f"A new operation must have a new name and not be in the DARTS space, but got {operation}.")
    if "tart_nas.genotype" in sys.modules:  # every module that reads the table imports this one
        raise SettingError(f"Register {operation.name!r} before other modules of tart_nas are imported.")
    OPERATIONS[operation.name] = operation
    CELL_OPS = tuple(OPERATIONS)
    if operation.kind == "attention":
        ATTENTION_OPS |= {operation.name}
