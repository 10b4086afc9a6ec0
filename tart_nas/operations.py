"""The operations of a cell, named as in DARTS and DeepNets-1M."""

__all__ = ["CELL_OPS", "NASBENCH301_OPS"]

CELL_OPS: tuple[str, ...] = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
    "conv_1x1",
    "conv_7x1_1x7",
    "conv_3x3",
    "conv_5x5",
    "conv_7x7",
    "msa",
    "cse",
)
"""The 15 operations of a cell, in DeepNets-1M's order. This is the only list of them; indices elsewhere refer to it."""

NASBENCH301_OPS: tuple[str, ...] = CELL_OPS[1:8]
"""The 7 operations of the DARTS space in NAS-Bench-301's order, to which the op indices in its files refer."""
