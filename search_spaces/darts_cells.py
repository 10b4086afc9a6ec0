"""Cells of the DARTS space as arrays of integers: drawn, hashed and compared many at once."""

from itertools import combinations, permutations

import numpy as np
import numpy.typing as npt

from tart_nas.checks import whole
from tart_nas.genotype import Genotype
from tart_nas.operations import NASBENCH301_OPS
from tart_nas.tokens.canonical_order import mixed

__all__ = [
    "CONCAT",
    "N_NODES",
    "Cells",
    "canonical_codes",
    "draw",
    "draw_different",
    "first_of_each",
    "genotypes",
    "hashes",
]

N_NODES = 4  # intermediate nodes of a cell, as in DARTS and NAS-Bench-301
CONCAT = tuple(range(2, 2 + N_NODES))
_N_OPS = len(NASBENCH301_OPS)
_INPUTS = [np.array(list(combinations(range(node), 2))) for node in CONCAT]  # the input pairs that each node may have

Cells = npt.NDArray[np.int64]
"""(..., node 4, operation 2, 2): of each operation its input and its index into ``NASBENCH301_OPS``."""


def draw_different(n: int, seed: int) -> Cells:
    """Uniform cells of n different networks, (n, 2, 4, 2, 2)."""
    whole("n", n)
    whole("seed", seed)
    rng = np.random.default_rng(seed)
    cells = np.empty((0, 2, N_NODES, 2, 2), dtype=np.int64)
    while len(cells) < n:
        cells = np.concatenate([cells, draw(n - len(cells), rng)])
        cells = cells[first_of_each(cells)]
    return cells


def draw(n: int, rng: np.random.Generator) -> Cells:
    """Uniform cells, (n, 2, 4, 2, 2), the two inputs of a node in ascending order."""
    cells = np.empty((n, 2, N_NODES, 2, 2), dtype=np.int64)
    for node, choices in enumerate(_INPUTS):
        cells[:, :, node, :, 0] = choices[rng.integers(len(choices), size=(n, 2))]
    cells[..., 1] = rng.integers(_N_OPS, size=(n, 2, N_NODES, 2))
    return cells


def first_of_each(cells: Cells) -> npt.NDArray[np.int64]:
    """The rows of cells (n, 2, 4, 2, 2) that are no network of a row before, ascending.

    Few are, and equal networks have equal hashes, so that codes are needed of few rows.
    """
    of_networks = hashes(cells)
    order = np.argsort(of_networks, kind="stable")
    repeats = np.flatnonzero(np.diff(of_networks[order]) == 0)
    suspects = np.unique(order[np.union1d(repeats, repeats + 1)])
    _, first = np.unique(canonical_codes(cells[suspects]), axis=0, return_index=True)
    is_first = np.ones(len(cells), dtype=np.bool_)
    is_first[np.delete(suspects, first)] = False
    return np.flatnonzero(is_first)


def hashes(cells: Cells) -> npt.NDArray[np.uint64]:
    """A number for each network, equal for isomorphic cells: (n, 2, 4, 2, 2) -> (n,).

    A node's is that of the operations that come into it and of what they come from, in any order; a cell's that of its
    nodes, in any order.
    """
    sources, ops = cells[..., 0], cells[..., 1].astype(np.uint64)
    nodes = np.zeros((*cells.shape[:2], 2 + N_NODES), dtype=np.uint64)
    nodes[..., 1] = 1
    for node in range(N_NODES):
        arriving = np.take_along_axis(nodes, sources[:, :, node], axis=2) * np.uint64(_N_OPS) + ops[:, :, node]
        nodes[..., 2 + node] = mixed(mixed(arriving).sum(axis=2))
    normal, reduce = mixed(nodes[..., 2:]).sum(axis=2).T
    both: npt.NDArray[np.uint64] = mixed(normal) + reduce
    return both


def canonical_codes(cells: Cells) -> npt.NDArray[np.int64]:
    """One integer per cell, equal exactly for isomorphic cells: (n, 2, 4, 2, 2) -> (n, 2).

    The smallest code over all orders of the four nodes that keep inputs before outputs; a node's code is that of its
    two (input, op) pairs in ascending order. `canonical_genotype` does the same for one genotype of any size.
    """
    sources, ops = cells[..., 0], cells[..., 1]
    base = (2 + N_NODES) * _N_OPS
    best = np.full(cells.shape[:2], np.iinfo(np.int64).max)
    for order in permutations(range(N_NODES)):
        place = np.array([0, 1, *(2 + order.index(node) for node in range(N_NODES))])
        placed = place[sources[:, :, order]]  # (n, 2, 4, 2), the new inputs of the nodes in their new order
        legal = (placed < np.arange(2, 2 + N_NODES)[:, None]).all(axis=(2, 3))
        first, second = np.moveaxis(placed * _N_OPS + ops[:, :, order], -1, 0)
        nodes = np.minimum(first, second) * base + np.maximum(first, second)  # (n, 2, 4)
        code = np.polyval(np.moveaxis(nodes, -1, 0), base**2)
        best = np.minimum(best, np.where(legal, code, best))
    return best


def genotypes(cells: Cells) -> list[Genotype]:
    """The genotypes of cells (n, 2, 4, 2, 2): n of them."""
    return [
        Genotype(_pairs(normal), CONCAT, _pairs(reduce), CONCAT)
        for normal, reduce in cells.reshape(len(cells), 2, 2 * N_NODES, 2).tolist()
    ]


def _pairs(cell: list[list[int]]) -> tuple[tuple[str, int], ...]:
    return tuple([(NASBENCH301_OPS[op], source) for source, op in cell])
