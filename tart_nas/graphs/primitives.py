"""The kinds of nodes of a computational graph, as in DeepNets-1M (Knyazev et al., NeurIPS 2021)."""

__all__ = ["PRIMITIVES", "PRIMITIVE_IDS"]

PRIMITIVES: tuple[str, ...] = (
    "max_pool",
    "avg_pool",
    "sep_conv",
    "dil_conv",
    "conv",
    "msa",
    "cse",
    "sum",
    "concat",
    "input",
    "bias",
    "bn",
    "ln",
    "pos_enc",
    "glob_avg",
)
"""The 15 primitives, in DeepNets-1M's order: the index is the class id. Linear layers are ``conv`` too."""

PRIMITIVE_IDS: dict[str, int] = {name: index for index, name in enumerate(PRIMITIVES)}
"""The class id of each primitive."""
