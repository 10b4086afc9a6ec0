"""Features of computational graphs: numbers that say what a graph consists of and how it is put together.

Labels of nodes are 64-bit numbers, made by hashing, so that those of all graphs are made at once: the kind of a node is
its primitive and its kernel, and the labels of round r are those of Weisfeiler and Lehman: a kind with the labels of
round r - 1 of the nodes that it reads (as in NAS-BOWL: Ru et al., ICLR 2021). Normalisations and biases are read
through: each convolution has one, and they would fill the rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tart_nas.graphs import PRIMITIVE_IDS, ComputationalGraph
from tart_nas.predictors.checkpoint import Arrays

__all__ = ["GraphVocabulary", "LabelledNodes", "graph_numbers"]

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.uint64]

ROUNDS = 3
"""Rounds of labels, as many as NAS-BOWL's kernel looks at."""

_LEAST = 3  # graphs that a label must be in: what one or two have alone tells nothing of others
_MOST = 4096  # labels of a round that are counted, the most frequent ones: bounds the size of a file
_READ_THROUGH = [PRIMITIVE_IDS[name] for name in ("bn", "ln", "bias")]

COUNTED = ("kinds", "stages", *(f"round {r}" for r in range(1, ROUNDS + 1)))
"""The blocks that count labels: kinds, kinds at each resolution, and the labels of each round."""

MEASURED = ("work", "elements", "depths")
"""The blocks that measure the nodes of each kind: operations, numbers that they put out, mean depth from 0 to 1."""


