"""Graphs as JSON values, and files of them: JSON lines, a graph a line, so that labelled graphs are a data set."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart_nas.errors import GraphError, reason
from tart_nas.files import replacing
from tart_nas.graphs.blocks import COLUMNS
from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.primitives import PRIMITIVE_IDS, PRIMITIVES

__all__ = ["graph_from_dict", "graph_to_dict", "load_graphs", "load_labelled_graphs", "save_graphs"]

_FORMAT = "tart-nas graph/1"


def graph_to_dict(graph: ComputationalGraph) -> dict[str, Any]:
    """A graph as JSON values: everything in it, so that :func:`graph_from_dict` gives an equal one.

    ``sizes`` are the nodes' numbers behind the primitive, see :data:`tart_nas.graphs.blocks.COLUMNS`. A graph that was
    made from labels alone has no ``parameters`` and no ``macs``.
    """
    known = bool(graph.channels.any())
    return {
        "format": _FORMAT,
        "primitives": [PRIMITIVES[primitive] for primitive in graph.primitives.tolist()],
        "sizes": graph.nodes[:, 1:].tolist(),
        "cells": graph.cells.tolist(),
        "names": list(graph.names),
        "edges": graph.edges.tolist(),
        "parameters": [[[name, list(shape)] for name, shape in own] for own in graph.parameters] if known else None,
        "macs": graph.node_macs.tolist() if known else None,
    }


def graph_from_dict(data: Mapping[str, Any]) -> ComputationalGraph:
    """Reads :func:`graph_to_dict`'s result.

    Raises:
        GraphError: if it is none.
    """
    try:
        if data["format"] != _FORMAT:
            raise GraphError(f"A graph must have the format {_FORMAT!r}, but has {data['format']!r}.")
        primitives, names = list(data["primitives"]), list(data["names"])
        if unknown := [name for name in primitives if name not in PRIMITIVE_IDS]:
            raise GraphError(f"A primitive must be one of {', '.join(PRIMITIVES)}, but got {unknown[0]!r}.")
        if not all(isinstance(name, str) for name in names):
            raise ValueError("names")
        n = len(names)
        sizes = _whole(data["sizes"], (n, COLUMNS - 1))
        ids = np.array([[PRIMITIVE_IDS[name]] for name in primitives], dtype=np.int32).reshape(n, 1)
        parameters = macs = None
        if data["parameters"] is not None:
            parameters = [
                tuple((_text(name), tuple(map(_size, shape))) for name, shape in own) for own in data["parameters"]
            ]
            macs = _whole(data["macs"], (n,), np.int64)
            if len(parameters) != n:
                raise ValueError("parameters")
        return ComputationalGraph(
            np.concatenate([ids, sizes], axis=1),
            _whole(data["cells"], (n,)),
            names,
            _whole(data["edges"], (len(data["edges"]), 2)),
            parameters=parameters,
            node_macs=macs,
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        if isinstance(error, GraphError):
            raise
        raise GraphError(f"These are no values of a graph: {reason(error)}.") from None


def save_graphs(
    path: str | os.PathLike[str],
    graphs: Iterable[ComputationalGraph],
    labels: Iterable[Mapping[str, Any]] | None = None,
) -> None:
    """Writes a file of graphs, whole or not at all.

    Args:
        path: of the file, such as ``graphs.jsonl``; if it ends with ``.gz``, a tenth as large.
        graphs: any number of them, from anywhere.
        labels: for each graph what is known of its network, by name: JSON values, which stand in its line.

    Raises:
        GraphError: if it cannot be written, or there are more graphs than labels, or fewer.
    """
    labelled = ((graph, None) for graph in graphs) if labels is None else zip(graphs, labels, strict=True)
    try:
        with replacing(Path(path)) as temporary, temporary.open("wb") as file:
            for graph, label in labelled:
                values = graph_to_dict(graph) | ({} if label is None else {"labels": dict(label)})
                line = (json.dumps(values, separators=(",", ":"), allow_nan=False) + "\n").encode()
                # Without a time, so that equal graphs make equal files.
                file.write(gzip.compress(line, mtime=0) if _is_compressed(path) else line)
    except OSError as error:
        raise GraphError(f"Cannot write the graphs to {path}: {reason(error)}.") from None
    except (TypeError, ValueError) as error:
        raise GraphError(f"The labels must be JSON values, as many as graphs: {error}.") from None


def load_graphs(path: str | os.PathLike[str]) -> list[ComputationalGraph]:
    """Reads a file that :func:`save_graphs` wrote.

    Raises:
        GraphError: if it cannot be read, or a line is no graph; it names the line.
    """
    return [graph for graph, _ in load_labelled_graphs(path)]


def load_labelled_graphs(path: str | os.PathLike[str]) -> list[tuple[ComputationalGraph, dict[str, Any]]]:
    """Reads a file that :func:`save_graphs` wrote, with the labels of each graph; {} of one that has none.

    Raises:
        GraphError: as :func:`load_graphs`.
    """
    try:
        content = Path(path).read_bytes()
        lines = (gzip.decompress(content) if _is_compressed(path) else content).decode().splitlines()
    except (OSError, UnicodeError, EOFError, zlib.error) as error:
        raise GraphError(f"Cannot read the graphs in {path}: {reason(error)}.") from None
    graphs = []
    for number, line in enumerate(lines, start=1):
        try:
            values = json.loads(line)
            graph = graph_from_dict(values)
            if not isinstance(labels := values.get("labels", {}), dict):
                raise GraphError("Labels must be an object.")
        except (GraphError, json.JSONDecodeError, RecursionError) as error:
            raise GraphError(f"Line {number} of {path} is no graph: {reason(error)}.") from None
        graphs.append((graph, labels))
    return graphs


def _is_compressed(path: str | os.PathLike[str]) -> bool:
    return os.fspath(path).endswith(".gz")


def _whole(values: Any, shape: tuple[int, ...], dtype: type[np.integer[Any]] = np.int32) -> NDArray[Any]:
    """An array of whole numbers of at least 0 of this shape, from nested lists."""
    array = np.array(values, dtype=object).reshape(shape) if 0 in shape else np.array(values)
    if 0 not in shape and (array.dtype.kind != "i" or array.min() < 0 or array.max() > np.iinfo(dtype).max):
        raise ValueError("numbers")
    if array.shape != shape:
        raise ValueError("shape")
    return array.astype(dtype)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("text")
    return value


def _size(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("size")
    return value
