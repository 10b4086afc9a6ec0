"""How the generator of DeepNets-1M draws networks, and which it rejects.

Knyazev et al., "Parameter Prediction for Unseen Deep Architectures", NeurIPS 2021.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError
from tart_nas.genotype import Genotype
from tart_nas.layout import parameter_count
from tart_nas.operations import ATTENTION_OPS, CELL_OPS, NONE, OPERATIONS

__all__ = ["CHOICES", "RULES", "SplitRules", "draw_batch", "fits_limit", "is_kept", "strongest_edges"]

_BATCH = 64  # candidates drawn at once; of those of most splits more than half are accepted
_CHANNELS = 32  # of the networks of the data set, at which its limits of parameters hold

_WEIGHTED = np.array([op.weights for op in OPERATIONS.values()])
_CONVS = np.array([op.is_convolution for op in OPERATIONS.values()])
_LARGE_CONVS = np.array([op.kind == "conv" and op.kernel >= 5 for op in OPERATIONS.values()])
_ATTENTION = np.array([op.kind == "attention" for op in OPERATIONS.values()])
_EXCITATION = np.array([op.kind == "excitation" for op in OPERATIONS.values()])

CHOICES: dict[str, tuple[Any, ...]] = {
    "C_mult": (1, 2),
    "ks": (3, 5, 7),
    "stem_type": (0, 1),
    "stem_pool": (False, True),
    "norm": ("bnorm", None),
    "preproc": (False, True),
    "glob_avg": (False, True),
    "fc_layers": (1, 2),
}
"""The values that the settings of a network have, but for the number of cells."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitRules:
    """What differs between the splits.

    Args:
        key: of the random stream.
        n_cells: smallest and largest number of cells.
        deep: networks with more cells than a number drawn from these are deep.
        steps: smallest number of nodes in a cell, largest one in a deep network, largest one in another.
        max_params: most parameters, at 32 channels, for images of 32x32 and of 224x224.
    """

    key: int
    n_cells: tuple[int, int] = (4, 18)
    deep: tuple[int, ...] = (7, 8, 9, 10)
    steps: tuple[int, int, int] = (1, 2, 4)
    max_params: int = 10**7


RULES = {
    "train": SplitRules(0),
    "val": SplitRules(1),
    "test": SplitRules(2),
    "search": SplitRules(3, (6, 20), (10,), (1, 3, 6)),
    "wide": SplitRules(2),  # the networks of test, for four times the channels
    "deep": SplitRules(4, (10, 36), (18,), max_params=10**8),
    "dense": SplitRules(5, steps=(2, 6, 10), max_params=10**8),
    "bnfree": SplitRules(6),
}
"""The rules of each split."""


def draw_batch(split: str, rules: SplitRules, rng: np.random.Generator) -> Iterator[Architecture]:
    """Draws a batch of candidates and yields those that are not rejected."""

    def chance(probability: float) -> npt.NDArray[np.bool_]:
        return rng.random(_BATCH) < probability

    n_cells = rng.integers(rules.n_cells[0], rules.n_cells[1], size=_BATCH, endpoint=True)
    deep = n_cells > rng.choice(rules.deep, size=_BATCH)
    least, most_deep, most = rules.steps
    n_nodes = rng.integers(least, np.where(deep, most_deep, most), endpoint=True)
    pools_only, drop = chance(0.5), chance(0.5)
    dropped = (rng.random((_BATCH, most)) < 0.5) & drop[:, None]  # of the nodes but the last
    C_mult, ks = rng.choice(CHOICES["C_mult"], size=_BATCH), rng.choice(CHOICES["ks"], size=_BATCH)
    stem_type, stem_pool = rng.integers(2, size=_BATCH), chance(0.5)
    no_norm, flat, fc_layers = chance(0.5), chance(0.1), rng.integers(1, 3, size=_BATCH)
    no_preproc = rng.random(_BATCH)
    cells: dict[int, tuple[list[list[int]], list[list[int]]]] = {}  # candidate -> (operations, inputs) of its two cells
    for size in np.unique(n_nodes).tolist():
        of_size = np.flatnonzero(n_nodes == size)
        ops, sources = _draw_cells(size, pools_only[of_size], rng)
        kept = is_kept(ops)
        triples = zip(of_size[kept].tolist(), ops[kept].tolist(), sources[kept].tolist(), strict=True)
        cells.update((i, (candidate_ops, candidate_sources)) for i, candidate_ops, candidate_sources in triples)

    for i in sorted(cells):
        normal, reduce = (
            [(CELL_OPS[op], source) for op, source in zip(*cell, strict=True)] for cell in zip(*cells[i], strict=True)
        )
        size = int(n_nodes[i])
        concat = [node + 2 for node in range(size) if node == size - 1 or not dropped[i, node]]
        genotype = Genotype(normal, concat, reduce, concat)
        is_vit = not ATTENTION_OPS.isdisjoint(genotype.ops)
        if split == "search":  # its generator's own rule
            without_preproc = 0.8 if is_vit else 0.2
        else:
            without_preproc = 0.8 if is_vit else 0.0
        may_lack_norm = split != "search" and n_cells[i] <= rules.n_cells[0] + 1 and size <= most_deep
        try:
            architecture = Architecture(
                genotype,
                n_cells=int(n_cells[i]),
                C=_CHANNELS,
                C_mult=int(C_mult[i]),
                ks=int(ks[i]),
                stem_type=int(stem_type[i]),
                stem_pool=bool(stem_type[i] == 0 and stem_pool[i]),
                norm=None if split == "bnfree" or (may_lack_norm and no_norm[i]) else "bnorm",
                preproc=bool(size > 1 or C_mult[i] > 1 or no_preproc[i] >= without_preproc),
                glob_avg=bool(is_vit or deep[i] or not flat[i]),
                fc_layers=int(fc_layers[i]),
            )
        except ArchitectureError:  # `none` makes the output zero
            continue
        if fits_limit(architecture, rules.max_params):
            yield architecture


