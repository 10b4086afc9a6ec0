"""Several objectives at once: Pareto fronts, and candidates in the order in which NSGA-II prefers them.

Deb et al., "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions on Evolutionary
Computation 2002: first those that no other one dominates, of these first the ones whose neighbours are far away; then
those that only the first ones dominate, and so on.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from tart_nas.errors import SettingError

__all__ = ["crowding_distance", "pareto_front", "preferred"]

Floats = npt.NDArray[np.float64]


def pareto_front(values: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Which of n candidates no other one dominates: is as good in every objective, and better in one.

    Args:
        values: (n, m) of m objectives, higher is better; a candidate with a value that is NaN is never on the front.

    Returns:
        (n,).

    Raises:
        SettingError: if the values are no such array.
    """
    points = _checked(values)
    on_front = np.zeros(len(points), dtype=np.bool_)
    usable = np.flatnonzero(~np.isnan(points).any(axis=1))
    # In the order of the first objective, then the second, ...: who dominates a candidate comes before it. So the first
    # one left is on the front, and those that it dominates leave.
    left = usable[np.lexsort(-points[usable].T[::-1])] if len(usable) else usable
    while len(left):
        first, others = points[left[0]], points[left]
        on_front[left[0]] = True
        stays = (others > first).any(axis=1) | (others == first).all(axis=1)
        stays[0] = False
        left = left[stays]
    return on_front


def crowding_distance(values: npt.ArrayLike) -> Floats:
    """How far the neighbours of each of n candidates are, added up over the objectives, each in units of its range.

    Args:
        values: (n, m), without NaN.

    Returns:
        (n,); infinite for the best and the worst of each objective.
    """
    points = _checked(values)
    distance = np.zeros(len(points))
    for column in points.T:
        order = np.argsort(column, kind="stable")
        spread = column[order[-1]] - column[order[0]] if len(order) else 0.0
        distance[order[[0, -1]]] = np.inf
        if spread > 0:
            distance[order[1:-1]] += (column[order[2:]] - column[order[:-2]]) / spread
    return distance


def preferred(values: npt.ArrayLike) -> Iterator[int]:
    """The candidates one by one, the most preferred first; those with a value that is NaN are left out.

    Args:
        values: (n, m) of m objectives, higher is better.
    """
    points = _checked(values).copy()
    while (on_front := pareto_front(points)).any():
        front = np.flatnonzero(on_front)
        distance = crowding_distance(points[front])
        yield from front[np.argsort(-distance, kind="stable")].tolist()
        points[front] = np.nan


def _checked(values: npt.ArrayLike) -> Floats:
    points = np.asarray(values, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] < 1:
        raise SettingError(f"`values` must be (n, m) with at least one objective, but got the shape {points.shape}.")
    return points
