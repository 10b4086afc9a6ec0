"""The canonical form of a genotype: equal for genotypes that describe the same network up to the order of its parts.

Three things do not change what a network can compute: the order of a node's two operations (they are added), the
numbers of the intermediate nodes (they permute the channels of the concatenation) and the input of a ``none``. The
canonical form is the smallest of all genotypes that differ from the given one in these only.
"""

from collections.abc import Iterator

from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS, NONE

__all__ = ["canonical_genotype"]

_INDEX = {op: i for i, op in enumerate(CELL_OPS)}

_NodeCode = tuple[tuple[tuple[int, int], ...], bool]  # (sorted (input, op index) pairs, whether concatenated)


def canonical_genotype(genotype: Genotype) -> Genotype:
    """Returns the canonical form, itself a valid genotype of the same network.

    Nodes are placed one after another, at each place the one with the smallest (inputs, operations, concatenated);
    where several are equal, each is tried, but for those that also feed the same nodes alike. Two networks have equal
    canonical forms exactly when their cells are isomorphic as labelled graphs.
    """
    normal, normal_concat = _canonical_cell(genotype.normal, genotype.normal_concat)
    reduce, reduce_concat = _canonical_cell(genotype.reduce, genotype.reduce_concat)
    return Genotype(normal, normal_concat, reduce, reduce_concat)


def _canonical_cell(
    pairs: tuple[tuple[str, int], ...], concat: tuple[int, ...]
) -> tuple[tuple[tuple[str, int], ...], tuple[int, ...]]:
    nodes = [
        ([(0 if op == NONE else source, _INDEX[op]) for op, source in pairs[i : i + 2]], i // 2 + 2 in concat)
        for i in range(0, len(pairs), 2)
    ]
    best = min(_orderings(nodes))
    return (
        tuple((CELL_OPS[op], source) for inputs, _ in best for source, op in inputs),
        tuple(k + 2 for k, (_, concatenated) in enumerate(best) if concatenated),
    )


def _orderings(nodes: list[tuple[list[tuple[int, int]], bool]]) -> Iterator[list[_NodeCode]]:
    """Every relabelling that could be the smallest, as the codes of the nodes in their new order."""
    consumers = [
        sorted((k, op) for k, (inputs, _) in enumerate(nodes, start=2) for source, op in inputs if source == node)
        for node in range(len(nodes) + 2)
    ]
    stack: list[tuple[dict[int, int], list[_NodeCode]]] = [({0: 0, 1: 1}, [])]  # old number -> new number
    while stack:
        places, codes = stack.pop()
        if len(codes) == len(nodes):
            yield codes
            continue
        ready: dict[int, _NodeCode] = {
            k: (tuple(sorted((places[source], op) for source, op in inputs)), concatenated)
            for k, (inputs, concatenated) in enumerate(nodes, start=2)
            if k not in places and all(source in places for source, _ in inputs)
        }
        smallest = min(ready.values())
        followed: list[list[tuple[int, int]]] = []
        for k, code in ready.items():
            if code == smallest and consumers[k] not in followed:
                followed.append(consumers[k])
                stack.append(({**places, k: len(places)}, [*codes, code]))
