"""A whole computational graph as a picture: layer by layer from left to right, in rows like the lines of a text."""

import os
from itertools import pairwise
from math import ceil, inf, log

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path

from tart_nas.drawing.figure_file import save_figure
from tart_nas.drawing.layered_layout import LayeredLayout, layered_layout
from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.primitives import PRIMITIVES

__all__ = ["draw_graph"]

# Lengths are inches, also as the axes' unit.
_COLUMN = 0.34
_NODE_ROOM = 0.26
_EDGE_ROOM = 0.1
_ROW_GAP = 0.4
_MARGIN = 0.3
_LEGEND = 0.75
_ASPECT = 1.5  # width by height of the picture, about: that of a page or a screen
_SHORTEST_ROW = 20  # layers
_MIN_WIDTH = 8.0  # of the legend
_CELL_TITLE = 0.6  # room for a cell's number

_STYLES = {  # primitive: colour, matplotlib marker, size in points
    "input": ("#111111", ">", 11.0),
    "conv": ("#1f5fa8", "s", 10.0),
    "sep_conv": ("#4f9bd9", "D", 9.0),
    "dil_conv": ("#63c3c9", "H", 11.5),
    "bias": ("#e68ac0", "d", 8.0),
    "bn": ("#f2a33c", "o", 7.5),
    "ln": ("#e8d23c", "h", 9.0),
    "pos_enc": ("#0f8f7f", "p", 10.5),
    "msa": ("#7b3fa0", "*", 14.5),
    "cse": ("#b07cd6", "P", 10.5),
    "sum": ("#c8372d", "o", 8.5),
    "concat": ("#8c1c13", "8", 10.0),
    "max_pool": ("#2f7d32", "^", 10.0),
    "avg_pool": ("#86c06a", "v", 10.0),
    "glob_avg": ("#55702c", "X", 10.5),
}
_EDGE_COLOUR, _TEXT_COLOUR = "#9a9a9a", "#555555"


