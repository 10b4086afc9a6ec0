"""Architectures as tokens: arrays that predictors read.

Cell tokens are here; graph tokens, which need PyTorch's graphs, in :mod:`tart_nas.tokens.graph`.
"""

from tart_nas.tokens.cell import MAX_CELL_NODES, SETTINGS, TOKEN_SCHEME, CellTokens
from tart_nas.tokens.paths import PATH_LENGTHS, PathCounts
from tart_nas.tokens.structure import HAS_WEIGHTS, EdgeStructure

__all__ = [
    "HAS_WEIGHTS",
    "MAX_CELL_NODES",
    "PATH_LENGTHS",
    "SETTINGS",
    "TOKEN_SCHEME",
    "CellTokens",
    "EdgeStructure",
    "PathCounts",
]
