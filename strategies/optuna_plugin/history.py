"""The labelled architectures of a study; each of its trials is read once."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tart_nas.architecture import Architecture
from tart_nas.errors import TartError
from tart_nas.search_spaces import architecture_from_dict, canonical_genotype
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies.optuna_plugin.finished import FinishedTrials
from tart_nas.strategies.optuna_plugin.parameters import PRUNED_BECAUSE
from tart_nas.strategies.optuna_plugin.rebuilding import Rebuilder
from tart_nas.strategies.outliers import limited

__all__ = ["RESERVED", "History", "canonical_form", "infeasibility"]

RESERVED = "tart_nas:network"
"""The system attribute of a trial that tells what a sampler has chosen for it.

``network`` is the architecture in canonical form. Its parameters are suggested one after another; until the last of
them is written, this tells other samplers of the study what is being trained. ``informed`` is whether a predictor chose
it among candidates, so that a pruner need not doubt it.
"""

_MIN_CURVES = 5  # finished trials on which a line from a report to the final value is put

Floats = npt.NDArray[np.float64]
Canonical = Callable[[Any], AnyArchitecture]
"""Gives the form that equal networks share."""


class History:
    """The labelled architectures of a study, and all that were tried.

    Trials that failed, gave no finite value or were given up without a report have no label. They are kept as failures,
    but for those that a pruner of ours stopped before the training. Those without the parameters of the space (of
    another one, or of an objective without architectures) and those of other macro settings are left out. The final
    value of a pruned trial is estimated from its last report, once five finished trials have one of the same step:
    without these, a sampler proposes the like of what was pruned again and again.

    Args:
        to_architecture: rebuilds the architecture of a trial.
        canonical: the form that equal networks share.

    Attributes:
        architectures: n of them, in the order in which their trials were read.
        values: n tuples, one number per objective, higher is better whatever the study's directions.
        comparable: the same, as they would be with the same other parameters; the values until somebody knows better.
        others: n times the parameters beside the architecture, distributions and values by name.
        infeasibilities: n numbers, above 0 where a constraint was violated; None where none was set.
        failures: architectures of trials that failed, and their parameters beside it, likewise.
        without: all parameters, likewise, of each finished trial that has no architecture of the space.
        tried: the canonical forms of all architectures of finished trials.
    """

    def __init__(self, to_architecture: Rebuilder, canonical: Canonical) -> None:
        self._to_architecture, self._canonical = to_architecture, canonical
        self._curves: list[dict[int, float]] = []  # of finished trials
        self._finals: list[float] = []  # likewise
        self._pruned: list[tuple[AnyArchitecture, FrozenTrial]] = []  # whose final value is not estimated yet
        self._finished = FinishedTrials()
        self._running: set[AnyArchitecture] = set()
        self.architectures: list[AnyArchitecture] = []
        self.values: list[tuple[float, ...]] = []
        self.comparable: list[tuple[float, ...]] = []
        self.others: list[dict[str, tuple[BaseDistribution, Any]]] = []
        self.infeasibilities: list[float | None] = []
        self.failures: list[tuple[AnyArchitecture, dict[str, tuple[BaseDistribution, Any]]]] = []
        self.without: list[dict[str, tuple[BaseDistribution, Any]]] = []
        self.tried: set[AnyArchitecture] = set()

    def read(self, study: optuna.Study, number: int) -> None:
        """Reads what has finished since the last time, and what runs beside trial ``number``."""
        signs = [-1.0 if direction == StudyDirection.MINIMIZE else 1.0 for direction in study.directions]
        finished, unfinished = self._finished.read(study)
        for trial in finished:
            self._take(trial, signs)
        if len(signs) == 1:  # Optuna prunes no others
            self._take_pruned(signs[0])
        running = [t for t in unfinished if t.state == TrialState.RUNNING and t.number != number]
        self._running = {form for trial in running for form in self._forms(trial)}

    def is_taken(self, architecture: AnyArchitecture) -> bool:
        """Whether the same network was tried or is running."""
        form = self._canonical(architecture)
        return form in self.tried or form in self._running

    def feasible(self) -> npt.NDArray[np.bool_]:
        """(n,) whether all constraints were met."""
        return np.array([not (x is not None and x > 0) for x in self.infeasibilities], dtype=bool)

    def best(self, k: int) -> list[AnyArchitecture]:
        """The k best, of several objectives those with the best sum of ranks; feasible ones where there are any."""
        if not self.values:
            return []
        feasible = self.feasible()
        rows = np.flatnonzero(feasible if feasible.any() else ~feasible)
        # Twice argsort gives each value's rank in its column; objectives may be in different units.
        ranks = np.array(self.comparable)[rows].argsort(axis=0).argsort(axis=0).sum(axis=1)
        return [self.architectures[rows[i]] for i in np.argsort(-ranks, kind="stable")[:k]]

    def _take(self, trial: FrozenTrial, signs: list[float]) -> None:
        made = list(self._made_of(trial))
        if not made:
            self.without.append({name: (trial.distributions[name], value) for name, value in trial.params.items()})
        for architecture in made:
            self.tried.add(self._canonical(architecture))
            values = trial.values if trial.state == TrialState.COMPLETE else None
            if values is not None and len(values) == len(signs) and np.isfinite(values).all():
                self._add(architecture, trial, [sign * value for sign, value in zip(signs, values, strict=True)])
                if len(signs) == 1 and trial.intermediate_values:
                    self._curves.append({step: signs[0] * at for step, at in trial.intermediate_values.items()})
                    self._finals.append(self.values[-1][0])
            elif trial.state == TrialState.PRUNED and np.isfinite(_last_report(trial)):
                self._pruned.append((architecture, trial))
            elif PRUNED_BECAUSE not in trial.user_attrs:
                self.failures.append((architecture, self._to_architecture.others(trial)))

    def _add(self, architecture: AnyArchitecture, trial: FrozenTrial, values: Sequence[float]) -> None:
        self.architectures.append(architecture)
        self.values.append(tuple(values))
        self.comparable.append(tuple(values))
        self.others.append(self._to_architecture.others(trial))
        self.infeasibilities.append(infeasibility(trial))

    def _take_pruned(self, sign: float) -> None:
        """Takes the pruned trials whose final values can be estimated by now."""
        waiting, self._pruned = self._pruned, []
        for architecture, trial in waiting:
            step, last = max(trial.intermediate_values), _last_report(trial)
            rows = [row for row, curve in enumerate(self._curves) if np.isfinite(curve.get(step, np.nan))]
            if len(rows) < _MIN_CURVES:
                self._pruned.append((architecture, trial))
                continue
            at, final = limited([self._curves[row][step] for row in rows]), limited([self._finals[row] for row in rows])
            away = at - at.mean()
            slope = max(0.0, float(away @ final / (away @ away))) if away.any() else 0.0
            # Not above the best: what was pruned is no record.
            estimate = min(float(final.mean() + slope * (sign * last - at.mean())), max(self._finals))
            self._add(architecture, trial, [estimate])

    def _forms(self, trial: FrozenTrial) -> Iterator[AnyArchitecture]:
        """The canonical form of a running trial's network, whether or not all its parameters were suggested yet."""
        reserved = trial.system_attrs.get(RESERVED)
        if reserved is not None:
            yield architecture_from_dict(reserved["network"])
        else:
            yield from map(self._canonical, self._made_of(trial))

    def _made_of(self, trial: FrozenTrial) -> Iterator[AnyArchitecture]:
        """The architecture of a trial, or nothing."""
        try:
            yield self._to_architecture(trial)
        except (TartError, optuna.TrialPruned, KeyError, ValueError):
            return


def _last_report(trial: FrozenTrial) -> float:
    """The last value of a learning curve; NaN where there is none."""
    curve = trial.intermediate_values
    return curve[max(curve)] if curve else np.nan


def infeasibility(trial: FrozenTrial) -> float | None:
    """The largest constraint value of a trial, above 0 where one is violated; None where none was set."""
    if hasattr(trial, "constraints"):  # Optuna 5
        values: Any = list(trial.constraints.values())
    else:
        values = trial.system_attrs.get("constraints") or ()
    return max(map(float, values), default=None)


def canonical_form(space: object) -> Canonical:
    """The space's own canonical form where it has one, else that of its genotype."""
    return getattr(space, "canonical", _canonical_by_genotype)


def _canonical_by_genotype(architecture: Architecture) -> Architecture:
    return replace(architecture, genotype=canonical_genotype(architecture.genotype))