def draw_graph(graph: ComputationalGraph, path: str | os.PathLike[str] | None = None) -> Figure:
    """Draws a graph, with a colour and a shape for each primitive, the kernel sizes of convolutions, and a legend.

    Edges lead to the right; one that leaves a row goes on at the left of the next one, in the same order. The edges
    out of one node run together as long as they can.

    Args:
        graph: the graph; some thousand nodes at most.
        path: where to write the picture (PNG, SVG or PDF, by the suffix), if anywhere.

    Returns:
        A figure of its own, unknown to ``pyplot``; its size follows from the graph.

    Raises:
        SettingError: if the path has another suffix.
    """
    layers = _layers(graph)
    edges = [(source, target) for source, target in graph.edges.tolist()]
    layout = layered_layout(layers, edges, [_NODE_ROOM] * graph.num_nodes, _EDGE_ROOM, bundle=True)
    rows = _rows(layers, edges, layout)
    figure = Figure(figsize=(rows.width, rows.height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0.0, rows.width)
    axes.set_ylim(rows.height, 0.0)
    axes.set_axis_off()
    _draw_edges(axes, edges, layers, layout, rows)
    _draw_nodes(axes, graph, layers, layout, rows)
    _draw_cell_numbers(axes, graph, layers, rows)
    _draw_legend(axes, graph)
    if path is not None:
        save_figure(figure, path)
    return figure


class _Rows:
    """Where the layers stand when a row is full and the next one begins; each row is as high as what is in it."""

    def __init__(self, low: list[float], high: list[float]) -> None:
        """Takes the extent of each layer in the layout."""
        self._low, self._high = low, high
        counts = range(1, max(1, len(low) // _SHORTEST_ROW) + 1)
        self._break_into(min(counts, key=self._misfit))

    def _misfit(self, count: int) -> float:
        self._break_into(count)
        return abs(log(self.width / self.height / _ASPECT))

    def _break_into(self, count: int) -> None:
        n = len(self._low)
        self._per_row = ceil(n / count)
        self._tops: list[float] = []  # of each row in the picture, less that of its contents in the layout
        y = _LEGEND
        for first in range(0, n, self._per_row):
            top = min(self._low[first : first + self._per_row])
            self._tops.append(y + _ROW_GAP - top)
            y += max(self._high[first : first + self._per_row]) - top + _ROW_GAP
        self.width = max(_MIN_WIDTH, 2 * _MARGIN + self._per_row * _COLUMN)
        self.height = y + _MARGIN

    def row(self, layer: int) -> int:
        return layer // self._per_row

    def point(self, layer: int, y: float) -> tuple[float, float]:
        """The place in the picture of a height in a layer."""
        row, column = divmod(layer, self._per_row)
        return _MARGIN + (column + 0.5) * _COLUMN, self._tops[row] + y

    def title(self, layer: int) -> tuple[float, float]:
        """The place above a layer."""
        row = self.row(layer)
        top = min(self._low[row * self._per_row : (row + 1) * self._per_row])
        x, y = self.point(layer, top)
        return x, y - _ROW_GAP / 3


def _rows(layers: list[int], edges: list[tuple[int, int]], layout: LayeredLayout) -> _Rows:
    low = [inf] * (max(layers) + 1)
    high = [-inf] * (max(layers) + 1)
    spans = [(layer, y, _NODE_ROOM / 2) for layer, y in zip(layers, layout.y, strict=True)]
    for (source, _), waypoints in zip(edges, layout.waypoints, strict=True):
        spans += [(layer, y, _EDGE_ROOM / 2) for layer, y in enumerate(waypoints, layers[source] + 1)]
    for layer, y, room in spans:
        low[layer], high[layer] = min(low[layer], y - room), max(high[layer], y + room)
    return _Rows(low, high)


def _layers(graph: ComputationalGraph) -> list[int]:
    """The layer of each node: as late as the nodes after it allow, so that long edges carry results used often."""
    after = [0] * graph.num_nodes  # the longest path to the end
    for source, target in graph.edges[::-1].tolist():
        after[source] = max(after[source], after[target] + 1)
    return [max(after) - steps for steps in after]


def _draw_edges(
    axes: Axes, edges: list[tuple[int, int]], layers: list[int], layout: LayeredLayout, rows: _Rows
) -> None:
    segments: dict[tuple[int, float, float], None] = {}  # once each, where edges run together
    for (source, target), waypoints in zip(edges, layout.waypoints, strict=True):
        heights = [layout.y[source], *waypoints, layout.y[target]]
        segments.update(dict.fromkeys((layers[source] + i, *pair) for i, pair in enumerate(pairwise(heights))))
    paths = []
    for layer, start, end in segments:
        (x0, y0), (x1, y1) = rows.point(layer, start), rows.point(layer + 1, end)
        if rows.row(layer) == rows.row(layer + 1):
            paths.append(_curve(x0, y0, x1, y1))
        else:  # half of the segment at the end of a row, half at the beginning of the next
            paths.append(_curve(x0, y0, x0 + _COLUMN / 2, y0 + (end - start) / 2))
            paths.append(_curve(x1 - _COLUMN / 2, y1 + (start - end) / 2, x1, y1))
    axes.add_collection(
        PathCollection(paths, facecolors="none", edgecolors=_EDGE_COLOUR, linewidths=0.8, zorder=1), autolim=False
    )


def _curve(x0: float, y0: float, x1: float, y1: float) -> Path:
    middle = (x0 + x1) / 2
    return Path([(x0, y0), (middle, y0), (middle, y1), (x1, y1)], [Path.MOVETO, *[Path.CURVE4] * 3])


def _draw_nodes(axes: Axes, graph: ComputationalGraph, layers: list[int], layout: LayeredLayout, rows: _Rows) -> None:
    points = np.array([rows.point(layer, y) for layer, y in zip(layers, layout.y, strict=True)])
    for primitive, (colour, marker, size) in _STYLES.items():
        chosen = points[graph.primitives == PRIMITIVES.index(primitive)]
        axes.scatter(
            chosen[:, 0], chosen[:, 1], s=size**2, c=colour, marker=marker, linewidths=0.6, edgecolors="white", zorder=2
        )
    kernels = graph.kernel_sizes
    for node in np.flatnonzero(kernels.max(axis=1)):
        if PRIMITIVES[graph.primitives[node]] in ("conv", "sep_conv", "dil_conv"):
            k = kernels[node].max()
            axes.text(
                points[node, 0],
                points[node, 1],
                str(k),
                size=5.5,
                color="white",
                ha="center",
                va="center_baseline",
                zorder=3,
            )


def _draw_cell_numbers(axes: Axes, graph: ComputationalGraph, layers: list[int], rows: _Rows) -> None:
    if not graph.cells.any():
        return
    last = (-1, 0.0)  # the row and place of the last number
    for cell in np.unique(graph.cells):
        layer = min(layer for layer, other in zip(layers, graph.cells, strict=True) if other == cell)
        x, y = rows.title(layer)
        if rows.row(layer) != last[0] or x > last[1] + _CELL_TITLE:  # cells of one node stand too close for all
            axes.text(x, y, f"cell {cell}", size=7, color=_TEXT_COLOUR, ha="center", va="center")
            last = (rows.row(layer), x)


def _draw_legend(axes: Axes, graph: ComputationalGraph) -> None:
    counts = np.bincount(graph.primitives, minlength=len(PRIMITIVES))
    handles = [
        Line2D([], [], color=colour, marker=marker, markersize=size, linestyle="none", label=f"{name} ({count})")
        for name, (colour, marker, size) in _STYLES.items()
        if (count := counts[PRIMITIVES.index(name)])
    ]
    axes.legend(
        handles=handles,
        loc="upper center",
        ncols=min(8, len(handles)),
        fontsize=8,
        frameon=False,
        handletextpad=0.2,
        columnspacing=1.2,
    )
