"""Networks that a model writes, no two of them the same."""

import numpy as np
import torch

from tart_nas.architecture import Architecture
from tart_nas.generators.model import Ints, SymbolTransformer
from tart_nas.generators.vocabulary import Vocabulary

__all__ = ["draw_new"]

_BATCH = 2048  # strings drawn at once: more of them do not fit into a core's cache
_BARREN = 20  # batches in a row of which next to all networks were there before
_FEW = 0.01  # of a batch


def draw_new(
    model: SymbolTransformer,
    vocabulary: Vocabulary,
    levels: Ints,
    temperature: float,
    rng: np.random.Generator,
    seen: set[Architecture],
) -> list[Architecture]:
    """Draws a network for each level, but those that were seen; again until there are enough.

    Args:
        model: what draws.
        vocabulary: of its symbols.
        levels: ``(n,)``; further draws take theirs from these.
        temperature: of the draws, above 0.
        rng: source of randomness.
        seen: canonical forms of networks that are not wanted; those that are drawn are added.

    Returns:
        n networks; fewer if the model hardly draws any others.
    """
    found: list[Architecture] = []
    barren = 0
    while len(found) < len(levels) and barren < _BARREN:
        missing = len(levels) - len(found)
        size = min(_BATCH, max(64, missing + missing // 4))  # some will be repeats
        asked = levels if len(levels) == size else rng.choice(levels, size=size)
        rows = model.draw(torch.from_numpy(asked), temperature, rng)
        before = len(found)
        for architecture in vocabulary.architectures(rows):
            form = vocabulary.language.space.canonical(architecture)
            if form not in seen and len(found) < len(levels):
                seen.add(form)
                found.append(architecture)
        barren = barren + 1 if len(found) - before < _FEW * size else 0
    return found
