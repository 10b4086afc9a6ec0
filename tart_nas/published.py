"""Architectures that papers published, at the sizes they published them at, by name."""

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError
from tart_nas.genotype import Genotype

__all__ = ["DARTS", "PDARTS", "PUBLISHED", "VIT", "published"]

DARTS = Architecture(
    Genotype(
        normal=[
            ("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
            ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2),
        ],
        normal_concat=[2, 3, 4, 5],
        reduce=[
            ("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
            ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1),
        ],
        reduce_concat=[2, 3, 4, 5],
    ),
    n_cells=20,
    C=36,
)  # fmt: skip
"""The second-order cell of Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019."""

PDARTS = Architecture(
    Genotype(
        normal=[
            ("skip_connect", 0), ("dil_conv_3x3", 1), ("skip_connect", 0), ("sep_conv_3x3", 1),
            ("sep_conv_3x3", 1), ("sep_conv_3x3", 3), ("sep_conv_3x3", 0), ("dil_conv_5x5", 4),
        ],
        normal_concat=[2, 3, 4, 5],
        reduce=[
            ("avg_pool_3x3", 0), ("sep_conv_5x5", 1), ("sep_conv_3x3", 0), ("dil_conv_5x5", 2),
            ("max_pool_3x3", 0), ("dil_conv_3x3", 1), ("dil_conv_3x3", 1), ("dil_conv_5x5", 3),
        ],
        reduce_concat=[2, 3, 4, 5],
    ),
    n_cells=20,
    C=36,
)  # fmt: skip
"""The CIFAR-10 cell of Chen et al., "Progressive Differentiable Architecture Search", ICCV 2019."""

VIT = Architecture(
    Genotype([("none", 0), ("msa", 1)], [2], [("none", 0), ("avg_pool_3x3", 1)], [2]),
    n_cells=12,
    C=128,
    C_mult=1,
    preproc=False,
)
"""The 12-cell vision transformer of DeepNets-1M's split ``predefined`` (Knyazev et al., NeurIPS 2021)."""

PUBLISHED = {"DARTS": DARTS, "PDARTS": PDARTS, "ViT": VIT}
"""All of them by name."""


def published(name: str) -> Architecture:
    """The architecture of a name, in upper or lower case.

    Raises:
        ArchitectureError: if there is none.
    """
    for known, architecture in PUBLISHED.items():
        if known.lower() == name.lower():
            return architecture
    raise ArchitectureError(f"There is no published architecture {name!r}: expected one of {', '.join(PUBLISHED)}.")
