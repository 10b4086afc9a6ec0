"""The labelled architectures of a study; each of its trials is read once."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tart_nas.architecture import Architecture
from tart_nas.errors import TartError
from tart_nas.search_spaces import architecture_from_dict, canonical_genotype
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies.optuna_plugin.finished import FinishedTrials

__all__ = ["RESERVED", "History", "canonical_form", "infeasibility"]

RESERVED = "tart_nas:network"
"""The system attribute of a trial that tells what a sampler has chosen for it.

``network`` is the architecture in canonical form. Its parameters are suggested one after another; until the last of
them is written, this tells other samplers of the study what is being trained. ``informed`` is whether a predictor chose
it among candidates, so that a pruner need not doubt it.
"""

Floats = npt.NDArray[np.float64]
Canonical = Callable[[Any], AnyArchitecture]
"""Gives the form that equal networks share."""


class History:
    """The labelled architectures of a study, and all that were tried.

    Trials that failed, were pruned or gave no finite value teach nothing; trials without the space's parameters (of
    another space, or of an objective without architectures) and those of other macro settings are left out.

    Args:
        to_architecture: rebuilds the architecture of a trial.
        canonical: the form that equal networks share.

    Attributes:
        architectures: n of them, in the order in which their trials were read.
        values: n tuples, one number per objective, higher is better whatever the study's directions.
        infeasibilities: n numbers, above 0 where a constraint was violated; None where none was set.
        tried: the canonical forms of all architectures of finished trials.
    """

    def __init__(self, to_architecture: Callable[[FrozenTrial], AnyArchitecture], canonical: Canonical) -> None:
        self._to_architecture, self._canonical = to_architecture, canonical
        self._finished = FinishedTrials()
        self._running: set[AnyArchitecture] = set()
        self.architectures: list[AnyArchitecture] = []
        self.values: list[tuple[float, ...]] = []
        self.infeasibilities: list[float | None] = []
        self.tried: set[AnyArchitecture] = set()

    def read(self, study: optuna.Study, number: int) -> None:
        """Reads what has finished since the last time, and what runs beside trial ``number``."""
        signs = [-1.0 if direction == StudyDirection.MINIMIZE else 1.0 for direction in study.directions]
        finished, unfinished = self._finished.read(study)
        for trial in finished:
            self._take(trial, signs)
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
        ranks = np.array(self.values)[rows].argsort(axis=0).argsort(axis=0).sum(axis=1)
        return [self.architectures[rows[i]] for i in np.argsort(-ranks, kind="stable")[:k]]

    def _take(self, trial: FrozenTrial, signs: list[float]) -> None:
        for architecture in self._made_of(trial):
            self.tried.add(self._canonical(architecture))
            values = trial.values if trial.state == TrialState.COMPLETE else None
            if values is not None and len(values) == len(signs) and np.isfinite(values).all():
                self.architectures.append(architecture)
                self.values.append(tuple(sign * value for sign, value in zip(signs, values, strict=True)))
                self.infeasibilities.append(infeasibility(trial))

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
