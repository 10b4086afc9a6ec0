import networkx as nx
import numpy as np
import pytest
import scipy.linalg
import torchvision

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.graphs import ComputationalGraph
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.tokens import identifiers
from tart_nas.tokens.graph import MAX_GRAPH_NODES, GraphTokens
from tart_nas.tokens.identifiers import laplacian_eigenvectors, orthogonal_features


def renumbered(graph, rng):
    """The same graph with its nodes in another topological order, and where each of its nodes was before."""
    keys = rng.random(graph.num_nodes)
    order = np.array(list(nx.lexicographical_topological_sort(graph.to_networkx(), key=lambda node: keys[node])))
    place = np.argsort(order)
    names = [graph.names[node] for node in order]
    return ComputationalGraph(graph.nodes[order], graph.cells[order], names, place[graph.edges].astype(np.int32)), order


def chain(n):
    nodes = np.zeros((n, 10), dtype=np.int32)
    nodes[:, 0] = 4
    edges = np.column_stack([np.arange(n - 1), np.arange(1, n)]).astype(np.int32)
    return ComputationalGraph(nodes, np.zeros(n, dtype=np.int32), ["conv"] * n, edges)


@pytest.fixture(scope="module")
def graphs(generator_nets):
    """Graphs of every split of DeepNets-1M at hand, of a traced network and of 1 node."""
    chosen = [Architecture.from_dict(net) for nets in generator_nets.values() for net in nets[:6]]
    found = [ComputationalGraph.from_architecture(architecture) for architecture in chosen]
    resnet = ComputationalGraph.from_module(torchvision.models.resnet18(weights=None), 64)
    return [*found, resnet, chain(1), chain(2)]


def test_tokens_become_the_graphs_they_came_from(graphs):
    tokens = GraphTokens.encode(graphs)
    assert len(tokens) == len(graphs)
    for graph, again in zip(graphs, tokens.graphs(), strict=True):
        assert np.array_equal(again.nodes, graph.nodes)
        assert np.array_equal(again.cells, graph.cells)
        assert np.array_equal(again.edges, graph.edges)


def test_some_of_a_batch_are_those_graphs(graphs):
    rows = np.array([5, 0, 5, 17])
    taken, expected = GraphTokens.encode(graphs).take(rows), GraphTokens.encode([graphs[row] for row in rows])
    for name in ("nodes", "cells", "positions", "edges", "sizes"):
        assert np.array_equal(getattr(taken, name), getattr(expected, name)), name


def test_the_canonical_order_does_not_depend_on_the_numbers_of_nodes(graphs):
    def canonical(graph):
        position = GraphTokens.encode([graph]).positions
        assert sorted(position) == list(range(graph.num_nodes))
        order = np.argsort(position)
        edges = position[graph.edges]
        return graph.nodes[order], graph.cells[order], edges[np.lexsort(edges.T)]

    rng = np.random.default_rng(0)
    moved = 0
    for graph in graphs:
        other, order = renumbered(graph, rng)
        moved += not np.array_equal(order, np.arange(graph.num_nodes))
        for first, second in zip(canonical(graph), canonical(other), strict=True):
            assert np.array_equal(first, second)
    assert moved > len(graphs) / 2


def test_an_empty_batch_and_a_graph_that_is_too_large():
    tokens = GraphTokens.encode([])
    assert len(tokens) == 0
    assert tokens.graphs() == []
    with pytest.raises(PredictorError, match=f"at most {MAX_GRAPH_NODES} nodes a graph, but graph 1 has 8193"):
        GraphTokens.encode([chain(2), chain(MAX_GRAPH_NODES + 1)])


@pytest.mark.parametrize("rng", [None, np.random.default_rng(1)])
def test_orthogonal_features_are_orthonormal(graphs, rng):
    small = [graph for graph in graphs if graph.num_nodes <= 96]
    assert len(small) > 5
    tokens = GraphTokens.encode(small)
    features = orthogonal_features(tokens.sizes[:, 0], tokens.positions, 96, rng)
    for rows in np.split(features, np.cumsum(tokens.sizes[:, 0])[:-1]):
        np.testing.assert_allclose(rows @ rows.T, np.eye(len(rows)), atol=1e-5)


