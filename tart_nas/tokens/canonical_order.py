"""The order of a graph's nodes that does not depend on how they happen to be numbered.

Colour refinement (Weisfeiler and Leman, 1968): a node's colour is hashed with those of its predecessors and successors
until no more nodes differ. Nodes that still look alike are told apart by giving one of them a colour of its own and
refining again. Where alike nodes can be exchanged (automorphisms), which one is taken makes no difference.
"""

import numpy as np
import numpy.typing as npt

from tart_nas.tokens.ragged import row_places

__all__ = ["canonical_positions", "mixed"]

_ROUNDS = 5  # of refinement between two looks at the colours: each look sorts the nodes
# Odd constants with about as many ones as zeros, as hash functions have them; which ones does not matter, but another
# choice is another order, and so other predictions of the transformers that were fitted with this one.
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))  # of splitmix64
_IN, _OUT = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xD1B54A32D192ED03)
_OWN = np.uint64(0x2545F4914F6CDD1D)

Colours = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]


def canonical_positions(
    labels: npt.NDArray[np.integer], edges: npt.NDArray[np.integer], graphs: Ints, cells: npt.NDArray[np.integer]
) -> Ints:
    """The place of each node in the canonical order of its graph.

    Args:
        labels: (n, L) integers of the nodes of all graphs, those of a graph one after the other.
        edges: (m, 2) pairs of indices of nodes, of the same graph each.
        graphs: (n,) index of each node's graph, ascending.
        cells: (n,) index of each node's cell, at least 0. Ties are broken per cell: in each round one node of a tied
            group is individualised in every cell at once, which assumes that cells' symmetries are independent.

    Returns:
        (n,) places, counted from 0 in each graph.
    """
    colours = np.zeros(len(labels), dtype=np.uint64)
    for column in (*labels.T, cells):
        colours = mixed(colours * _IN + column.astype(np.int64).astype(np.uint64) + np.uint64(1))
    units = graphs * (int(cells.max(initial=0)) + 1) + cells
    active = np.arange(len(labels))  # nodes of graphs in which some are still alike
    edges = edges.astype(np.int64)
    classes = np.zeros(0, dtype=np.int64)
    while len(active):
        local = np.full(len(labels), -1, dtype=np.int64)
        local[active] = np.arange(len(active))
        links = local[edges[local[edges[:, 0]] >= 0]]
        refined = _refined(colours[active], links)
        index = _counted(graphs[active])  # of the graph among those still active
        order, is_new = _sorted(refined, index)
        before, classes = classes, np.bincount(index[order], weights=is_new).astype(np.int64)
        sizes = np.bincount(index)
        stable = classes == before if len(before) == len(classes) else np.zeros(len(classes), dtype=np.bool_)
        tied = classes < sizes
        refined = _individualised(refined, order, is_new, units[active], (stable & tied)[index])
        colours[active] = refined
        active, classes = active[tied[index]], classes[tied]
    order, _ = _sorted(colours, _counted(graphs))
    positions = np.empty(len(labels), dtype=np.int64)
    sizes = np.bincount(graphs) if len(graphs) else np.zeros(0, dtype=np.int64)
    positions[order] = row_places(sizes)
    return positions


def mixed(values: Colours) -> Colours:
    """The last steps of splitmix64: every bit of the value changes about half of the result's."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def _refined(colours: Colours, edges: Ints) -> Colours:
    """Colours after some rounds; a node's new one depends on its old one and on those around it, as sets."""
    sources, targets = edges.T
    for _ in range(_ROUNDS):
        before, after = np.zeros_like(colours), np.zeros_like(colours)
        np.add.at(before, targets, mixed(colours[sources] + _IN))
        np.add.at(after, sources, mixed(colours[targets] + _OUT))
        colours = mixed(colours * _MIX[0] + before * _IN + after * _OUT)
    return colours


def _counted(graphs: Ints) -> Ints:
    """Ascending numbers (n,) as 0, 1, 2 and so on."""
    index: Ints = np.cumsum(np.diff(graphs, prepend=graphs[:1]) > 0)
    return index


def _sorted(colours: Colours, index: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Nodes by graph and colour, and which of these are the first of their colour.

    The graph's number takes the place of as many bits of the colour: one sort is several times as fast as one by two
    keys, and no colour needs all of its bits.
    """
    bits = np.uint64(int(index.max(initial=0)).bit_length())
    keys = colours >> bits | index.astype(np.uint64) << (np.uint64(64) - bits) if bits else colours
    order = np.argsort(keys, kind="stable")
    is_new = np.ones(len(order), dtype=np.bool_)
    is_new[1:] = keys[order][1:] != keys[order][:-1]
    return order, is_new


def _individualised(
    colours: Colours, order: Ints, is_new: npt.NDArray[np.bool_], units: Ints, chosen: npt.NDArray[np.bool_]
) -> Colours:
    """Gives one node of the smallest shared colour of each unit with chosen nodes a colour of its own."""
    is_shared = np.zeros(len(order), dtype=np.bool_)
    is_shared[:-1] = is_new[:-1] & ~is_new[1:]  # the first of several alike
    places = np.flatnonzero(is_shared & chosen[order])
    _, first = np.unique(units[order[places]], return_index=True)
    colours = colours.copy()
    nodes = order[places[first]]
    colours[nodes] = mixed(colours[nodes] + _OWN)
    return colours
