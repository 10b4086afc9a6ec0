"""From the arrays of a file to a graph, and the checks on the way."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m.emulation import generator_graph, stored_rows
from tart_nas.deepnets1m.layout import MAX_DISTANCE, node_name, primitive_id
from tart_nas.errors import GraphError
from tart_nas.graphs import PRIMITIVE_IDS, ComputationalGraph

__all__ = ["NodeTables", "StoredGraph"]

_WITH_PARAMETERS = {PRIMITIVE_IDS[name] for name in ("conv", "sep_conv", "dil_conv", "bias", "bn", "ln", "pos_enc")}


class NodeTables:
    """The tables that ``nodes`` points into, with names of any version turned into ours.

    Args:
        primitives: ``primitives_ext`` of the meta file.
        names: ``unique_op_names``.
    """

    def __init__(self, primitives: Mapping[int, str], names: Mapping[int, str]) -> None:
        self.primitive_names = primitives
        ids = {key: primitive_id(name) for key, name in primitives.items() if 0 <= key < 1 << 16}
        self._primitives = np.full(1 << 16, -1, dtype=np.int32)
        for key, value in ids.items():
            self._primitives[key] = -1 if value is None else value
        self._names = {key: node_name(name) for key, name in names.items()}

    def read(self, nodes: NDArray[np.uint16]) -> tuple[NDArray[np.int32], list[str]]:
        """Primitives and names of the rows of ``nodes``.

        Raises:
            GraphError: if a row points to nothing, or to an unknown primitive.
        """
        primitives = self._primitives[nodes[:, 0]]
        if (primitives < 0).any():
            row = int((primitives < 0).argmax())
            name = self.primitive_names.get(int(nodes[row, 0]))
            raise GraphError(
                f"node {row} has the unknown primitive {nodes[row, 0] if name is None else repr(name)}: "
                f"expected one of {', '.join(PRIMITIVE_IDS)}"
            )
        try:
            names = [self._names[key] for key in nodes[:, 2].tolist()]
        except KeyError as error:
            raise GraphError(f"a node has the op name {error}, which is not in 'unique_op_names'") from None
        return primitives, names


@dataclass(frozen=True)
class StoredGraph:
    """The graph of one network as it is stored.

    Args:
        adj: lengths of shortest paths (n, n).
        cells: cell index of each row of ``nodes`` (n,).
        primitives: likewise.
        names: likewise.

    In the files that the data set's present generator writes, row k of ``nodes`` is not node k of ``adj`` (see
    :mod:`tart_nas.deepnets1m.emulation`). In files of this package it is, as the data set's own loader presumes.
    """

    adj: NDArray[np.uint8]
    cells: NDArray[np.uint16]
    primitives: NDArray[np.int32]
    names: Sequence[str]

    def check(self, n_cells: int) -> None:
        """Checks what every graph must fulfil.

        Raises:
            GraphError: if nodes are out of order, paths loop or have wrong lengths, nodes lie on no way from the input
                to the output, or cells are out of range.
        """
        adj, n = self.adj, len(self.adj)
        backwards = np.tril(adj)
        if backwards.any():
            u, v = np.argwhere(backwards)[0].tolist()
            what = "a loop" if u == v else "a way back, or nodes that are not in topological order"
            raise GraphError(f"adj[{u}, {v}] = {adj[u, v]} is {what}")
        if (self.cells >= n_cells).any():
            raise GraphError(f"a node is in cell {self.cells.max()}, but there are {n_cells}")
        if (self.primitives == PRIMITIVE_IDS["input"]).tolist() != [True] + [False] * (n - 1):
            raise GraphError("node 0, and no other, must be the input")
        sources, targets = self.edges.T
        leaving, arriving = np.bincount(sources, minlength=n), np.bincount(targets, minlength=n)
        if (leaving[:-1] == 0).any():
            raise GraphError(f"node {int((leaving == 0).argmax())} does not reach the output")
        if np.count_nonzero(arriving == 0) > 1 + (PRIMITIVE_IDS["pos_enc"] in self.primitives):
            raise GraphError("more nodes than the positional encoding have no way from the input")
        expected = _lengths(adj, targets, leaving)
        if not np.array_equal(adj, expected):
            u, v = np.argwhere(adj != expected)[0].tolist()
            raise GraphError(f"adj[{u}, {v}] = {adj[u, v]}, but by the edges it should be {expected[u, v]}")

    @cached_property
    def edges(self) -> NDArray[np.int32]:
        """(source, target) pairs, sorted (m, 2)."""
        places = np.flatnonzero(self.adj == 1)
        edges = np.empty((len(places), 2), dtype=np.int32)
        np.divmod(places, len(self.adj), out=(edges[:, 0], edges[:, 1]), casting="unsafe")
        return edges

    def graph(self, virtual_edges: int) -> ComputationalGraph:
        """The graph if row k of ``nodes`` is node k of ``adj``."""
        return self._graph(self.primitives, self.cells.astype(np.int32), self.names, virtual_edges)

    def matching_graph(self, architecture: Architecture, virtual_edges: int) -> ComputationalGraph | None:
        """The graph if it is that of the architecture, node by node, in this package's form."""
        expected = ComputationalGraph.from_architecture(architecture)
        graph = self.graph(virtual_edges)
        return graph if _labelled_edges(graph) == _labelled_edges(expected) else None

    def plausible_graph(self, architecture: Architecture, virtual_edges: int) -> ComputationalGraph | None:
        """The graph if at least its nodes with parameters are those of the architecture."""
        found = zip(self.primitives.tolist(), self.cells.tolist(), self.names, strict=True)
        expected = ComputationalGraph.from_architecture(architecture)
        labels = zip(expected.primitives.tolist(), expected.cells.tolist(), expected.names, strict=True)
        if Counter(node for node in found if node[0] in _WITH_PARAMETERS) != Counter(
            node for node in labels if node[0] in _WITH_PARAMETERS
        ):
            return None
        return self.graph(virtual_edges)

    def realigned_graph(self, architecture: Architecture, virtual_edges: int) -> ComputationalGraph | None:
        """The graph if it is exactly what the data set's present generator writes for the architecture."""
        if architecture.is_vit and not architecture.glob_avg:  # it never draws these
            return None
        expected = generator_graph(architecture)
        rows = stored_rows(expected)
        if (
            expected.num_nodes == len(self.adj)
            and np.array_equal(expected.edges, self.edges)
            and np.array_equal(expected.primitives[rows], self.primitives)
            and np.array_equal(expected.cells[rows], self.cells)
            and [expected.names[row] for row in rows.tolist()] == list(self.names)
        ):
            return self._graph(expected.primitives, expected.cells, expected.names, virtual_edges)
        return None

    def _graph(
        self, primitives: NDArray[np.int32], cells: NDArray[np.int32], names: Sequence[str], virtual_edges: int
    ) -> ComputationalGraph:
        distances = self.adj.astype(np.uint16)
        if virtual_edges < MAX_DISTANCE:
            distances[self.adj > virtual_edges] = 0
        return ComputationalGraph.from_labels(primitives, cells, names, self.edges, distances)


