"""Ragged rows in one array: the items of all rows one after the other, and how many each row has.

Rows of 2, 0 and 3 items, ``a b | | c d e``, lie as ``a b c d e`` with the lengths ``[2, 0, 3]``. Then
:func:`row_starts` is ``[0, 2, 2]``, :func:`row_numbers` ``[0, 0, 2, 2, 2]`` and :func:`row_places`
``[0, 1, 0, 1, 2]``; ``rows_taken(lengths, [2, 0])`` are the places ``[2, 3, 4, 0, 1]`` of ``c d e a b``.
"""

import numpy as np
import numpy.typing as npt

__all__ = ["row_numbers", "row_places", "row_starts", "rows_taken"]

Ints = npt.NDArray[np.int64]


def row_starts(lengths: Ints) -> Ints:
    """Where each row begins, (rows,)."""
    starts: Ints = np.cumsum(lengths) - lengths
    return starts


def row_numbers(lengths: Ints) -> Ints:
    """The row of each item, (items,)."""
    return np.repeat(np.arange(len(lengths)), lengths)


def row_places(lengths: Ints) -> Ints:
    """The place of each item in its row, (items,)."""
    places: Ints = np.arange(lengths.sum()) - np.repeat(row_starts(lengths), lengths)
    return places


def rows_taken(lengths: Ints, chosen: npt.NDArray[np.integer]) -> Ints:
    """Where the items of the chosen rows lie, in the order of the choice, (chosen items,)."""
    taken = lengths[chosen]
    places: Ints = row_places(taken) + np.repeat(row_starts(lengths)[chosen], taken)
    return places
