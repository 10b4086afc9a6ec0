"""How many parameters the networks of cell tokens have, without making architectures of the tokens."""

import numpy as np
import numpy.typing as npt

from tart_nas.layout import operation_parameters, parameter_count
from tart_nas.operations import CELL_OPS
from tart_nas.tokens.cell import CellTokens

__all__ = ["parameter_counts"]


def parameter_counts(tokens: CellTokens) -> npt.NDArray[np.float64]:
    """The numbers of parameters, (B,), for 10 classes on 32x32 images.

    Architectures with the same settings and numbers of concatenated nodes differ by what their operations add, so that
    one of each such group is counted, by :func:`~tart_nas.layout.parameter_count`.
    """
    concatenated = [(tokens.concat & (tokens.cell == cell)).sum(axis=1) for cell in (0, 1)]  # edges of these nodes
    example, group = _groups(np.column_stack([tokens.settings, *concatenated]))
    added, constant = np.zeros((len(example), 2, 2, len(CELL_OPS))), np.zeros(len(example))
    for index, architecture in enumerate(tokens.take(example).architectures()):
        added[index] = operation_parameters(architecture)
        constant[index] = parameter_count(architecture)
    of_edges = added[group[:, None], tokens.cell, (tokens.source >= 2).astype(np.int64), tokens.op] * tokens.mask
    of_operations = of_edges.sum(axis=1)
    counts: npt.NDArray[np.float64] = (constant - of_operations[example])[group] + of_operations
    return counts


def _groups(rows: npt.NDArray[np.int32]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Of the different rows (B, K) the first of each, and which of them each row is."""
    if len(rows) and (rows == rows[0]).all():  # the architectures of one space, for which there is no need to sort
        return np.zeros(1, dtype=np.int64), np.zeros(len(rows), dtype=np.int64)
    _, example, group = np.unique(rows, axis=0, return_index=True, return_inverse=True)
    return example, group.reshape(-1)
