"""Layered drawing of directed acyclic graphs: which vertex stands above which, and how high.

The method is Sugiyama's (Sugiyama, Tagawa and Toda, IEEE Trans. SMC 1981), as in Graphviz' ``dot``: an edge that spans
several layers is threaded through a waypoint in each layer between, each layer is ordered by the means of its
neighbours' positions so that few edges cross, then heights are found that keep edges straight and vertices apart.
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

__all__ = ["LayeredLayout", "layered_layout"]

_SWEEPS = 12  # alternating ordering sweeps per start
_LEVEL_EDGE = 4.0  # cost of a long edge's bend; that of a vertex beside its neighbours' mean is 1
_COMPACT = 1e-3  # cost of height itself, which settles what nothing else does


@dataclass(frozen=True)
class LayeredLayout:
    """Where vertices and edges of a layered drawing run; the smallest y is 0, and y grows downwards in order.

    Args:
        y: the centre of each vertex.
        waypoints: for each edge its centre in every layer it passes between its two ends, none for a short edge.
        height: the lowest point of any vertex.
    """

    y: list[float]
    waypoints: list[list[float]]
    height: float

    def mirrored(self) -> "LayeredLayout":
        """The same layout upside down."""
        waypoints = [[self.height - y for y in chain] for chain in self.waypoints]
        return LayeredLayout([self.height - y for y in self.y], waypoints, self.height)


def layered_layout(
    layers: Sequence[int],
    edges: Sequence[tuple[int, int]],
    heights: Sequence[float],
    waypoint_height: float,
    *,
    starts: int = 1,
    bundle: bool = False,
) -> LayeredLayout:
    """Orders the vertices within their layers and finds their heights.

    Args:
        layers: the layer of each vertex.
        edges: (source, target) pairs, the target in a later layer. Parallel edges are drawn apart.
        heights: the room each vertex takes, margins included.
        waypoint_height: the room between an edge and what it passes.
        starts: how many orders to start from (the given one, then shuffled ones, always the same); the one with the
            fewest crossings is kept.
        bundle: whether the edges out of one vertex run together as far as they can, else each runs on its own.
    """
    size = list(heights)
    columns: list[list[int]] = [[] for _ in range(max(layers) + 1)]
    for vertex, layer in enumerate(layers):
        columns[layer].append(vertex)
    segments: dict[tuple[int, int], None] = {}  # in order; bundled edges share theirs
    chains: list[list[int]] = []
    waypoints: dict[tuple[int, int], int] = {}
    for number, (source, target) in enumerate(edges):
        chain = []
        for layer in range(layers[source] + 1, layers[target]):
            key = (source if bundle else number, layer)
            if key not in waypoints:
                waypoints[key] = len(size)
                columns[layer].append(len(size))
                size.append(waypoint_height)
            chain.append(waypoints[key])
        segments.update(dict.fromkeys(pairwise([source, *chain, target])))
        chains.append(chain)
    before: list[list[int]] = [[] for _ in size]
    after: list[list[int]] = [[] for _ in size]
    for source, target in segments:
        after[source].append(target)
        before[target].append(source)

    columns = _ordered(columns, before, after, starts)
    y = _heights(columns, before, after, size, len(layers))
    top = min(y[v] - size[v] / 2 for v in range(len(size)))
    y = [value - top for value in y]
    bottom = max(y[v] + size[v] / 2 for v in range(len(size)))
    return LayeredLayout(y[: len(layers)], [[y[v] for v in chain] for chain in chains], bottom)


def _ordered(columns: list[list[int]], before: list[list[int]], after: list[list[int]], starts: int) -> list[list[int]]:
    rng = np.random.default_rng(0)
    best, fewest = columns, _crossings(columns, after)
    for start in range(starts):
        current = [list(column) for column in columns]
        if start:
            for column in current:
                rng.shuffle(column)
        position = [0] * len(before)
        for column in current:
            for i, vertex in enumerate(column):
                position[vertex] = i
        for sweep in range(_SWEEPS):
            forward = sweep % 2 == 0
            neighbours = before if forward else after
            for column in current if forward else reversed(current):
                means = {v: _mean([position[u] for u in neighbours[v]], position[v]) for v in column}
                column.sort(key=means.__getitem__)
                for i, vertex in enumerate(column):
                    position[vertex] = i
            crossings = _crossings(current, after)
            if crossings < fewest:
                best, fewest = [list(column) for column in current], crossings
        if fewest == 0:
            break
    return best


def _mean(values: list[int], default: int) -> float:
    return sum(values) / len(values) if values else default


def _crossings(columns: list[list[int]], after: list[list[int]]) -> int:
    total = 0
    for left, right in pairwise(columns):
        position = {vertex: i for i, vertex in enumerate(right)}
        # Pairs out of order, counted against those before: lists of a dozen are too short for NumPy.
        seen: list[int] = []
        for end in (end for u in left for end in sorted(position[v] for v in after[u])):
            total += len(seen) - bisect_right(seen, end)
            insort(seen, end)
    return total


def _heights(
    columns: list[list[int]], before: list[list[int]], after: list[list[int]], size: list[float], n_real: int
) -> list[float]:
    """The heights at which vertices stand level with their neighbours' means, as far as order and room allow.

    The sum of weighted distances |y - mean of the neighbours' y|, taken on each side, is minimised as a linear
    programme; unlike squares, distances leave most lines exactly straight.
    """
    entries: list[tuple[int, int, float]] = []  # row, column, value of the matrix of constraints A x <= bounds
    bounds: list[float] = []
    costs = [_COMPACT] * len(size)  # of x: the heights, then the distances
    for vertex in range(len(size)):
        for neighbours in filter(None, (before[vertex], after[vertex])):
            distance = len(costs)
            costs.append(_LEVEL_EDGE if vertex >= n_real else 1.0)
            for sign in (1.0, -1.0):  # sign * (y - mean) - distance <= 0
                row = len(bounds)
                entries += [(row, distance, -1.0), (row, vertex, sign)]
                entries += [(row, other, -sign / len(neighbours)) for other in neighbours]
                bounds.append(0.0)
    for column in columns:
        for upper, lower in pairwise(column):
            entries += [(len(bounds), upper, 1.0), (len(bounds), lower, -1.0)]
            bounds.append(-(size[upper] + size[lower]) / 2)
    if not bounds:  # a single vertex
        return [0.0] * len(size)
    rows, variables, values = zip(*entries, strict=True)
    matrix = coo_array((values, (rows, variables)), shape=(len(bounds), len(costs))).tocsr()
    return [float(value) for value in linprog(costs, matrix, bounds, method="highs").x[: len(size)]]
