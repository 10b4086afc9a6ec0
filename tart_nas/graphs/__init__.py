"""Computational graphs of networks, and pictures of them and of their cells."""

from tart_nas.choices import FIGURE_SUFFIXES
from tart_nas.graphs.cell_drawing import draw_cells
from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.figure_file import save_figure
from tart_nas.graphs.generator_graph import generator_graph, stored_rows
from tart_nas.graphs.graph_drawing import draw_graph
from tart_nas.graphs.primitives import PRIMITIVE_IDS, PRIMITIVES

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
