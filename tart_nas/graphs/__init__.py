"""Computational graphs of networks."""

from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.primitives import PRIMITIVE_IDS, PRIMITIVES

__all__ = ["PRIMITIVES", "PRIMITIVE_IDS", "ComputationalGraph"]
