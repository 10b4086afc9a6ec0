"""The sampler and the pruners of TART-NAS, as an OptunaHub package."""

from tart_nas import DartsSpace, DeepNets1MSpace
from tart_nas.optuna import (
    TartHyperbandPruner,
    TartPruner,
    TartSampler,
    add_architecture,
    architecture_of,
    suggest_architecture,
)

__all__ = [
    "DartsSpace",
    "DeepNets1MSpace",
    "TartHyperbandPruner",
    "TartPruner",
    "TartSampler",
    "add_architecture",
    "architecture_of",
    "suggest_architecture",
]
