"""Computational graphs as tokens: one for each node and one for each edge (TokenGT: Kim et al., NeurIPS 2022).

A batch is ragged: the nodes of all graphs one after the other, and likewise the edges, so that nothing is padded and
no Python loop runs over either.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tart_nas.errors import PredictorError
from tart_nas.graphs import PRIMITIVES, ComputationalGraph
from tart_nas.graphs.blocks import COLUMNS
from tart_nas.tokens.canonical_order import canonical_positions
from tart_nas.tokens.ragged import row_numbers, row_starts, rows_taken

__all__ = ["GRAPH_TOKEN_SCHEME", "MAX_GRAPH_NODES", "GraphTokens"]

GRAPH_TOKEN_SCHEME = "graph/1"
"""Name and version of this tokenization; a checkpoint made for another one is refused."""

MAX_GRAPH_NODES = 8192
"""Nodes that a graph may have: DeepNets-1M's largest has about 1,000."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class GraphTokens:
    """A batch of B graphs with n nodes and m edges in all.

    Attributes:
        nodes: (n, COLUMNS) int32, primitive and sizes, see :data:`tart_nas.graphs.blocks.COLUMNS`.
        cells: (n,) int32, index of the cell.
        positions: (n,) int64, place of the node in the canonical order of its graph.
        edges: (m, 2) int32, source and target, indices into the graph's own nodes.
        sizes: (B, 2) int64, number of nodes and of edges of each graph.
    """

    nodes: npt.NDArray[np.int32]
    cells: npt.NDArray[np.int32]
    positions: Ints
    edges: npt.NDArray[np.int32]
    sizes: Ints

    def __len__(self) -> int:
        return len(self.sizes)

    @classmethod
    def encode(cls, graphs: Sequence[ComputationalGraph]) -> "GraphTokens":
        """Tokenizes graphs; names are left out.

        Raises:
            PredictorError: if a graph has more than :data:`MAX_GRAPH_NODES` nodes.
        """
        sizes = np.array([(graph.num_nodes, graph.num_edges) for graph in graphs], dtype=np.int64).reshape(-1, 2)
        if len(sizes) and sizes[:, 0].max() > MAX_GRAPH_NODES:
            where = int(sizes[:, 0].argmax())
            raise PredictorError(
                f"Graph tokens hold at most {MAX_GRAPH_NODES} nodes a graph, but graph {where} has {sizes[where, 0]}."
            )
        nodes = np.concatenate([np.zeros((0, COLUMNS), dtype=np.int32), *(graph.nodes for graph in graphs)])
        cells = np.concatenate([np.zeros(0, dtype=np.int32), *(graph.cells for graph in graphs)])
        edges = np.concatenate([np.zeros((0, 2), dtype=np.int32), *(graph.edges for graph in graphs)])
        firsts = np.repeat(row_starts(sizes[:, 0]), sizes[:, 1])[:, None]  # each edge's first node of its graph
        positions = canonical_positions(nodes, edges + firsts, row_numbers(sizes[:, 0]), cells)
        return cls(nodes, cells, positions, edges, sizes)

    def graphs(self) -> list[ComputationalGraph]:
        """The graphs that the tokens were made from, each node with its primitive's name."""
        ends = np.cumsum(self.sizes, axis=0)
        return [
            ComputationalGraph(
                self.nodes[node - n : node],
                self.cells[node - n : node],
                [PRIMITIVES[primitive] for primitive in self.nodes[node - n : node, 0].tolist()],
                self.edges[edge - m : edge],
            )
            for (node, edge), (n, m) in zip(ends.tolist(), self.sizes.tolist(), strict=True)
        ]

    def take(self, rows: npt.NDArray[np.integer]) -> "GraphTokens":
        """Some of the graphs, by their indices (k,)."""
        nodes, edges = (rows_taken(self.sizes[:, column], rows) for column in (0, 1))
        return GraphTokens(
            self.nodes[nodes], self.cells[nodes], self.positions[nodes], self.edges[edges], self.sizes[rows]
        )
