"""New architectures from given ones, to be judged by a teacher: their cells exchanged and changed a little.

Nothing needs to be known of the space that the given ones come from, and what comes out has the operations, the numbers
of nodes and the settings that they have.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError
from tart_nas.genotype import Genotype

__all__ = ["recombined"]

_CHANGED = 0.25  # share of the operations, and of the inputs, that are drawn anew
_TRIES = 20  # for each architecture: few changes disconnect a network

Pairs = tuple[tuple[str, int], ...]


def recombined(
    architectures: Sequence[Architecture],
    n: int,
    rng: np.random.Generator,
    *,
    changed: float = _CHANGED,
    ops: Sequence[str] | None = None,
) -> list[Architecture]:
    """Draws architectures like the given ones.

    Each has the settings and the normal cell of one of them and the reduction cell of another; of both cells, some
    operations are exchanged for others that occur, as often as these do, and some inputs for other ones.

    Args:
        architectures: at least one.
        n: how many to draw.
        rng: source of randomness.
        changed: share of the operations, and of the inputs, that are drawn anew.
        ops: what operations are drawn from; by default those that occur, as often as they do.

    Returns:
        At most n, fewer where most changes disconnect a network.
    """
    ops = ops or [op for a in architectures for op, _ in a.genotype.normal + a.genotype.reduce]
    drawn: list[Architecture] = []
    for _ in range(_TRIES * n):
        if len(drawn) == n:
            break
        first, second = (architectures[i] for i in rng.integers(len(architectures), size=2))
        try:
            genotype = Genotype(
                _changed(first.genotype.normal, ops, changed, rng),
                first.genotype.normal_concat,
                _changed(second.genotype.reduce, ops, changed, rng),
                second.genotype.reduce_concat,
            )
            drawn.append(replace(first, genotype=genotype))
        except ArchitectureError:  # the output would be zero
            continue
    return drawn


def _changed(pairs: Pairs, ops: Sequence[str], share: float, rng: np.random.Generator) -> Pairs:
    """A cell with some operations and inputs drawn anew; a node's two inputs stay different where they were."""
    new_op, new_input = (rng.random((2, len(pairs))) < share).tolist()
    other_ops, shares = rng.integers(len(ops), size=len(pairs)).tolist(), rng.random(len(pairs)).tolist()
    changed: list[tuple[str, int]] = []
    for k, (op, source) in enumerate(pairs):
        if new_op[k]:
            op = ops[other_ops[k]]
        if new_input[k]:
            partner = pairs[k + 1][1] if k % 2 == 0 else changed[k - 1][1]
            candidate = int(shares[k] * (2 + k // 2))
            source = source if candidate == partner else candidate
        changed.append((op, source))
    return tuple(changed)
