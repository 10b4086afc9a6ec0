"""Pictures of computational graphs and of cells. Importing it imports matplotlib, which takes a second."""

from tart_nas.choices import FIGURE_SUFFIXES
from tart_nas.drawing.cells import draw_cells
from tart_nas.drawing.figure_file import save_figure
from tart_nas.drawing.graphs import draw_graph

__all__ = ["FIGURE_SUFFIXES", "draw_cells", "draw_graph", "save_figure"]
