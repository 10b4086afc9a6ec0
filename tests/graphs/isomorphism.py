"""Whether two graphs are the same up to the order of their nodes."""

from collections import Counter

import numpy as np


def isomorphism(labels, edges, other_labels, other_edges):
    """A label-preserving isomorphism as an array (node of the other for each node), or None if there is none.

    Colour refinement in both graphs at once; where nodes remain alike, one pair is tried after the other.
    """
    if len(labels) != len(other_labels) or len(edges) != len(other_edges):
        return None
    graphs = [_neighbours(len(labels), edges), _neighbours(len(labels), other_edges)]
    wanted = {tuple(edge) for edge in np.asarray(other_edges).tolist()}
    return _matched([list(map(hash, labels)), list(map(hash, other_labels))], graphs, np.asarray(edges), wanted)


def _neighbours(n, edges):
    before: list[list[int]] = [[] for _ in range(n)]
    after: list[list[int]] = [[] for _ in range(n)]
    for source, target in np.asarray(edges).tolist():
        before[target].append(source)
        after[source].append(target)
    return list(zip(before, after, strict=True))


def _matched(colours, graphs, edges, wanted):
    n_classes = 0
    while len(set(colours[0])) > n_classes:
        n_classes = len(set(colours[0]))
        colours = [
            [
                hash((c[v], tuple(sorted(c[u] for u in before)), tuple(sorted(c[u] for u in after))))
                for v, (before, after) in enumerate(graph)
            ]
            for c, graph in zip(colours, graphs, strict=True)
        ]
        if Counter(colours[0]) != Counter(colours[1]):
            return None
    repeated = [colour for colour, count in Counter(colours[0]).items() if count > 1]
    if repeated:
        first = colours[0].index(repeated[0])
        for candidate in (v for v, colour in enumerate(colours[1]) if colour == repeated[0]):
            tried = [list(c) for c in colours]
            tried[0][first] = tried[1][candidate] = hash((repeated[0], "chosen"))
            if (mapping := _matched(tried, graphs, edges, wanted)) is not None:
                return mapping
        return None
    place = {colour: v for v, colour in enumerate(colours[1])}
    mapping = np.array([place[colour] for colour in colours[0]])
    return mapping if {tuple(edge) for edge in mapping[edges].tolist()} == wanted else None


def labels_of(graph, sizes=False):
    """(primitive, cell, name) of each node, with everything else that is known of it if ``sizes``."""
    labels = zip(graph.primitives.tolist(), graph.cells.tolist(), graph.names, strict=True)
    if not sizes:
        return list(labels)
    columns = [graph.kernel_sizes, graph.channels[:, None], graph.resolutions, graph.parameter_shapes]
    rows = np.concatenate(columns, axis=1).tolist()
    return [(*label, *row, own) for label, row, own in zip(labels, rows, graph.parameters, strict=True)]


def same(graph, other, sizes=False):
    """Whether two graphs are isomorphic, with equal labels and distances."""
    mapping = isomorphism(labels_of(graph, sizes), graph.edges, labels_of(other, sizes), other.edges)
    return mapping is not None and np.array_equal(graph.distances, other.distances[np.ix_(mapping, mapping)])
