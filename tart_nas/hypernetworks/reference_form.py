"""A network's graph in the form that published graph hypernetworks were trained on.

Our graphs have nodes that theirs lack: learned scales of channels, class tokens, tables of relative positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tart_nas.graphs import PRIMITIVE_IDS, ComputationalGraph
from tart_nas.hypernetworks.shape_encoding import is_position_table

__all__ = ["NodeLabels", "ReferenceGraph", "reference_form"]

_LAYER_PARAMETERS = ("weight", "bias", "in_proj_weight", "in_proj_bias")
_JOINS = (PRIMITIVE_IDS["sum"], PRIMITIVE_IDS["concat"])
_POOLINGS = (PRIMITIVE_IDS["max_pool"], PRIMITIVE_IDS["avg_pool"])
_OF_A_PARAMETER = (PRIMITIVE_IDS["sep_conv"], PRIMITIVE_IDS["pos_enc"])  # a learned scale, a parameter used as data
_GLOBAL_POOLING = PRIMITIVE_IDS["glob_avg"]


@dataclass(frozen=True)
class NodeLabels:
    """What is known of a node.

    Args:
        primitive: index into :data:`tart_nas.graphs.PRIMITIVES`.
        parameters: full names of those of its parameters that are a layer's, or positions.
        shape: by which it is encoded: of its first parameter, of a pooling (1, 1, height, width), else None.
    """

    primitive: int
    parameters: tuple[str, ...] = ()
    shape: tuple[int, ...] | None = None


@dataclass(frozen=True)
class ReferenceGraph:
    """Nodes in topological order, and the lengths of the shortest paths between them, 0 where there is none (n, n)."""

    nodes: tuple[NodeLabels, ...]
    distances: NDArray[np.uint16]


def reference_form(graph: ComputationalGraph, *, pools_before_classifier: bool) -> ReferenceGraph:
    """Leaves out the nodes that published hypernetworks do not know.

    Args:
        graph: of the network.
        pools_before_classifier: whether global average pooling behind the last convolution, as in SqueezeNet, stands
            before it, as in GHN-3.

    Raises:
        GraphError: if the graph was read from a file of labels, which tells no parameters.
    """
    kernels = graph.kernel_sizes.tolist()
    nodes, unknown = [], set()
    for node, (primitive, parameters) in enumerate(zip(graph.primitives.tolist(), graph.parameters, strict=True)):
        known = tuple(name for name, shape in parameters if _is_of_a_layer(name) or is_position_table(shape))
        shape = parameters[0][1] if parameters else _pooling_shape(primitive, kernels[node])
        nodes.append(NodeLabels(primitive, known, shape))
        if parameters and not known and primitive in _OF_A_PARAMETER:
            unknown.add(node)
    order = list(range(len(nodes)))
    if pools_before_classifier and nodes[-1].primitive == _GLOBAL_POOLING:
        order = _pooling_first(nodes)
    if not unknown and order == sorted(order):
        return ReferenceGraph(tuple(nodes), graph.distances)
    edges = [(source, target) for source, target in graph.edges.tolist()]
    return _rebuilt(nodes, edges, unknown, order)


def _pooling_shape(primitive: int, kernel: Sequence[int]) -> tuple[int, ...] | None:
    if primitive not in _POOLINGS:
        return None
    return 1, 1, kernel[0], kernel[1]


def _is_of_a_layer(name: str) -> bool:
    return name.rpartition(".")[2] in _LAYER_PARAMETERS


def _pooling_first(nodes: Sequence[NodeLabels]) -> list[int]:
    """The nodes' order with the last one, a pooling, before the convolution and bias that end right before it."""
    n, names = len(nodes), [labels.parameters[0] if labels.parameters else "" for labels in nodes]
    weight = n - 3 if names[-2].endswith(".bias") else n - 2
    if weight > 0 and names[weight].endswith(".weight") and len(nodes[weight].shape or ()) > 1:
        return [*range(weight), n - 1, *range(weight, n - 1)]
    return list(range(n))


def _rebuilt(
    nodes: Sequence[NodeLabels], edges: Sequence[tuple[int, int]], unknown: set[int], order: Sequence[int]
) -> ReferenceGraph:
    """The graph without the unknown nodes, in another order."""
    before: list[set[int]] = [set() for _ in nodes]
    for source, target in edges:
        before[target].add(source)
    if order[-1] != len(nodes) - 1:  # the last nodes are a chain: it is linked anew, from where the first one hung
        chain = order[order.index(len(nodes) - 1) :]
        before[chain[0]] = before[min(chain)]
        for source, target in pairwise(chain):
            before[target] = {source}
    removed = set(unknown)
    for node in order:
        before[node] = _without(before, before[node], removed)
        if nodes[node].primitive in _JOINS and len(before[node]) == 1:  # what it joined is gone
            removed.add(node)
    kept = [node for node in order if node not in removed]
    place = {node: index for index, node in enumerate(kept)}
    links = sorted((place[source], place[node]) for node in kept for source in before[node])
    graph = ComputationalGraph.from_labels(
        np.array([nodes[node].primitive for node in kept]),
        np.zeros(len(kept), dtype=np.int32),
        [str(node) for node in kept],
        np.array(links, dtype=np.int32).reshape(-1, 2),
    )
    return ReferenceGraph(tuple(nodes[node] for node in kept), graph.distances)


def _without(before: Sequence[set[int]], sources: set[int], removed: set[int]) -> set[int]:
    """The sources of a node, with those of removed ones in their place; theirs are without removed ones already."""
    result: set[int] = set()
    for source in sources:
        result |= before[source] if source in removed else {source}
    return result
