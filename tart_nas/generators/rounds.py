"""Fitting in rounds: generate, score, learn from all that was scored, generate better ones.

That is the cross-entropy method (Rubinstein & Kroese, 2004), with levels in place of an elite: each round asks for the
highest ones.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.checks import number, whole
from tart_nas.errors import PredictorError
from tart_nas.generators.model import Ints, SymbolTransformer
from tart_nas.generators.sampling import draw_new
from tart_nas.generators.training import LEVELS, Trainer
from tart_nas.generators.vocabulary import Vocabulary

__all__ = ["FittingSettings", "Scored", "Scorer", "fit_in_rounds"]

Floats = npt.NDArray[np.float64]

# The levels that a round asks for: the best 3 % and better. The last one alone would narrow the search too early.
_ASKED = range(LEVELS - 6, LEVELS)


class Scorer(Protocol):
    """What scores architectures: a :class:`tart_nas.Predictor`."""

    def predict(self, architectures: Sequence[Architecture], *, outside: Any) -> Floats:
        """(n,) scores, higher is better; NaN for what it does not judge."""


@dataclass(frozen=True)
class FittingSettings:
    """How a generator is fitted.

    Args:
        calls: how many architectures are scored, at least ``first``.
        first: how many of them are a random sample of the space, at least 100.
        rounds: in which the others are generated, at least 1.
        strings: that are drawn to train on before each round and after the last one, at least 1.
        entropy: weight of the diversity term (:class:`tart_nas.generators.training.Trainer`), at least 0.

    Raises:
        SettingError: if a value is outside its range.
    """

    calls: int = 20_000
    first: int = 2_000
    rounds: int = 18
    strings: int = 2_048
    entropy: float = 0.01

    def __post_init__(self) -> None:
        whole("first", self.first, 100)
        whole("calls", self.calls, self.first)
        whole("rounds", self.rounds, 1)
        whole("strings", self.strings, 1)
        number("entropy", self.entropy, 0)


@dataclass
class Scored:
    """All that was scored: no two of them the same network.

    Attributes:
        rows: symbols ``(n, T)``.
        scores: ``(n,)``, finite.
    """

    rows: Ints
    scores: Floats = field(default_factory=lambda: np.empty(0))

    def add(self, architectures: Sequence[Architecture], scorer: Scorer, vocabulary: Vocabulary) -> None:
        """Scores architectures and adds those that the scorer judges."""
        scores = np.asarray(scorer.predict(architectures, outside="nan"), dtype=np.float64)
        kept = np.flatnonzero(np.isfinite(scores))
        self.scores = np.concatenate([self.scores, scores[kept]])
        self.rows = np.concatenate([self.rows, vocabulary.rows([architectures[row] for row in kept.tolist()])])


def fit_in_rounds(
    model: SymbolTransformer,
    vocabulary: Vocabulary,
    scorer: Scorer,
    settings: FittingSettings,
    seed: int,
    progress: Callable[[float], None],
) -> Scored:
    """Fits a model in place; gives all that was scored.

    Raises:
        PredictorError: if the scorer judges less than 100 of the random architectures.
    """
    rng = np.random.default_rng(seed)
    trainer = Trainer(model, settings.entropy, rng)
    scored = Scored(np.empty((0, vocabulary.length), dtype=np.int64))
    space = vocabulary.language.space
    sample = space.sample(settings.first, seed)
    seen = set(map(space.canonical, sample))
    scored.add(sample, scorer, vocabulary)
    if len(scored.scores) < 100:
        raise PredictorError(
            f"The predictor judges {len(scored.scores)} of {settings.first} random architectures of "
            f"{space!r}: a generator needs 100."
        )
    sizes = [len(part) for part in np.array_split(np.arange(settings.calls - settings.first), settings.rounds)]
    for size in sizes:
        trainer.train(scored.rows, scored.scores, settings.strings)
        levels = rng.choice(_ASKED, size=size)
        found = draw_new(model, vocabulary, levels, 1.0, rng, seen)
        scored.add(found, scorer, vocabulary)
        progress(1 / (len(sizes) + 1))
    trainer.train(scored.rows, scored.scores, settings.strings)
    progress(1 / (len(sizes) + 1))
    return scored
