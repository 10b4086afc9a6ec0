import networkx as nx
import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.graphs import ComputationalGraph
from tart_nas.graphs.distances import shortest_paths


def test_equal_networkx(nets):
    for _, _, net in nets[::25]:
        graph = ComputationalGraph.from_architecture(Architecture.from_dict(net))
        expected = np.zeros((graph.num_nodes, graph.num_nodes), dtype=int)
        for source, lengths in nx.all_pairs_shortest_path_length(graph.to_networkx()):
            for target, length in lengths.items():
                expected[source, target] = length
        assert np.array_equal(graph.distances, expected)


def test_short_and_long_way():
    edges = np.array([[0, 1], [1, 2], [2, 3], [0, 3], [0, 4], [1, 4], [3, 4]], dtype=np.int32)
    assert shortest_paths(edges, 6)[0].tolist() == [0, 1, 2, 1, 1, 0]
    assert shortest_paths(edges, 6)[5].tolist() == [0] * 6


def test_path_longer_than_a_byte():
    edges = np.stack([np.arange(999), np.arange(1, 1000)], axis=1).astype(np.int32)
    assert shortest_paths(edges, 1000)[0, -1] == 999


def test_no_edges():
    assert shortest_paths(np.empty((0, 2), dtype=np.int32), 2).tolist() == [[0, 0], [0, 0]]
