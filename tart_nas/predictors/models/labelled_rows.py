"""Labelled architectures among the arrays of a checkpoint: read, and checked, since a file may hold anything."""

from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from tart_nas.operations import CELL_OPS
from tart_nas.predictors.cell_features import CELLS
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.tokens import MAX_CELL_NODES, SETTINGS, CellTokens

__all__ = ["checked_rows"]


def checked_rows(arrays: Arrays, numbers: Sequence[str], uncertain: Sequence[str] = ()) -> CellTokens:
    """The architectures among arrays that were read from a file: those of the n tokens, and numbers (n,).

    Args:
        arrays: what was read, by name.
        numbers: names of finite numbers.
        uncertain: names of numbers that need not be finite.

    Raises:
        ValueError: if there are other arrays or shapes, or what no architecture has.
    """
    n, edges = arrays["op"].shape if arrays.get("op", np.zeros(0)).ndim == 2 else (0, 0)
    per_edge = {"op", "source", "target", "cell", "concat", "mask"}
    shapes: dict[str, tuple[int, ...]] = {"settings": (n, len(SETTINGS))}
    shapes.update({name: (n, edges) for name in per_edge}, **{name: (n,) for name in (*numbers, *uncertain)})
    if n == 0 or {name: array.shape for name, array in arrays.items()} != shapes:
        raise ValueError("other arrays than those of a Gaussian process")
    tokens = CellTokens(**{field.name: arrays[field.name] for field in fields(CellTokens)})
    if not _is_legal(tokens) or not all(np.isfinite(arrays[name]).all() for name in numbers):
        raise ValueError("other values in the arrays than those of a Gaussian process")
    return tokens


def _is_legal(tokens: CellTokens) -> bool:
    """Whether what was read from a file, in which any numbers may stand, are tokens of architectures."""
    unsigned = all(array.dtype == np.uint8 for array in (tokens.op, tokens.source, tokens.target, tokens.cell))
    flags = tokens.concat.dtype == tokens.mask.dtype == np.bool_
    if not (unsigned and flags and tokens.settings.dtype == np.int32):
        return False
    in_range = (tokens.op < len(CELL_OPS)) & (tokens.cell < len(CELLS)) & (tokens.target < MAX_CELL_NODES + 2)
    is_edge = (tokens.target >= 2) & (tokens.source < tokens.target)
    return bool((in_range & np.where(tokens.mask, is_edge, tokens.target == 0)).all() and (tokens.settings >= 0).all())