@dataclass(frozen=True, eq=False)
class LabelledNodes:
    """The nodes of B graphs, n in all, with their labels.

    Attributes:
        graph: (n,) index of each node's graph.
        labels: (n,) by the name of each block of :data:`COUNTED`; 0 where a node is read through.
        measures: (n,) by the name of each block of :data:`MEASURED`.
        numbers: (B, 10) of each whole graph, see :func:`graph_numbers`.
    """

    graph: npt.NDArray[np.int64]
    labels: dict[str, Labels]
    measures: dict[str, Floats]
    numbers: Floats

    @classmethod
    def of(cls, graphs: Sequence[ComputationalGraph]) -> "LabelledNodes":
        """Labels the nodes of B graphs."""
        sizes = np.array([graph.num_nodes for graph in graphs], dtype=np.int64)
        starts = np.cumsum(sizes) - sizes
        nodes = np.concatenate([graph.nodes for graph in graphs]).astype(np.int64)
        edges = np.concatenate([graph.edges + start for graph, start in zip(graphs, starts.tolist(), strict=True)])
        graph = np.repeat(np.arange(len(graphs)), sizes)
        kinds = _mixed(nodes[:, 0] * 2**20 + np.minimum(nodes[:, 1], 1023) * 2**10 + np.minimum(nodes[:, 2], 1023))
        positions = nodes[:, 4] * nodes[:, 5]
        stage = np.rint(np.log2(np.maximum(positions[starts][graph], 1) / np.maximum(positions, 1)) / 2).astype(
            np.int64
        )
        labels = {"kinds": kinds, "stages": _mixed(kinds ^ _mixed(stage + 64))}
        source, target = _contracted(nodes[:, 0], edges.astype(np.int64))
        is_read_through = np.isin(nodes[:, 0], _READ_THROUGH)
        label = kinds
        for r in range(1, ROUNDS + 1):
            of_sources = np.zeros(len(nodes), dtype=np.uint64)
            np.add.at(of_sources, target, _mixed(label[source]))  # a sum is the same in any order
            label = _mixed(label ^ _mixed(of_sources + np.uint64(r)))
            labels[f"round {r}"] = np.where(is_read_through, np.uint64(0), label)
        numbers, depths = zip(*map(graph_numbers, graphs), strict=True)
        measures = {
            "work": np.concatenate([graph.node_macs for graph in graphs]).astype(np.float64),
            "elements": (positions * nodes[:, 3]).astype(np.float64),
            "depths": np.concatenate(depths),
        }
        return cls(graph, labels, measures, np.stack(numbers))

    def __len__(self) -> int:
        return len(self.numbers)

    def take(self, rows: npt.NDArray[np.integer]) -> "LabelledNodes":
        """Those of some graphs (k,), in the order of the rows."""
        ends = np.cumsum(np.bincount(self.graph, minlength=len(self)))
        starts = np.concatenate([[0], ends[:-1]])[rows]
        sizes = ends[rows] - starts
        graph = np.repeat(np.arange(len(rows)), sizes)
        nodes = np.arange(len(graph)) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
        labels = {name: values[nodes] for name, values in self.labels.items()}
        measures = {name: values[nodes] for name, values in self.measures.items()}
        return LabelledNodes(graph, labels, measures, self.numbers[rows])

    def joined(self, others: "LabelledNodes") -> "LabelledNodes":
        """These graphs, and others behind them."""
        labels = {name: np.concatenate([values, others.labels[name]]) for name, values in self.labels.items()}
        measures = {name: np.concatenate([values, others.measures[name]]) for name, values in self.measures.items()}
        graph = np.concatenate([self.graph, others.graph + len(self)])
        return LabelledNodes(graph, labels, measures, np.concatenate([self.numbers, others.numbers]))

    def arrays(self) -> Arrays:
        """All there is, by name."""
        labels = {f"labels of {name}": values for name, values in self.labels.items()}
        return labels | self.measures | {"graph": self.graph, "numbers": self.numbers}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "LabelledNodes":
        """Reads :meth:`arrays`.

        Raises:
            ValueError: if they are none.
        """
        graph, numbers = arrays.get("graph", np.zeros((0, 0))), arrays.get("numbers", np.zeros(0))
        kinds: dict[str, type] = {f"labels of {name}": np.uint64 for name in COUNTED}
        kinds |= dict.fromkeys(MEASURED, np.float64)
        n = len(graph)
        shapes: dict[str, tuple[int, ...]] = {"graph": (n,), "numbers": (len(numbers), 10)} | dict.fromkeys(kinds, (n,))
        if {name: array.shape for name, array in arrays.items()} != shapes or n == 0:
            raise ValueError("other arrays than those of labelled nodes")
        kinds |= {"graph": np.int64, "numbers": np.float64}
        if any(arrays[name].dtype != kind for name, kind in kinds.items()):
            raise ValueError("other values in the arrays than those of labelled nodes")
        # Each graph has a node, and its nodes stand together.
        if graph[0] != 0 or graph[-1] != len(numbers) - 1 or not np.isin(np.diff(graph), (0, 1)).all():
            raise ValueError("other values in the arrays than those of labelled nodes")
        if not all(np.isfinite(arrays[name]).all() and (arrays[name] >= 0).all() for name in (*MEASURED, "numbers")):
            raise ValueError("other values in the arrays than those of labelled nodes")
        labels = {name: arrays[f"labels of {name}"] for name in COUNTED}
        return cls(graph, labels, {name: arrays[name] for name in MEASURED}, numbers)


