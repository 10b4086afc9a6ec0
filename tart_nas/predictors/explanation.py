"""What a predictor sees in an architecture: how much each operation of its cells adds to the prediction.

An operation's effect is the prediction less the mean of the predictions with every other operation in its place: it
says what the predictor would make of a change, needs nothing of how the predictor works, and is in the target's unit.
This is occlusion (Zeiler and Fergus, ECCV 2014) for operations, of which none can simply be left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError
from tart_nas.operations import NONE

__all__ = ["Explanation", "explanation"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, repr=False)
class Explanation:
    """The effects of an architecture's operations.

    Attributes:
        architecture: what was judged.
        prediction: of it.
        normal: the effect of each operation of the normal cell, in the genotype's order; NaN where no other operation
            could stand there.
        reduce: likewise of the reduction cell. Also where a network has none: an ``msa`` anywhere in the genotype makes
            it a vision transformer.
    """

    architecture: Architecture
    prediction: float
    normal: tuple[float, ...]
    reduce: tuple[float, ...]

    def __repr__(self) -> str:
        """A line for each operation."""
        lines = [f"prediction {self.prediction:.4f}; effect of each operation against the mean of all others:"]
        for cell in ("normal", "reduce"):
            pairs, effects = getattr(self.architecture.genotype, cell), getattr(self, cell)
            for k, ((op, source), effect) in enumerate(zip(pairs, effects, strict=True)):
                lines.append(f"{cell:>7}  node {k // 2 + 2} <- {source}  {op:<14} {effect:+.4f}")
        return "\n".join(lines)


def explanation(
    predict: Callable[[Sequence[Architecture]], Floats], architecture: Architecture, ops: Sequence[str]
) -> Explanation:
    """Explains a prediction.

    Args:
        predict: architectures to predictions (n,), NaN for those that are not judged, which are left out.
        architecture: what is explained.
        ops: the operations that may stand in the place of others; ``none`` is left out.
    """
    candidates = [architecture]
    places: list[tuple[str, int]] = []  # of each of the others
    for cell in ("normal", "reduce"):
        pairs = getattr(architecture.genotype, cell)
        for k, (present, source) in enumerate(pairs):
            for op in ops:
                if op in (present, NONE):
                    continue
                changed = (*pairs[:k], (op, source), *pairs[k + 1 :])
                try:
                    candidates.append(replace(architecture, genotype=replace(architecture.genotype, **{cell: changed})))
                except ArchitectureError:  # the output would be zero
                    continue
                places.append((cell, k))
    predictions = predict(candidates)
    effects: dict[str, list[float]] = {}
    for cell in ("normal", "reduce"):
        alternatives: list[list[float]] = [[] for _ in getattr(architecture.genotype, cell)]
        for (its_cell, k), prediction in zip(places, predictions[1:].tolist(), strict=True):
            if its_cell == cell and np.isfinite(prediction):
                alternatives[k].append(prediction)
        effects[cell] = [float(predictions[0] - np.mean(values)) if values else np.nan for values in alternatives]
    return Explanation(architecture, float(predictions[0]), tuple(effects["normal"]), tuple(effects["reduce"]))
