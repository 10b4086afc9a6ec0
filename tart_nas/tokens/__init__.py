"""Architectures as tokens: arrays that predictors read.

This package has the cell tokens. The modules that need PyTorch are imported by name: cell tokens on a GPU
(``tart_nas.tokens.tensors``), features of them (``tart_nas.tokens.structure``, ``tart_nas.tokens.paths``), and graph
tokens (``tart_nas.tokens.graph``).
"""

from tart_nas.tokens.cell import MAX_CELL_NODES, SETTINGS, TOKEN_SCHEME, CellTokens

__all__ = ["MAX_CELL_NODES", "SETTINGS", "TOKEN_SCHEME", "CellTokens"]
