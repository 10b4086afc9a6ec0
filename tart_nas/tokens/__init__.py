"""Architectures as tokens: arrays that predictors read.

Cell tokens are here. What needs PyTorch has modules of its own: cell tokens on a GPU (:mod:`tart_nas.tokens.tensors`)
and what is worked out of them (:mod:`~tart_nas.tokens.structure`, :mod:`~tart_nas.tokens.paths`), and graph tokens
(:mod:`tart_nas.tokens.graph`).
"""

from tart_nas.tokens.cell import MAX_CELL_NODES, SETTINGS, TOKEN_SCHEME, CellTokens

__all__ = ["MAX_CELL_NODES", "SETTINGS", "TOKEN_SCHEME", "CellTokens"]
