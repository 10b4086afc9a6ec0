import json

import numpy as np
import pytest
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.errors import GraphError
from tart_nas.graphs import (
    ComputationalGraph,
    graph_from_dict,
    graph_to_dict,
    load_graphs,
    load_labelled_graphs,
    save_graphs,
)
from tart_nas.published import DARTS, VIT


@pytest.fixture(scope="module")
def graphs():
    traced = ComputationalGraph.from_module(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten()), 8)
    built = ComputationalGraph.from_architecture(Architecture(DARTS.genotype, n_cells=5, C=16))
    labels = ComputationalGraph.from_labels(built.primitives, built.cells, built.names, built.edges)
    return [traced, built, ComputationalGraph.from_architecture(VIT), labels]


def test_a_file_of_graphs(graphs, tmp_path):
    path = tmp_path / "new" / "graphs.jsonl"
    save_graphs(path, graphs)
    loaded = load_graphs(path)
    assert loaded == graphs
    assert [hash(graph) for graph in loaded] == [hash(graph) for graph in graphs]
    assert [graph.macs for graph in loaded] == [graph.macs for graph in graphs]
    assert loaded[0].parameters == graphs[0].parameters
    assert np.array_equal(loaded[1].distances, graphs[1].distances)
    assert [path.name for path in path.parent.iterdir()] == [path.name]
    save_graphs(path, iter(()))
    assert load_graphs(path) == []


@pytest.mark.parametrize("name", ["graphs.jsonl", "graphs.jsonl.gz"])
def test_labels(graphs, tmp_path, name):
    labels = [{"network": f"n{i}", "times": [1.5 * i, None]} for i in range(len(graphs))]
    save_graphs(tmp_path / name, graphs, labels)
    assert load_labelled_graphs(tmp_path / name) == list(zip(graphs, labels, strict=True))
    assert load_graphs(tmp_path / name) == graphs
    before = (tmp_path / name).read_bytes()
    for wrong in (labels[:-1], [*labels, {}], [{"time": float("nan")}] * len(graphs), [{"time": object()}] * 4):
        with pytest.raises(GraphError, match="labels must be JSON values, as many as graphs"):
            save_graphs(tmp_path / name, graphs, wrong)
    save_graphs(tmp_path / "again" / name, graphs, labels)
    assert (tmp_path / name).read_bytes() == before == (tmp_path / "again" / name).read_bytes()
    save_graphs(tmp_path / name, graphs)
    assert [label for _, label in load_labelled_graphs(tmp_path / name)] == [{}] * len(graphs)


def test_damaged_files(graphs, tmp_path):
    path = tmp_path / "graphs.jsonl.gz"
    save_graphs(path, graphs)
    content = path.read_bytes()
    for damaged in (content[:-9], b"not compressed", content[:20] + bytes(40) + content[60:]):
        path.write_bytes(damaged)
        with pytest.raises(GraphError, match="Cannot read the graphs"):
            load_graphs(path)
    path = tmp_path / "graphs.jsonl"
    path.write_text(json.dumps(graph_to_dict(graphs[0]) | {"labels": [1]}))
    with pytest.raises(GraphError, match=r"Line 1 of .* Labels must be an object"):
        load_graphs(path)


def test_equality_sees_everything(graphs):
    for graph in graphs:
        assert graph_from_dict(graph_to_dict(graph)) == graph
        assert graph != graphs[graphs.index(graph) - 1]
    assert graphs[0] != "a graph"
    values = graph_to_dict(graphs[0])
    for name, other in {
        "names": ["x", *values["names"][1:]],
        "edges": values["edges"][1:],
        "macs": [7, *values["macs"][1:]],
        "cells": [1, *values["cells"][1:]],
        "sizes": [[3, *values["sizes"][0][1:]], *values["sizes"][1:]],
        "primitives": ["sum", *values["primitives"][1:]],
        "parameters": [[["x", [2]]], *values["parameters"][1:]],
    }.items():
        assert graph_from_dict(values | {name: other}) != graphs[0], name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format", "tart-nas graph/9"),
        ("primitives", ["conv", "what"]),
        ("primitives", "conv"),
        ("sizes", [[1, 2]]),
        ("sizes", [[1.5] * 9] * 4),
        ("cells", [-1, 0, 0, 0]),
        ("cells", [2**40, 0, 0, 0]),
        ("names", [1, 2, 3, 4]),
        ("names", None),
        ("edges", [[0, 1], [2]]),
        ("edges", [[3, 1]]),
        ("parameters", [[["x"]]]),
        ("parameters", [[["x", [2.5]]], [], [], []]),
        ("parameters", [[["x", [-2]]], [], [], []]),
        ("parameters", [[["x", ["2"]]], [], [], []]),
        ("parameters", [[[1, [2]]]] * 4),
        ("macs", None),
    ],
)
def test_what_is_no_graph(graphs, tmp_path, name, value):
    path = tmp_path / "graphs.jsonl"
    values = graph_to_dict(graphs[0])
    path.write_text(json.dumps(values) + "\n" + json.dumps(values | {name: value}) + "\n")
    with pytest.raises(GraphError, match=r"Line 2 of .*graphs\.jsonl is no graph: "):
        load_graphs(path)


def test_files_that_are_none(graphs, tmp_path):
    with pytest.raises(GraphError, match="Cannot read the graphs in .*: No such file"):
        load_graphs(tmp_path / "none.jsonl")
    (tmp_path / "bytes").write_bytes(b"\xff\x00")
    with pytest.raises(GraphError, match="not UTF-8"):
        load_graphs(tmp_path / "bytes")
    (tmp_path / "list").write_text("[1]\n")
    with pytest.raises(GraphError, match="Line 1 of"):
        load_graphs(tmp_path / "list")
    with pytest.raises(GraphError, match="Cannot write the graphs to"):
        save_graphs(tmp_path / "list" / "graphs.jsonl", graphs)
