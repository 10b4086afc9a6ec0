"""Surrogate model of a study: ranks candidates by the predictions of all its objectives and constraints."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from optuna.study import StudyDirection
from scipy.special import ndtr

from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.predictors.targets import MIN_LABELS
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies.acquisition import Acquisition, acquire, chebyshev
from tart_nas.strategies.optuna_plugin.history import History
from tart_nas.strategies.optuna_plugin.other_parameters import OtherParameters
from tart_nas.strategies.optuna_plugin.success import Success
from tart_nas.strategies.outliers import limited, lower_limit
from tart_nas.strategies.surrogate import Surrogate

__all__ = ["KnownObjective", "MultiObjectiveSurrogate"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
KnownObjective = Callable[[Any], float]
"""An objective that is known without training, in the study's own direction: latency, number of parameters."""

FINALISTS = 50
"""Most candidates that are judged by a predictor which has a quicker one to choose them: few enough to take no time,
enough for the best of thousands to be among them."""


class MultiObjectiveSurrogate:
    """A surrogate for each objective that is not known, and one for the constraints.

    Args:
        predictor: of the first objective that is not known; the others are learned by Gaussian processes.
        objectives: for each, a function that knows it or None; None for a study whose objectives are all learned.
        directions: of the study.
        acquisition: how predictions and uncertainty are weighed.
        refit_every: labels between two refits, or a twentieth of the labels where that is more.
        n_startup_trials: labels before the first fit of an unfitted predictor.
        max_labels: most labels to fit to.
        population: gives architectures that stand for all that may be suggested (:class:`Surrogate`); it is called
            once, when it is needed.
        kind: of the predictors of the other objectives and of constraints.

    Raises:
        SettingError: if there are other numbers of objectives and directions.
    """

    def __init__(
        self,
        predictor: Predictor,
        objectives: Sequence[KnownObjective | None] | None,
        directions: Sequence[StudyDirection],
        acquisition: Acquisition,
        refit_every: int,
        n_startup_trials: int,
        max_labels: int,
        population: Callable[[], Sequence[AnyArchitecture]] | None = None,
        kind: str = "gp",
    ) -> None:
        objectives = [None] * len(directions) if objectives is None else list(objectives)
        if len(objectives) != len(directions):
            raise SettingError(
                f"`objectives` must have one entry for each of the study's {len(directions)} directions, "
                f"but has {len(objectives)}."
            )
        self._signs = np.array([-1.0 if direction == StudyDirection.MINIMIZE else 1.0 for direction in directions])
        self._known = objectives
        learned = [i for i, objective in enumerate(objectives) if objective is None]
        given = {i: predictor if i == learned[0] else Predictor(kind) for i in learned}
        population = None if population is None else cache(population)  # the same for all objectives
        self._surrogates = {i: Surrogate(of, population) for i, of in given.items()}
        self._feasibility = Surrogate(Predictor(kind), population)
        self._acquisition, self._refit_every, self._max_labels = acquisition, refit_every, max_labels
        self._least = max(MIN_LABELS, 0 if self.is_informed else n_startup_trials)
        self.success = Success(kind, population, max_labels)
        """Whether candidates give a value at all."""
        self._fitted_at = self._failures_at = 0
        self.others = OtherParameters()
        """The parameters beside the architecture; nothing is learned of them in a study with several objectives."""

    @property
    def is_informed(self) -> bool:
        """Whether it knows anything of each objective yet."""
        return all(surrogate.is_informed for surrogate in self._surrogates.values())

    def learn(self, history: History, rng: np.random.Generator) -> None:
        """Refits to the study's labels, and to which trials failed, when enough of them are new."""
        n, failed = len(history.values), len(history.failures)
        is_due = n >= self._least and self._are_enough(n, self._fitted_at)
        if is_due:
            self._fitted_at = n
            self._learn_values(history, rng)
        if failed and self.is_informed and (is_due or self._are_enough(failed, self._failures_at)):
            self._failures_at = failed
            self.success.learn(history, list(self.others.distributions), rng)

    def _are_enough(self, now: int, before: int) -> bool:
        """Whether there are enough new ones. A fit takes longer the more there are; a twentieth changes it little."""
        return now - before >= max(self._refit_every, before // 20)

    def _learn_values(self, history: History, rng: np.random.Generator) -> None:
        if history.values and len(self._signs) == 1 and any(history.others):
            measured, seed = limited(np.array(history.values)[:, 0]), int(rng.integers(2**31))
            comparable = self.others.comparable(history.architectures, history.others, measured, seed, history.without)
            history.comparable = [(value,) for value in comparable.tolist()]
        values = _limited(history)
        rows = self._rows(values, rng)
        architectures = [history.architectures[row] for row in rows]
        for i, surrogate in self._surrogates.items():
            surrogate.fit(architectures, values[rows, i], int(rng.integers(2**31)))
        limits = [-np.inf if x is None else x for x in history.infeasibilities]
        told = [row for row in rows if np.isfinite(limits[row])]
        self._feasibility.fit(
            [history.architectures[row] for row in told],
            _limited_margins(-np.array([limits[row] for row in told])),
            int(rng.integers(2**31)),
        )

    def ranked(
        self, architectures: Sequence[AnyArchitecture], history: History, rng: np.random.Generator
    ) -> tuple[list[int], Floats]:
        """Ranks candidates.

        Returns:
            Positions, the most promising first, and (n, m) what is expected of each candidate in each objective, in the
            study's own unit and direction. It is NaN where nothing is expected, and for objectives of which nothing was
            learned yet: before, a fitted predictor may be in another unit.
        """
        n, m = len(architectures), len(self._signs)
        expected = np.full((n, m), np.nan)
        if not self.is_informed:
            return list(range(n)), expected
        finalists, others = np.split(np.arange(n), [n])
        if n > FINALISTS and m == 1 and self._acquisition != "thompson":  # whose two draws would not be of one mind
            quicker = {i: surrogate.fast_approximation() for i, surrogate in self._surrogates.items()}
            if quicker != self._surrogates:
                order, _ = self._judged(architectures, quicker, history, rng)
                finalists, others = np.split(order, [FINALISTS])
        order, expected[finalists] = self._judged([architectures[i] for i in finalists], self._surrogates, history, rng)
        expected[:, [i for i, surrogate in self._surrogates.items() if not surrogate.is_measured]] = np.nan
        return [*finalists[order].tolist(), *others.tolist()], expected

    def _judged(
        self,
        architectures: Sequence[AnyArchitecture],
        surrogates: Mapping[int, Surrogate],
        history: History,
        rng: np.random.Generator,
    ) -> tuple[Places, Floats]:
        """Positions, the most promising first, and (n, m) what is expected, in the study's own directions."""
        mean, std = np.zeros((2, len(architectures), len(self._signs)))
        values = np.full(len(architectures), -np.inf)
        for i, objective in enumerate(self._known):
            if objective is None:
                mean[:, i], std[:, i] = surrogates[i].predict(architectures)
            else:
                mean[:, i] = self._signs[i] * np.array([float(objective(a)) for a in architectures])
        judged = np.flatnonzero(np.isfinite(mean).all(axis=1))  # the others must not enter what these are compared by
        if len(judged):
            name = self._acquisition_now(history)
            values[judged] = self._acquisition_values(name, mean[judged], std[judged], history, rng)
            chance = self._chance([architectures[i] for i in judged.tolist()])
            if chance is not None:
                values[judged] = self._weighed(values[judged], chance, name, history)
        return np.argsort(-values, kind="stable"), mean * self._signs

    def _acquisition_now(self, history: History) -> Acquisition:
        """The one that is given, or what takes its place."""
        if not all(surrogate.is_measured for surrogate in self._surrogates.values()):
            return "mean"  # of another unit
        if self._acquisition != "expected-improvement":
            return self._acquisition
        if len(self._signs) > 1:
            return "thompson"
        return "expected-improvement" if history.feasible().any() else "mean"

    def _acquisition_values(
        self, name: Acquisition, mean: Floats, std: Floats, history: History, rng: np.random.Generator
    ) -> Floats:
        """(n, m) predictions -> (n,), of the objectives alone."""
        seen = _limited(history).reshape(-1, mean.shape[1])[history.feasible()]
        if mean.shape[1] == 1:
            return acquire(name, mean[:, 0], std[:, 0], seen.max() if len(seen) else np.nan, rng)
        columns = [acquire(name, mean[:, i], std[:, i], np.nan, rng) for i in range(mean.shape[1])]
        is_measured = all(surrogate.is_measured for surrogate in self._surrogates.values())
        return chebyshev(np.stack(columns, axis=1), seen if is_measured else seen[:0], rng)

    def _chance(self, architectures: Sequence[AnyArchitecture]) -> Floats | None:
        """(n,) how likely trials of them do not fail and meet the constraints; None where nothing tells that."""
        models = [each for each in (self._feasibility, self.success.of_architectures) if each.is_measured]
        chance = np.ones(len(architectures))
        for model in models:
            mean, std = model.predict(architectures)
            # A standard deviation of 0 is legal; where nothing is predicted, either is as likely.
            chance *= np.nan_to_num(ndtr(mean / np.maximum(std, 1e-12)), nan=0.5)
        return chance if models else None

    def _weighed(self, values: Floats, chance: Floats, name: Acquisition, history: History) -> Floats:
        """The acquisition values where the chance is good, and less than any of these where it is not."""
        if not history.feasible().any():
            return chance
        if name == "expected-improvement":
            # Gardner et al., "Bayesian Optimization with Inequality Constraints", ICML 2014
            return np.asarray(values * chance)
        # Lowered by more than the range, candidates that are likely infeasible rank behind all others.
        return np.where(chance >= 0.5, values, values - np.ptp(values) - 1)

    def _rows(self, values: Floats, rng: np.random.Generator) -> list[int]:
        """The labels to fit to: all, or the better half and, of the others, a random half.

        The best alone would not tell what is bad, and all of them take seconds to fit.
        """
        if len(values) <= self._max_labels:
            return list(range(len(values)))
        ranks = values.argsort(axis=0).argsort(axis=0).sum(axis=1)  # over all objectives
        order = np.argsort(-ranks, kind="stable")
        n_best = self._max_labels // 2
        others = rng.choice(order[n_best:], size=self._max_labels - n_best, replace=False)
        return sorted([*order[:n_best].tolist(), *others.tolist()])


def _limited(history: History) -> Floats:
    """(n, m) comparable values of a study, each objective without values far below all others."""
    values = np.array(history.comparable)
    return np.stack([limited(column) for column in values.T], axis=1) if len(values) else values


def _limited_margins(margins: Floats) -> Floats:
    """Likewise (n,) margins of constraints, below 0 where one is violated, which stays so."""
    least = min(lower_limit(margins), -float(np.median(np.abs(margins)))) if len(margins) else 0.0
    return np.maximum(margins, least)
