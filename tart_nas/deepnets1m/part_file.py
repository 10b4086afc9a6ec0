"""Some networks of a split on their way into its files.

A split is made in parts, so that many processes can make it and an interrupted run loses little. A part is one file
(NumPy's ``npz``, whose members have check sums), written whole or not at all.
"""

import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m.layout import MAX_DISTANCE, checksum
from tart_nas.errors import DeepNetsError, reason
from tart_nas.files import replacing
from tart_nas.graphs import ComputationalGraph

__all__ = ["LEVEL", "Record", "read_part", "write_part"]

LEVEL = 4  # of compression


@dataclass(frozen=True)
class Record:
    """One network as it goes into the files.

    Args:
        net: JSON text of its entry in the meta file.
        primitives: index into :data:`tart_nas.graphs.PRIMITIVES` of each node (n,).
        pointwise: whether the node is a convolution of 1x1 or a linear layer (n,).
        cells: cell index of each node (n,).
        names: op name of each node.
        adj: zlib stream of ``adj``, n x n bytes.
        checksum: see :func:`tart_nas.deepnets1m.layout.checksum`.
    """

    net: str
    primitives: NDArray[np.uint8]
    pointwise: NDArray[np.bool_]
    cells: NDArray[np.uint8]
    names: tuple[str, ...]
    adj: bytes
    checksum: int

    @classmethod
    def of(cls, architecture: Architecture, num_params: dict[str, int]) -> "Record":
        """The record of an architecture; ``num_params`` is what the meta file is to say."""
        graph = ComputationalGraph.from_architecture(architecture)
        # As in the released files: one byte each, and 0 for what is longer.
        adj = np.where(graph.distances > MAX_DISTANCE, 0, graph.distances).astype(np.uint8)
        settings = architecture.to_dict()
        net = {**settings, "num_nodes": graph.num_nodes, "num_params": num_params}
        return cls(
            json.dumps(net),
            graph.primitives.astype(np.uint8),
            (graph.kernel_sizes == 1).all(axis=1),
            graph.cells.astype(np.uint8),
            graph.names,
            zlib.compress(adj.tobytes(), LEVEL),
            checksum(architecture, adj, graph.primitives, graph.cells, graph.names),
        )


def write_part(path: Path, records: list[Record]) -> None:
    """Writes a part."""
    names = sorted({name for record in records for name in record.names})
    ids = {name: i for i, name in enumerate(names)}
    text = json.dumps({"names": names, "nets": [record.net for record in records]})
    arrays: dict[str, NDArray[Any]] = {
        "text": np.frombuffer(text.encode(), dtype=np.uint8),
        "sizes": np.array([len(record.names) for record in records]),
        "primitives": np.concatenate([record.primitives for record in records]),
        "pointwise": np.concatenate([record.pointwise for record in records]),
        "cells": np.concatenate([record.cells for record in records]),
        "names": np.array([ids[name] for record in records for name in record.names], dtype=np.uint16),
        "adj_sizes": np.array([len(record.adj) for record in records]),
        "adj": np.frombuffer(b"".join(record.adj for record in records), dtype=np.uint8),
        "checksums": np.array([record.checksum for record in records], dtype=np.uint32),
    }
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def read_part(path: Path) -> list[Record]:
    """Reads what :func:`write_part` wrote.

    Raises:
        DeepNetsError: if the file is damaged, or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as part:
            return list(_records(dict(part)))
    except (
        *(OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError, MemoryError),
        *(zipfile.BadZipFile, zlib.error),
    ) as error:
        why = reason(error)
        raise DeepNetsError(f"{path} is damaged ({why}): without it, the same command makes it again.") from None


def _records(arrays: dict[str, NDArray[Any]]) -> Iterator[Record]:
    text = json.loads(arrays["text"].tobytes())
    nodes = np.split(np.arange(len(arrays["names"])), np.cumsum(arrays["sizes"])[:-1])
    streams = np.split(arrays["adj"], np.cumsum(arrays["adj_sizes"])[:-1])
    for i, (net, of_net, stream) in enumerate(zip(text["nets"], nodes, streams, strict=True)):
        yield Record(
            net,
            arrays["primitives"][of_net],
            arrays["pointwise"][of_net],
            arrays["cells"][of_net],
            tuple(text["names"][name] for name in arrays["names"][of_net].tolist()),
            stream.tobytes(),
            int(arrays["checksums"][i]),
        )
