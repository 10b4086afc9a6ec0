"""Values that are so far below all others that nothing but them would be learned, such as losses that diverged."""

import numpy as np
import numpy.typing as npt

__all__ = ["limited", "lower_limit"]

_SHARE = 4  # of the values at most a quarter: a search that has come to good ones may have them close together
_GAP = 4  # in ranges of the others: ten values of one distribution have such a gap in one of 1,000 cases
_FEWEST = 5  # others: of fewer, some are close together by chance
_ROUNDING = 1e-9  # relative: values that differ by less are equal


def lower_limit(values: npt.ArrayLike) -> float:
    """What lower values are to be taken for, before a model learns from them; -inf where none is far below the others.

    A loss of 1e6 among losses near 1 makes the others equal in units of the standard deviation. Values are far below
    the others, which are at least three quarters of all, where the gap between them is more than four times as wide as
    the others' range. They are then taken for one such range below the others: still the worst.

    Args:
        values: (n,) finite, higher is better.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    for n_below in range(min(len(ordered) // _SHARE, len(ordered) - _FEWEST), 0, -1):
        lowest = float(ordered[n_below])
        spread = float(ordered[-1]) - lowest
        if spread > _ROUNDING * abs(lowest) and lowest - ordered[n_below - 1] > _GAP * spread:
            return lowest - spread
    return -np.inf


def limited(values: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """The values (n,), none of them below their :func:`lower_limit`."""
    given = np.asarray(values, dtype=np.float64)
    return np.maximum(given, lower_limit(given))
