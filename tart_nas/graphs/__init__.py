"""Computational graphs of networks, and pictures of them and of their cells."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tart_nas.choices import FIGURE_SUFFIXES
from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.generator_graph import generator_graph, stored_rows
from tart_nas.graphs.primitives import PRIMITIVE_IDS, PRIMITIVES

if TYPE_CHECKING:
    from tart_nas.graphs.cell_drawing import draw_cells
    from tart_nas.graphs.figure_file import save_figure
    from tart_nas.graphs.graph_drawing import draw_graph

__all__ = [
    "FIGURE_SUFFIXES",
    "PRIMITIVES",
    "PRIMITIVE_IDS",
    "ComputationalGraph",
    "draw_cells",
    "draw_graph",
    "generator_graph",
    "save_figure",
    "stored_rows",
]

_DRAWING = {  # imported at its first use, since matplotlib takes a second to import
    "draw_cells": "tart_nas.graphs.cell_drawing",
    "draw_graph": "tart_nas.graphs.graph_drawing",
    "save_figure": "tart_nas.graphs.figure_file",
}


def __getattr__(name: str) -> Any:
    if name in _DRAWING:
        return getattr(import_module(_DRAWING[name]), name)
    raise AttributeError(f"module 'tart_nas.graphs' has no attribute {name!r}")