def _lengths(adj: NDArray[np.uint8], targets: NDArray[np.int32], leaving: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The lengths that follow from the edges and from the lengths behind them.

    They equal those stored exactly if all are right: in topological order, one follows from the next.

    Args:
        adj: the stored lengths (n, n).
        targets: of the edges, sorted by source.
        leaving: number of edges leaving each node (n,); but for the last node at least 1.
    """
    n = len(adj)
    # A length beyond the longest one stands for no path; with the 1 that is added below it still fits a byte.
    behind = np.where(adj == 0, np.uint8(MAX_DISTANCE + 1), adj)
    behind[np.arange(n), np.arange(n)] = 0
    first = np.cumsum(leaving) - leaving  # of each node's edges
    lengths = np.zeros_like(adj)
    np.take(behind, targets[first[:-1]], axis=0, out=lengths[:-1])
    for k in range(1, int(leaving.max())):
        nodes = np.flatnonzero(leaving > k)
        lengths[nodes] = np.minimum(lengths[nodes], behind[targets[first[nodes] + k]])
    lengths[:-1] += 1
    lengths[lengths > MAX_DISTANCE] = 0
    lengths[np.arange(n), np.arange(n)] = 0
    return lengths


def _labelled_edges(graph: ComputationalGraph) -> Counter[tuple[object, ...]]:
    labels = list(zip(graph.primitives.tolist(), graph.cells.tolist(), graph.names, strict=True))
    return Counter((*labels[u], *labels[v]) for u, v in graph.edges.tolist())
