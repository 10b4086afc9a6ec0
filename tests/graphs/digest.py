"""SHA-256 of a graph as DeepNets-1M's files store it."""

import hashlib
import json
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from tart_nas.deepnets1m.emulation import stored_rows
from tart_nas.graphs import PRIMITIVES, ComputationalGraph

__all__ = ["generated_digest", "stored_digest"]


def stored_digest(adj: npt.NDArray[np.unsignedinteger], rows: Iterable[tuple[str, int, str]]) -> str:
    """The digest of what a file says of one network; it changes with any byte of it, and with the order of nodes.

    Args:
        adj: (n, n) lengths of shortest paths, 0 for none; 1 for an edge.
        rows: primitive, cell and name of each row of ``nodes``, in the file's order.
    """
    labels = json.dumps([[primitive, int(cell), name] for primitive, cell, name in rows], separators=(",", ":"))
    return hashlib.sha256(labels.encode() + np.ascontiguousarray(adj, dtype=np.uint8).tobytes()).hexdigest()


def generated_digest(graph: ComputationalGraph) -> str:
    """What :func:`stored_digest` gives of the file that the data set's generator would write for this graph."""
    rows = [(PRIMITIVES[graph.primitives[node]], graph.cells[node], graph.names[node]) for node in stored_rows(graph)]
    return stored_digest(graph.distances, rows)
