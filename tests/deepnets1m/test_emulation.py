import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m.emulation import generator_graph, stored_rows
from tart_nas.graphs import PRIMITIVES, ComputationalGraph
from tests.graphs.digest import generated_digest
from tests.graphs.isomorphism import isomorphism, labels_of


def test_every_stored_graph_to_the_last_byte(nets):
    permuted = 0
    for split, index, net in nets:
        graph = generator_graph(Architecture.from_dict(net))
        assert graph.num_nodes == net["num_nodes"]
        assert generated_digest(graph) == net["sha256"], (split, index)
        labels = labels_of(graph)
        permuted += [labels[node] for node in stored_rows(graph)] != labels
    assert permuted == 296  # read row by row, the labels of these nets do not belong to their nodes


def test_what_the_generator_does_to_the_graph(nets):
    """Only this: some attention and excitation nodes are gone, and nodes without parameters may have another cell."""
    kinds = [PRIMITIVES.index("msa"), PRIMITIVES.index("cse")]
    fewer = 0
    for split, index, net in nets:
        architecture = Architecture.from_dict(net)
        graph, generated = ComputationalGraph.from_architecture(architecture), generator_graph(architecture)
        lost = {kind: (graph.primitives == kind).sum() - (generated.primitives == kind).sum() for kind in kinds}
        assert min(lost.values()) >= 0
        fewer += any(lost.values())
        first, second = _without(graph, kinds), _without(generated, kinds)
        mapping = isomorphism(_labels(first), first.edges, _labels(second), second.edges)
        assert mapping is not None, (split, index)
        assert np.array_equal(first.distances, second.distances[np.ix_(mapping, mapping)])
    assert fewer == 139


def _labels(graph):
    return [(p, cell if "." in name else None, name) for p, cell, name in labels_of(graph)]


def _without(graph, kinds):
    """The graph with nodes of these kinds removed and the nodes before and after them joined."""
    network = graph.to_networkx()
    for node in np.flatnonzero(np.isin(graph.primitives, kinds)).tolist():
        before, after = list(network.predecessors(node)), list(network.successors(node))
        network.remove_node(node)
        network.add_edges_from((u, v) for u in before for v in after)
    kept = sorted(network)
    place = {node: i for i, node in enumerate(kept)}
    edges = np.array([(place[u], place[v]) for u, v in network.edges])
    names = [graph.names[node] for node in kept]
    return ComputationalGraph.from_labels(graph.primitives[kept], graph.cells[kept], names, edges)
