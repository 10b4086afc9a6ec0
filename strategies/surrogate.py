"""Surrogate model: a predictor refined with a search's own measurements."""

import copy
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.deprecation import warn_renamed
from tart_nas.errors import PredictorError
from tart_nas.predictors import Predictor
from tart_nas.predictors.targets import MIN_LABELS
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.tokens import CellTokens

if TYPE_CHECKING:
    from tart_nas.predictors.population import Population

__all__ = ["Surrogate"]

Floats = npt.NDArray[np.float64]


class Surrogate:
    """Predicts one objective, higher is better, and learns from measured values.

    Args:
        predictor: an unfitted one is fitted to the measured values, anew each time. A fitted one, whatever the unit of
            its scores, is what they are added to (:meth:`Predictor.update`). It stays as it is itself.
        population: gives architectures that stand for all that are to be ranked; it is called once, when it is needed.
            Updates need it, by default that of :meth:`Predictor.update`; and an unfitted predictor judges what is like
            them, by default only what is like the measured ones.
    """

    def __init__(self, predictor: Predictor, population: Callable[[], Sequence[AnyArchitecture]] | None = None) -> None:
        self._given = predictor
        self._draw = population
        self._population: Population | None = None
        self._drawn: Sequence[AnyArchitecture] | None = None
        self._is_fitted = predictor.is_fitted
        self._refined: Predictor | None = None

    @property
    def is_informed(self) -> bool:
        """Whether it knows anything yet."""
        return self._is_fitted or self._refined is not None

    @property
    def is_measured(self) -> bool:
        """Whether it predicts in the unit of the measured values, with an uncertainty."""
        return self._refined is not None

    def fit(self, architectures: Sequence[AnyArchitecture], values: Floats, seed: int) -> None:
        """Learns from measured values (n,), anew; where they are too few or all the same, it stays what it was.

        Of architectures that a fitted predictor does not judge, or an unfitted one cannot read, it learns nothing.
        """
        # A copy: `update` and `fit` change a predictor, and the one that was given is the user's.
        learner = copy.deepcopy(self._given)
        try:
            if self._is_fitted:
                judged = np.flatnonzero(learner.judges(architectures))
                architectures, values = [architectures[row] for row in judged.tolist()], values[judged]
                if self._population is None and self._draw is not None:
                    # Kept, since it costs predictions of many architectures and is the same for all later updates.
                    self._population = learner.population(self._draw())
                self._refined = learner.update(architectures, values, seed=seed, population=self._population)
            else:
                readable = _readable(architectures)
                architectures, values = [architectures[row] for row in readable], values[readable]
                if len(architectures) < MIN_LABELS:  # before a population is drawn, which takes seconds where it traces
                    return
                self._refined = learner.fit(architectures, values, seed=seed, extend_scope=self._unlabelled())
        except PredictorError:
            return

    def _unlabelled(self) -> Sequence[AnyArchitecture]:
        """What a predictor that learns from few networks is to judge beside them.

        The few do not span the space. What lies outside their ranges would be ranked last, so that it is never tried,
        and the ranges never get wider. All are taken: to read 500 takes some ms of a fit, 10,000 less than 0.2 s.
        """
        if self._drawn is None:
            drawn = () if self._draw is None else self._draw()
            self._drawn = [drawn[row] for row in _readable(drawn)]
        return self._drawn

    def fast_approximation(self) -> "Surrogate":
        """A cheaper approximation (:meth:`Predictor.fast_approximation`), not to be fitted; itself, if none."""
        predictor = self._refined or self._given
        quicker = predictor.fast_approximation()
        if quicker is predictor:
            return self
        other = copy.copy(self)
        other._refined = quicker
        return other

    def rough(self) -> "Surrogate":
        """Deprecated name of :meth:`fast_approximation`."""
        warn_renamed("Surrogate.rough", "Surrogate.fast_approximation")
        return self.fast_approximation()

    def predict(self, architectures: Sequence[AnyArchitecture]) -> tuple[Floats, Floats]:
        """(n,) predictions, NaN where it declines to judge, and standard deviations, 0 where nothing tells them."""
        mean, std = (self._refined or self._given).predict(architectures, return_std=True, outside="nan")
        return mean, np.nan_to_num(std, nan=0.0)


def _readable(architectures: Sequence[AnyArchitecture]) -> list[int]:
    """The places of those that a fit can read: one whose cells are too large for tokens makes the whole fit fail."""
    is_of_graphs = not all(isinstance(architecture, Architecture) for architecture in architectures)
    if is_of_graphs or _has_tokens(architectures):
        return list(range(len(architectures)))
    return [place for place, architecture in enumerate(architectures) if _has_tokens([architecture])]


def _has_tokens(architectures: Sequence[Any]) -> bool:
    try:
        CellTokens.encode(architectures)
    except PredictorError:
        return False
    return True