def test_orthogonal_features_of_large_graphs(graphs):
    tokens = GraphTokens.encode(graphs)
    features = orthogonal_features(tokens.sizes[:, 0], tokens.positions, 16, np.random.default_rng(2))
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), 1, rtol=1e-5)
    for rows in np.split(features, np.cumsum(tokens.sizes[:, 0])[:-1]):
        products = (rows @ rows.T)[~np.eye(len(rows), dtype=bool)]
        assert len(rows) < 3 or abs(products.mean()) < 0.1
        assert len(rows) < 3 or products.std() < 0.4


def test_random_features_are_drawn_anew_and_fixed_ones_are_not(graphs):
    tokens, rng = GraphTokens.encode(graphs), np.random.default_rng(3)
    sizes = tokens.sizes[:, 0]
    draws = [orthogonal_features(sizes, tokens.positions, 32, rng) for _ in range(2)]
    assert not np.allclose(draws[0], draws[1])
    alone = GraphTokens.encode(graphs[4:5])
    start = int(sizes[:4].sum())
    expected = orthogonal_features(sizes, tokens.positions, 32)[start : start + int(sizes[4])]
    assert np.array_equal(orthogonal_features(alone.sizes[:, 0], alone.positions, 32), expected)


@pytest.mark.parametrize("dense", [2048, 60])  # nodes from which on the way of large graphs is taken
def test_laplacian_rows_are_eigenvectors(graphs, dense, monkeypatch):
    monkeypatch.setattr(identifiers, "_DENSE", dense)
    tokens = GraphTokens.encode(graphs)
    vectors = laplacian_eigenvectors(tokens.edges, tokens.sizes, tokens.positions, 12)
    for graph, rows in zip(graphs, np.split(vectors, np.cumsum(tokens.sizes[:, 0])[:-1]), strict=True):
        n = min(12, graph.num_nodes - 1)
        assert not rows[:, n:].any()
        laplacian = nx.normalized_laplacian_matrix(graph.to_networkx().to_undirected()).toarray()
        values = scipy.linalg.eigvalsh(laplacian)[1 : 1 + n]
        np.testing.assert_allclose(laplacian @ rows[:, :n], rows[:, :n] * values, atol=5e-5)
        np.testing.assert_allclose(rows[:, :n].T @ rows[:, :n], np.eye(n), atol=5e-5)


def test_laplacian_of_a_graph_of_5000_nodes():
    """The eigenvalues of a path's normalised Laplacian are 1 - cos(pi k / (n - 1)) (Chung, 1997)."""
    graph, n = chain(5000), 5000
    tokens = GraphTokens.encode([graph])
    vectors = laplacian_eigenvectors(tokens.edges, tokens.sizes, tokens.positions, 16).astype(np.float64)
    laplacian = nx.normalized_laplacian_matrix(graph.to_networkx().to_undirected())
    values = 1 - np.cos(np.pi * np.arange(1, 17) / (n - 1))
    np.testing.assert_allclose((vectors * (laplacian @ vectors)).sum(axis=0), values, rtol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(16), atol=1e-4)
    again = laplacian_eigenvectors(tokens.edges, tokens.sizes, tokens.positions, 16)
    assert np.array_equal(again, vectors.astype(np.float32))


def test_laplacian_signs_are_random_in_training_only():
    graphs = [ComputationalGraph.from_architecture(a) for a in DeepNets1MSpace("val").sample(6, seed=1)]
    tokens = GraphTokens.encode(graphs)
    arguments = tokens.edges, tokens.sizes, tokens.positions, 8
    fixed = laplacian_eigenvectors(*arguments)
    assert np.array_equal(laplacian_eigenvectors(*arguments), fixed)
    drawn = laplacian_eigenvectors(*arguments, np.random.default_rng(0))
    assert np.array_equal(np.abs(drawn), np.abs(fixed))
    ratios = {float(np.sign(d[0] / f[0])) for d, f in zip(drawn.T, fixed.T, strict=True)}
    assert ratios == {-1.0, 1.0}
