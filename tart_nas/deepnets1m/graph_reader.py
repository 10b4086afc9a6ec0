"""Reading graphs, so that a wrong one is noticed."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m.graph_file import GraphFile
from tart_nas.deepnets1m.layout import checksum
from tart_nas.deepnets1m.meta_file import MetaFile
from tart_nas.deepnets1m.stored_graph import NodeTables, StoredGraph
from tart_nas.errors import DeepNetsError, GraphError
from tart_nas.graphs import ComputationalGraph

__all__ = ["GraphReader"]

_Form = Callable[[StoredGraph, Architecture, int], ComputationalGraph | None]
_FORMS: tuple[_Form, ...] = (
    StoredGraph.realigned_graph,
    StoredGraph.matching_graph,
    StoredGraph.plausible_graph,
)
_PROBES = 8  # networks from which the form of a file is told
_MOST_NODES = 1 << 15


class GraphReader:
    """The graphs of one split, checked.

    A graph with a checksum is as it was written, or refused. Without, it is checked to be a graph with the paths that
    it states, and compared with the genotype. How far depends on the file: one whose graphs are what the data set's
    present generator, or this package, makes of the genotypes must be so throughout; of any other, the nodes with
    parameters must be right.

    Args:
        path: the HDF5 file.
        meta: the meta file.
        verify: whether to compare with checksums and genotypes.
    """

    def __init__(self, path: Path, meta: MetaFile, verify: bool) -> None:
        self._file = GraphFile(path, meta.split, len(meta))
        self._meta = meta
        self._verify = verify
        self._tables = NodeTables(meta.tables["primitives_ext"], meta.tables["unique_op_names"])
        self._form: _Form | None = None  # told when it is needed

    def read(
        self, index: int, net: Mapping[str, Any], architecture: Architecture, virtual_edges: int
    ) -> ComputationalGraph:
        """Reads the graph of a network.

        Args:
            index: of the network.
            net: its entry in the meta file.
            architecture: what that says it is.
            virtual_edges: the longest distance to keep.

        Raises:
            DeepNetsError: if the graph cannot be read or is wrong.
        """
        try:
            stored, is_trusted = self._stored(index, net, architecture)
            if is_trusted:
                return stored.graph(virtual_edges)
            stored.check(architecture.n_cells)
            if not self._verify:
                return stored.graph(virtual_edges)
            if self._form is None:
                self._form = self._told_form()
            graph = self._form(stored, architecture, virtual_edges)
            if graph is None:
                raise GraphError("the graph is not that of the genotype in the meta file")
        except GraphError as error:
            raise DeepNetsError(f"{self._file.path}: {self._meta.split}/{index}: {str(error).rstrip('.')}.") from None
        return graph

    def _stored(self, index: int, net: Mapping[str, Any], architecture: Architecture) -> tuple[StoredGraph, bool]:
        """The graph as stored, and whether a checksum says that it is right."""
        num_nodes = net.get("num_nodes")
        if not isinstance(num_nodes, int) or isinstance(num_nodes, bool) or not 2 <= num_nodes < _MOST_NODES:
            raise GraphError(f"'num_nodes' of the meta file must be in [2, {_MOST_NODES}), but is {num_nodes!r}")
        adj, nodes = self._file.arrays(index, num_nodes)
        primitives, names = self._tables.read(nodes)
        cells = nodes[:, 1]
        expected = self._file.checksum(index) if self._verify else None
        if expected is not None and checksum(architecture, adj, primitives, cells, names) != expected:
            raise GraphError("the settings in the meta file or the graph are not what was written, by the checksum")
        return StoredGraph(adj, cells, primitives, names), expected is not None

    def _told_form(self) -> _Form:
        """The first form that one of some networks has."""
        probes = []
        for index in range(0, len(self._meta), max(1, len(self._meta) // _PROBES)):
            try:
                net = self._meta.net(index)
                architecture = self._meta.architecture(index, net)
                stored, _ = self._stored(index, net, architecture)
                stored.check(architecture.n_cells)
            except (DeepNetsError, GraphError):
                continue
            probes.append(partial(_matches, stored, architecture))
        return next((form for form in _FORMS if any(probe(form) for probe in probes)), _FORMS[-1])


def _matches(stored: StoredGraph, architecture: Architecture, form: _Form) -> bool:
    return form(stored, architecture, 1) is not None
