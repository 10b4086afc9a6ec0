"""The normal and the reduction cell of a genotype, as DARTS papers draw them (Liu et al., ICLR 2019, figures 4 and 5).

From left to right: the two input cells, the intermediate nodes, the output. Every operation's name stands on its
edge, just before the node it ends in. An operation's name is a vertex of the layered layout, so it takes part in it
like a node and nothing runs through it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from tart_nas.drawing.figure_file import save_figure
from tart_nas.drawing.layered_layout import layered_layout
from tart_nas.genotype import Genotype
from tart_nas.operations import NONE

__all__ = ["CELL_COLOURS", "draw_cells"]

# All lengths are inches; the axes' unit is an inch too.
_NODE = 0.42
_LABEL_HEIGHT = 0.22
_EDGE_ROOM = 0.16
_GAP = 0.42  # between columns, where edges bend
_MARGIN = 0.15
_TITLE = 0.45
_WIDEST_ROW = 15.0  # beyond this the two cells stand one above the other
_FONT = 9.0  # points
_STARTS = 24  # orders tried by the layout; cells are small

CELL_COLOURS = {
    "cell-input": "#b7e1b0",
    "cell-step": "#b9d7ee",
    "cell-output": "#f3e3a1",
    "ink": "#333333",
    "faint": "#aaaaaa",
}
"""The colours of the picture by what they show, for pages that exchange them for their own."""

_INPUT, _STEP, _OUTPUT, _INK, _FAINT = CELL_COLOURS.values()
_TITLES = {"normal": "Normal cell", "reduce": "Reduction cell"}


@dataclass(frozen=True)
class _Vertex:
    text: str
    layer: int
    colour: str | None = None  # None for an operation's name
    effect: float | None = None  # of an operation: from -1 to 1

    @property
    def width(self) -> float:
        return _NODE * 1.35 if self.colour else _text_width(self.text) + 0.1


class _Cell:
    """The layout of one cell.

    Layers alternate: nodes on even ones, the names of the operations into them on the odd one before.
    """

    def __init__(
        self,
        pairs: tuple[tuple[str, int], ...],
        concat: tuple[int, ...],
        effects: Sequence[float] | None = None,
        largest: float = 1.0,
    ) -> None:
        n_nodes = len(pairs) // 2
        depth = [0, 0]
        for first, second in zip(pairs[::2], pairs[1::2], strict=True):
            depth.append(2 + max(depth[first[1]], depth[second[1]]))
        self.vertices = [_Vertex("$c_{k-2}$", 0, _INPUT), _Vertex("$c_{k-1}$", 0, _INPUT)]
        self.vertices += [_Vertex(str(i), depth[i + 2], _STEP) for i in range(n_nodes)]
        self.vertices.append(_Vertex("$c_{k}$", max(depth) + 1, _OUTPUT))
        self.edges: list[tuple[int, int]] = []
        for i, (op, index) in enumerate(pairs):
            node = 2 + i // 2
            label = len(self.vertices)
            effect = effects[i] if effects is not None and np.isfinite(effects[i]) else None
            text = op if effect is None else f"{op}  {effect:+.2g}"
            self.vertices.append(_Vertex(text, depth[node] - 1, effect=None if effect is None else effect / largest))
            self.edges += [(index, label), (label, node)]
        self.edges += [(node, n_nodes + 2) for node in concat]

        heights = [_NODE + 0.18 if v.colour else _LABEL_HEIGHT + 0.08 for v in self.vertices]
        layers = [v.layer for v in self.vertices]
        self.layout = layered_layout(layers, self.edges, heights, _EDGE_ROOM, starts=_STARTS)
        if self.layout.y[0] > self.layout.y[1]:
            self.layout = self.layout.mirrored()  # c_{k-2} stands above c_{k-1}
        self.left, self.right = [], []
        x = _MARGIN
        for layer in range(max(layers) + 1):
            width = max(v.width for v in self.vertices if v.layer == layer)
            self.left.append(x)
            self.right.append(x + width)
            x += width + _GAP
        self.width = self.right[-1] + _MARGIN
        self.height = self.layout.height + _TITLE + _MARGIN


def draw_cells(
    genotype: Genotype,
    path: str | os.PathLike[str] | None = None,
    *,
    effects: Mapping[str, Sequence[float]] | None = None,
) -> Figure:
    """Draws the normal and the reduction cell in one figure.

    Example::

        draw_cells(genotype, "cells.svg")

    Args:
        genotype: the cells. A ``none`` is drawn too, dashed and faint.
        path: where to write the picture (PNG, SVG or PDF, by the suffix), if anywhere.
        effects: for ``"normal"`` and ``"reduce"`` a number for each operation, such as what it adds to a prediction
            (:meth:`tart_nas.Predictor.explain`). They are written beside the operations, which are coloured by them:
            blue above 0, red below.

    Returns:
        A figure of its own, unknown to ``pyplot``; its size follows from the cells.

    Raises:
        SettingError: if the path has another suffix.
    """
    known = {} if effects is None else effects
    sizes = [abs(effect) for values in known.values() for effect in values if np.isfinite(effect)]
    largest = max(sizes, default=0.0) or 1.0
    cells = {
        name: _Cell(getattr(genotype, name), getattr(genotype, f"{name}_concat"), known.get(name), largest)
        for name in _TITLES
    }
    first, second = cells.values()
    in_a_row = first.width + second.width <= _WIDEST_ROW
    if in_a_row:
        width, height = first.width + second.width, max(first.height, second.height)
        corners = [(0.0, 0.0), (first.width, 0.0)]
    else:
        width, height = max(first.width, second.width), first.height + second.height
        corners = [(0.0, 0.0), (0.0, first.height)]
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0.0, width)
    axes.set_ylim(height, 0.0)  # y grows downwards, as the nodes are numbered
    axes.set_axis_off()
    for (name, cell), (x, y) in zip(cells.items(), corners, strict=True):
        room = height if in_a_row else cell.height
        _draw_cell(axes, cell, _TITLES[name], x, y, y + _TITLE + (room - cell.height) / 2)
    if path is not None:
        save_figure(figure, path)
    return figure


def _draw_cell(axes: Axes, cell: _Cell, title: str, x: float, title_y: float, y: float) -> None:
    axes.text(x + _MARGIN, title_y + _TITLE / 2, title, fontsize=_FONT + 3, weight="bold", va="center", color=_INK)
    dashed = [NONE in (cell.vertices[source].text, cell.vertices[target].text) for source, target in cell.edges]
    for i in sorted(range(len(cell.edges)), key=dashed.__getitem__, reverse=True):  # the faint ones below
        _draw_edge(axes, cell, *cell.edges[i], cell.layout.waypoints[i], dashed[i], x, y)
    for vertex, centre in zip(cell.vertices, cell.layout.y, strict=True):
        middle = x + (cell.left[vertex.layer] + cell.right[vertex.layer]) / 2
        if vertex.colour:
            box = (middle - vertex.width / 2, y + centre - _NODE / 2)
            style = "round,pad=0,rounding_size=0.08"
            axes.add_patch(
                FancyBboxPatch(box, vertex.width, _NODE, style, facecolor=vertex.colour, edgecolor=_INK, linewidth=0.8)
            )
        if vertex.effect is not None:
            box = (middle - vertex.width / 2, y + centre - _LABEL_HEIGHT / 2)
            shade = mpl.colormaps["RdBu"](0.5 + 0.35 * vertex.effect)  # pale enough to read on
            axes.add_patch(
                FancyBboxPatch(box, vertex.width, _LABEL_HEIGHT, "round,pad=0,rounding_size=0.05", color=shade)
            )
        colour = _FAINT if vertex.text == NONE else _INK
        size = _FONT + 2 if vertex.colour else _FONT
        axes.text(middle, y + centre, vertex.text, fontsize=size, ha="center", va="center_baseline", color=colour)


def _draw_edge(
    axes: Axes, cell: _Cell, source: int, target: int, waypoints: list[float], dashed: bool, x: float, y: float
) -> None:
    """A line that is level within columns and bends only between them, with a head where it ends in a node."""
    start, end = cell.vertices[source], cell.vertices[target]
    has_head = end.colour is not None
    points = [(_border(cell, start, right=True), cell.layout.y[source])]
    for layer, waypoint in enumerate(waypoints, start.layer + 1):
        points += [(cell.left[layer], waypoint), (cell.right[layer], waypoint)]
    points.append((_border(cell, end, right=False) - (0.07 if has_head else 0.0), cell.layout.y[target]))
    vertices, codes = [(x + points[0][0], y + points[0][1])], [Path.MOVETO]
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = x + (x0 + x1) / 2
        vertices += [(middle, y + y0), (middle, y + y1), (x + x1, y + y1)]
        codes += [Path.CURVE4] * 3
    colour, style = (_FAINT, (0, (3, 2))) if dashed else (_INK, "solid")
    axes.add_patch(PathPatch(Path(vertices, codes), facecolor="none", edgecolor=colour, linewidth=0.9, linestyle=style))
    if has_head:
        tip_x, tip_y = x + points[-1][0] + 0.07, y + points[-1][1]
        head = Path([(tip_x, tip_y), (tip_x - 0.1, tip_y - 0.045), (tip_x - 0.1, tip_y + 0.045), (tip_x, tip_y)])
        axes.add_patch(PathPatch(head, facecolor=colour, edgecolor="none"))


def _border(cell: _Cell, vertex: _Vertex, right: bool) -> float:
    middle = (cell.left[vertex.layer] + cell.right[vertex.layer]) / 2
    return middle + (vertex.width if right else -vertex.width) / 2


@cache
def _text_width(text: str) -> float:
    return float(np.ptp(TextPath((0.0, 0.0), text, size=_FONT).vertices[:, 0])) / 72
