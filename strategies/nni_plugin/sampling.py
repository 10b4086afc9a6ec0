"""Drawing many samples of a model space at once: no network is made, and no Python loop runs over the labels.

Samples are drawn, converted and scored as dicts; only what is trained becomes a model of NNI's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.random import Generator, RandomState

from tart_nas.errors import NniError
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.spaces import Sample, input_pairs

__all__ = ["SampleDrawer", "draw_columns", "sample_key"]

_PATIENCE = 100  # rounds of drawing; a space of which one sample in fifty is valid is still filled


class SampleDrawer:
    """Draws samples by the probabilities that the space states.

    Args:
        model_space: what NNI gives a strategy.
        distinct_inputs: in a NASNet-series space, whether a node's two inputs must differ, as in DARTS and in all that
            the bundled predictor was trained on. NNI's own spaces let them be equal.

    Raises:
        NniError: naming the mutables of the space that cannot be drawn from.
    """

    def __init__(self, model_space: Any, distinct_inputs: bool = True) -> None:
        require_nni()
        from nni.mutable import Categorical, CategoricalMultiple
        from nni.mutable.annotation import MutableAnnotation

        self._space = model_space
        self._columns: dict[str, tuple[list[Any], Any]] = {}  # label: what to choose from, with which probabilities
        self._others: dict[str, Any] = {}  # drawn one by one
        for label, leaf in model_space.simplify().items():
            if isinstance(leaf, Categorical):
                self._columns[label] = (list(leaf.values), np.array(leaf.weights))
            elif isinstance(leaf, CategoricalMultiple) and leaf.n_chosen == 1:
                self._columns[label] = ([[value] for value in leaf.values], np.array(leaf.weights))
            elif not isinstance(leaf, MutableAnnotation):  # a constraint is no choice: `contains` checks it
                self._others[label] = leaf
        self._check_others()
        pairs = input_pairs(model_space) if distinct_inputs else []
        self._distinct = [pair for pair in pairs if all(len(self._columns[label][0]) > 1 for label in pair)]

    def draw(self, n: int, rng: Generator) -> list[Sample]:
        """Draws n samples, each on its own.

        Raises:
            NniError: if the space's constraints leave none.
        """
        samples: list[Sample] = []
        for _ in range(_PATIENCE):
            drawn = [sample for sample in self._draw(n - len(samples), rng) if self._space.contains(sample)]
            samples += drawn
            if len(samples) == n:
                return samples
            if drawn:
                continue
        raise NniError(f"The constraints of the model space left {len(samples)} of {n} samples in {_PATIENCE} draws.")

    def _draw(self, n: int, rng: Generator) -> list[Sample]:
        samples = draw_columns(self._columns, self._distinct, n, rng)
        state = RandomState(rng.integers(2**32))
        for label, leaf in self._others.items():
            for sample in samples:
                sample[label] = leaf.random(random_state=state)
        return samples

    def _check_others(self) -> None:
        unreadable = []
        for label, leaf in self._others.items():
            try:
                leaf.random(random_state=RandomState(0))
            except Exception:  # a mutable of the user's own may raise anything
                unreadable.append(f"{label} ({type(leaf).__name__})")
        if unreadable:
            raise NniError(
                f"Cannot draw from these mutables of the model space: {', '.join(unreadable)}. Give `samples`, a list "
                "of samples to choose from, or implement their method `random`."
            )


def draw_columns(
    columns: Mapping[str, tuple[list[Any], Any]], distinct: Sequence[tuple[str, str]], n: int, rng: Generator
) -> list[Sample]:
    """Draws n samples of independent choices.

    Args:
        columns: of each label the values, and their probabilities or None for equal ones.
        distinct: pairs of labels whose choices must have different indices.
        n: how many.
        rng: source of randomness.
    """
    chosen = {label: rng.choice(len(values), size=n, p=weights) for label, (values, weights) in columns.items()}
    for first, second in distinct:
        values, weights = columns[second]
        while (equal := np.flatnonzero(chosen[first] == chosen[second])).size:
            chosen[second][equal] = rng.choice(len(values), size=equal.size, p=weights)
    drawn = [[columns[label][0][i] for i in indices.tolist()] for label, indices in chosen.items()]
    rows = zip(*drawn, strict=True) if drawn else ((),) * n
    return [dict(zip(chosen, row, strict=True)) for row in rows]


def sample_key(sample: Any) -> Any:
    """A hashable value, equal exactly for equal samples."""
    if isinstance(sample, dict):
        return frozenset((label, sample_key(value)) for label, value in sample.items())
    if isinstance(sample, list | tuple):
        return tuple(map(sample_key, sample))
    return sample
