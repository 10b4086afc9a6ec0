import pickle

import networkx as nx
import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.drawing import draw_graph
from tart_nas.errors import GraphError, SettingError
from tart_nas.graphs import PRIMITIVES, ComputationalGraph
from tart_nas.published import DARTS, VIT
from tests.graphs.isomorphism import labels_of, same


@pytest.fixture(scope="module")
def graph():
    return ComputationalGraph.from_architecture(Architecture(DARTS.genotype, n_cells=5, C=16))


def _labelled(edges, n=3, primitives=(9, 4, 10)):
    cells = np.zeros(n, dtype=int)
    return ComputationalGraph.from_labels(np.array(primitives), cells, ["a", "b", "c"], np.array(edges))


def test_networkx_and_adjacency_hold_the_real_edges(graph):
    network = graph.to_networkx()
    assert nx.is_directed_acyclic_graph(network)
    assert np.array_equal(nx.to_numpy_array(network, nodelist=range(graph.num_nodes)), graph.adjacency)
    assert np.array_equal(graph.adjacency, graph.distances == 1)
    assert network.number_of_edges() == graph.num_edges
    assert network.nodes[0] == {"primitive": "input", "cell": 0, "name": "input"}
    last = network.nodes[graph.num_nodes - 1]
    assert last == {"primitive": "bias", "cell": 4, "name": "classifier.0.bias"}


def test_edges_are_sorted_and_forward(graph):
    assert (graph.edges[:, 0] < graph.edges[:, 1]).all()
    assert graph.edges.tolist() == sorted(graph.edges.tolist())


def test_from_labels_keeps_what_is_known(graph):
    known = ComputationalGraph.from_labels(
        graph.primitives, graph.cells, graph.names, graph.edges[::-1], graph.distances
    )
    assert labels_of(known) == labels_of(graph)
    assert np.array_equal(known.edges, graph.edges)
    assert known.distances is graph.distances
    assert not known.channels.any()


def test_pickle(graph):
    assert same(pickle.loads(pickle.dumps(graph)), graph, sizes=True)


def test_sameness_is_not_blind(graph):
    assert same(graph, graph, sizes=True)
    edges = graph.edges.copy()
    edges[-5, 0] -= 1
    moved = ComputationalGraph.from_labels(graph.primitives, graph.cells, graph.names, edges)
    assert not same(moved, graph)
    assert not same(ComputationalGraph.from_architecture(VIT), graph)


@pytest.mark.parametrize(
    ("edges", "message"),
    [
        ([[0, 1], [1, 1]], "a later one of 3, but got 1 -> 1"),
        ([[0, 1], [2, 1]], "but got 2 -> 1"),
        ([[0, 3]], "but got 0 -> 3"),
        ([[-1, 2]], "but got -1 -> 2"),
        ([[0, 1], [0, 2], [0, 1]], "The edge 0 -> 1 is there twice"),
    ],
)
def test_wrong_edges(edges, message):
    with pytest.raises(GraphError, match=message):
        _labelled(edges)


def test_unknown_primitive():
    with pytest.raises(GraphError, match=r"in \[0, 15\), but got 15"):
        _labelled([[0, 1], [1, 2]], primitives=(9, 15, 10))


def test_draw(graph, tmp_path):
    path = tmp_path / "new" / "graph.svg"
    draw_graph(graph, path)
    text = path.read_text()
    assert all(f"<!-- {PRIMITIVES[p]} " in text for p in np.unique(graph.primitives))
    with pytest.raises(SettingError, match=r"\.svg.*graph\.gif"):
        draw_graph(graph, tmp_path / "graph.gif")


def test_the_names_of_before_still_work(graph, tmp_path):
    with pytest.warns(DeprecationWarning, match="draw_graph"):
        assert graph.draw(tmp_path / "graph.svg").stat().st_size > 0
    with pytest.warns(DeprecationWarning, match="generator_graph"):
        ComputationalGraph.from_architecture(Architecture(DARTS.genotype, n_cells=5), as_generated=True)


def test_repr(graph):
    assert repr(graph) == f"ComputationalGraph({graph.num_nodes} nodes, {graph.num_edges} edges)"


def test_labels_tell_no_parameters(graph):
    known = ComputationalGraph.from_labels(graph.primitives, graph.cells, graph.names, graph.edges)
    with pytest.raises(GraphError, match="made from labels alone are not known"):
        _ = known.parameters
    with pytest.raises(GraphError, match="made from labels alone are not known"):
        _ = known.num_parameters
