"""Computational graphs of networks."""

from tart_nas.deprecation import renamed
from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.graph_file import graph_from_dict, graph_to_dict, load_graphs, load_labelled_graphs, save_graphs
from tart_nas.graphs.parameter_use import ParameterUse
from tart_nas.graphs.primitives import PRIMITIVE_IDS, PRIMITIVES

__all__ = [
    "PRIMITIVES",
    "PRIMITIVE_IDS",
    "ComputationalGraph",
    "ParameterUse",
    "graph_from_dict",
    "graph_to_dict",
    "load_graphs",
    "load_labelled_graphs",
    "save_graphs",
]

__getattr__ = renamed(
    __name__,
    {name: f"tart_nas.drawing.{name}" for name in ("FIGURE_SUFFIXES", "draw_cells", "draw_graph", "save_figure")}
    | {name: f"tart_nas.deepnets1m.emulation.{name}" for name in ("generator_graph", "stored_rows")},
)