def _draw_cells(n_nodes: int, pools_only: npt.NDArray[np.bool_], rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draws normal and reduction cells, as DARTS derives them from its weights, which here are random.

    Args:
        n_nodes: intermediate nodes of a cell.
        pools_only: for each candidate, whether its reduction cell has ``none``, poolings and skips only (b,).
        rng: source of randomness.

    Returns:
        The operations and the inputs of the two cells of each candidate, each (b, 2, 2 * n_nodes).
    """
    n_edges = sum(range(2, 2 + n_nodes))
    logits = 1e-3 * rng.standard_normal((len(pools_only), 2, n_edges, len(CELL_OPS)))
    logits[pools_only, 1] = np.where(_WEIGHTED, -np.inf, logits[pools_only, 1])
    weights = np.exp(logits)
    weights /= weights.sum(axis=-1, keepdims=True)  # which operation an edge has does not depend on it, its rank does
    if n_nodes == 1:
        weights[..., CELL_OPS.index(NONE)] = 0
    return strongest_edges(n_nodes, weights)


def strongest_edges(n_nodes: int, weights: npt.NDArray[np.float64]) -> tuple[Ints, Ints]:
    """Keeps the two strongest edges into each node and the strongest operation on each.

    Args:
        n_nodes: intermediate nodes of a cell.
        weights: of the operations on the edges (..., edges, operations), the edges into node 2 first.

    Returns:
        Operations and inputs (..., 2 * n_nodes), as in a genotype.
    """
    op, strength = weights.argmax(axis=-1), weights.max(axis=-1)
    ops, sources, start = [], [], 0
    for n_inputs in range(2, 2 + n_nodes):
        edges = slice(start, start + n_inputs)
        strongest = np.argsort(-strength[..., edges], axis=-1, kind="stable")[..., :2]
        sources.append(strongest)
        ops.append(np.take_along_axis(op[..., edges], strongest, axis=-1))
        start += n_inputs
    return np.concatenate(ops, axis=-1), np.concatenate(sources, axis=-1)


def is_kept(ops: Ints) -> npt.NDArray[np.bool_]:
    """Which candidates pass the rules about their operations, (b, 2, pairs) -> (b,).

    Rejected are networks without anything to learn, and those that the data set's authors found hard to train or too
    large: ``cse`` without convolutions, two ``cse`` or two convolutions of 5x5 or 7x7 in a cell.
    """
    is_cse, is_large = _EXCITATION[ops], _LARGE_CONVS[ops]
    has_conv, has_cse = _CONVS[ops].any(axis=(1, 2)), is_cse.any(axis=(1, 2))
    crowded = (is_cse.sum(axis=2) > 1).any(axis=1) | (is_large.sum(axis=2) > 1).any(axis=1)
    kept: npt.NDArray[np.bool_] = (has_conv | (_ATTENTION[ops].any(axis=(1, 2)) & ~has_cse)) & ~crowded
    return kept


def fits_limit(architecture: Architecture, max_params: int) -> bool:
    """Whether the network has no more parameters than allowed, for small and for large images."""
    at_32 = architecture.resized(C=_CHANNELS)
    return all(parameter_count(at_32, image_size=size) <= max_params for size in (32, 224))