@dataclass(frozen=True, eq=False)
class GraphVocabulary:
    """The labels that are counted: those of a training set. What is unknown in another graph is not counted.

    Attributes:
        labels: sorted, by the name of each block of :data:`COUNTED`.
    """

    labels: dict[str, Labels]

    @classmethod
    def of(cls, nodes: LabelledNodes) -> "GraphVocabulary":
        """That of a training set."""
        return cls({name: _frequent(nodes.graph, nodes.labels[name]) for name in COUNTED})

    @property
    def blocks(self) -> dict[str, slice]:
        """The columns of each block of features."""
        kinds = len(self.labels["kinds"])
        sizes = {name: len(labels) for name, labels in self.labels.items()} | dict.fromkeys(MEASURED, kinds)
        sizes |= {"size": 4, "paths": 6}
        ends = np.cumsum([*sizes.values()]).tolist()
        return {name: slice(end - size, end) for (name, size), end in zip(sizes.items(), ends, strict=True)}

    def features(self, nodes: LabelledNodes) -> Floats:
        """(B, columns) of B graphs: logarithms of counts and measures, so that twice as many is one step."""
        parts = []
        for name, known in self.labels.items():
            parts.append(np.log2(1 + _totals(nodes, nodes.labels[name], known)))
        kinds = self.labels["kinds"]
        counts = _totals(nodes, nodes.labels["kinds"], kinds)
        for name in MEASURED:
            totals = _totals(nodes, nodes.labels["kinds"], kinds, nodes.measures[name])
            parts.append(totals / np.maximum(counts, 1) if name == "depths" else np.log2(1 + totals))
        return np.concatenate([*parts, nodes.numbers], axis=1)

    def arrays(self) -> Arrays:
        """All there is, by name."""
        return {f"labels of {name}": labels for name, labels in self.labels.items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "GraphVocabulary":
        """Reads :meth:`arrays`.

        Raises:
            ValueError: if they are none.
        """
        labels = {name: arrays.get(f"labels of {name}", np.zeros((0, 0))) for name in COUNTED}
        if any(values.dtype != np.uint64 or values.ndim != 1 for values in labels.values()):
            raise ValueError("other arrays than those of a vocabulary")
        if any((values[1:] <= values[:-1]).any() for values in labels.values()):
            raise ValueError("other values in the arrays than those of a vocabulary")
        return cls(labels)


def graph_numbers(graph: ComputationalGraph) -> tuple[Floats, Floats]:
    """Numbers of a whole graph, and the depth of each of its n nodes as a share of the deepest's.

    Returns:
        (10,): logarithms of the numbers of parameters, operations, nodes and edges; then logarithms of the longest
        and the shortest path to the output and of the number of paths, the mean number of edges into a node, the share
        of nodes with several, and the mean depth; and the depths (n,).
    """
    n = graph.num_nodes
    sources = np.bincount(graph.edges[:, 1], minlength=n)
    # n is longer than any path
    longest, shortest, paths = [0] * n, np.where(sources > 0, n, 0).tolist(), (sources == 0).astype(float).tolist()
    for source, target in graph.edges.tolist():  # sorted, so that what leads to a source comes before
        longest[target] = max(longest[target], longest[source] + 1)
        shortest[target] = min(shortest[target], shortest[source] + 1)
        paths[target] = min(paths[target] + paths[source], 1e300)
    depths = np.array(longest) / max(1, *longest)
    size = np.log2(np.array([graph.num_parameters, graph.macs, n, graph.num_edges], dtype=np.float64) + 1)
    of_paths = [np.log2(1 + longest[-1]), np.log2(1 + shortest[-1]), np.log2(1 + np.log2(1 + paths[-1]))]
    rest = [graph.num_edges / n, (sources > 1).mean(), depths.mean()]
    return np.concatenate([size, of_paths, rest]), depths


def _mixed(values: npt.NDArray[np.int64] | Labels) -> Labels:
    """Hashes of whole numbers, by the last steps of SplitMix64 (Steele et al., OOPSLA 2014)."""
    z = values.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(z ^ (z >> np.uint64(31)))


def _contracted(
    primitives: npt.NDArray[np.int64], edges: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Sources and targets of edges (m,), with the source of a node that is read through in its place."""
    stands_for = np.arange(len(primitives))
    through = np.isin(primitives[edges[:, 1]], _READ_THROUGH)
    stands_for[edges[through, 1]] = edges[through, 0]
    while (stands_for != (further := stands_for[stands_for])).any():
        stands_for = further
    return stands_for[edges[~through, 0]], edges[~through, 1]


def _frequent(graph: npt.NDArray[np.int64], labels: Labels) -> Labels:
    """The labels that are in several graphs, sorted."""
    pairs = np.unique(np.stack([labels, graph.astype(np.uint64)]), axis=1)
    names, counts = np.unique(pairs[0], return_counts=True)
    kept = (counts >= _LEAST) & (names > 0)
    names, counts = names[kept], counts[kept]
    return np.sort(names[np.argsort(-counts, kind="stable")[:_MOST]])


def _totals(nodes: LabelledNodes, labels: Labels, known: Labels, weights: Floats | None = None) -> Floats:
    """(B, known) how many nodes of each graph have a label, or the sum of their weights."""
    columns = np.searchsorted(known, labels).clip(max=max(0, len(known) - 1))
    hit = known[columns] == labels if len(known) else np.zeros(len(labels), dtype=np.bool_)
    places = nodes.graph[hit] * len(known) + columns[hit]
    totals = np.bincount(places, None if weights is None else weights[hit], minlength=len(nodes) * len(known))
    return totals.reshape(len(nodes), len(known)).astype(np.float64)
