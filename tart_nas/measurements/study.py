"""The trials of a measuring run: an Optuna study with one trial for each network, shared by any number of workers.

Networks are enqueued once. Workers claim trials by lock files (:mod:`tart_nas.trials.lock_files`): they may be
processes of one machine, or of several with a common file system. ``labels.json`` alone suffices to go on elsewhere:
the study is made from it.

Trials that somebody else added to the study are left alone. What somebody else's ``optimize`` took from it was not
measured, which shows because it has no label: it is enqueued again.
"""

import json
import math
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tart_nas.errors import RunFolderError, reason
from tart_nas.measurements.label_file import relative_time
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, architecture_from_dict
from tart_nas.study_file import open_study_file
from tart_nas.trials import FAILURE, Claim, LockFileQueue

__all__ = ["MeasuringStudy", "StudyResults", "trial_value"]

_NAME = "tart-nas measure"  # of the study: one folder has one
_INDEX, _ARCHITECTURE, _LABEL, _IS_FINAL, _INTERRUPTIONS = (  # user attributes of trials
    "index", "architecture", "label", "failure_is_final", "interruptions"
)  # fmt: skip
_GROUP = "group"  # user attribute of the study, which those of earlier versions lack


@dataclass(frozen=True)
class StudyResults:
    """How far a measurement is.

    Args:
        labels: of the networks that were measured, by index.
        failed: the reasons of failures for ever, by index.
        indices: of all networks that the study knows.
    """

    labels: dict[int, dict[str, Any]]
    failed: dict[int, str]
    indices: frozenset[int]


class MeasuringStudy:
    """The study in a folder, made when there is none.

    Args:
        folder: where ``study.sqlite3`` and the lock files are.

    Raises:
        RunFolderError: if the file is not a study of measurements.
    """

    def __init__(self, folder: Path) -> None:
        locks = folder / ".locks"
        locks.mkdir(parents=True, exist_ok=True)
        path = folder / "study.sqlite3"
        try:
            with FileLock(locks / "study.lock"):  # of several workers, one makes it
                storage = open_study_file(path)
            self._study = optuna.create_study(
                storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True
            )
        except Exception as error:  # whatever SQLAlchemy, SQLite and Optuna raise on a foreign or truncated file
            raise RunFolderError(f"{path} is not the study of a measurement: {reason(error)}.") from error
        self._queue = LockFileQueue(self._study, _is_network, locks)

    @property
    def group(self) -> str | None:
        """The name over the labels of its networks; None of a new study, and of one of an earlier version."""
        name: str | None = self._study.user_attrs.get(_GROUP)
        return name

    def name_group(self, group: str) -> None:
        """Notes the name over the labels of its networks."""
        self._study.set_user_attr(_GROUP, group)

    def differing(self, architectures: Mapping[int, AnyArchitecture]) -> int | None:
        """The first index under which the study has another network than the given one; None if there is none."""
        counting = self._counting()
        return next((i for i, a in architectures.items() if i in counting and _architecture(counting[i]) != a), None)

    def plan(self, architectures: Mapping[int, AnyArchitecture]) -> bool:
        """Enqueues the networks that have no trial which waits, runs, was measured, or failed for ever.

        Args:
            architectures: none of which may be :meth:`differing`.

        Returns:
            Whether there were any.
        """
        counting = self._counting()
        are_missing = False
        for index, architecture in architectures.items():
            trial = counting.get(index)
            if trial is None or not _is_settled(trial):
                attributes = {_INDEX: index, _ARCHITECTURE: json.dumps(architecture.to_dict())}
                self._study.enqueue_trial({}, user_attrs=attributes)
                are_missing = True
        return are_missing

    def add(self, labels: Mapping[int, Mapping[str, Any]], failed: Mapping[int, tuple[AnyArchitecture, str]]) -> None:
        """Takes over networks that were measured before, or failed for ever.

        Args:
            labels: by index; taken where the study has none of the network. It may wait there, or have failed, and have
                been measured elsewhere meanwhile, from a copy of the file.
            failed: by index; taken where the study knows nothing of the network.
        """
        known = self._counting()
        for index, label in labels.items():
            if index not in known or not _is_measured(known[index]):
                attributes = {_INDEX: index, _ARCHITECTURE: json.dumps(label["architecture"]), _LABEL: dict(label)}
                trial = optuna.create_trial(value=trial_value(label), user_attrs=attributes)
                self._study.add_trial(trial)
        for index, (architecture, failure) in failed.items():
            if index not in known:
                attributes = {_INDEX: index, _ARCHITECTURE: json.dumps(architecture.to_dict()), **_failure(failure)}
                self._study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs=attributes))

    @contextmanager
    def claimed(self, without: Container[int] = ()) -> Iterator[tuple[int, AnyArchitecture, Claim] | None]:
        """The index, the architecture and the claim of a network to measure, which no other worker has; or None.

        Args:
            without: indices that are left to others. What was interrupted by the machine before comes last.
        """
        # Of which a trial may wait all the same: its label was taken over from a file.
        measured = {index for index, trial in self._counting().items() if _is_measured(trial)}
        with self._queue.claimed(
            order=lambda trial: trial.user_attrs.get(_INTERRUPTIONS, 0),
            is_wanted=lambda trial: not any(trial.user_attrs[_INDEX] in left for left in (measured, without)),
        ) as claim:
            yield None if claim is None else (claim.known.user_attrs[_INDEX], _architecture(claim.known), claim)

    def tell(self, claim: Claim, label: Mapping[str, Any], accuracies: Mapping[int, float]) -> None:
        """A network was measured: the trial's value is the validation accuracy in per cent, as in the label.

        Studies of the version before have that unit, and the trials of one study must be comparable.

        Args:
            claim: of its trial.
            label: what was measured.
            accuracies: on the validation images after each epoch, in [0, 1].
        """
        with suppress(UpdateFinishedTrialError):
            for epoch, accuracy in accuracies.items():
                claim.trial.report(accuracy, epoch)
        self._end(claim, {_LABEL: dict(label)}, TrialState.COMPLETE, trial_value(label))

    def fail(self, claim: Claim, reason: str) -> None:
        """A network cannot be measured, however often it is tried."""
        self._end(claim, _failure(reason), TrialState.FAIL)

    def interrupt(self, claim: Claim) -> None:
        """The machine failed: the trial stays open, and comes after those that were not tried yet."""
        self._end(claim, {_INTERRUPTIONS: claim.known.user_attrs.get(_INTERRUPTIONS, 0) + 1})

    def _end(
        self, claim: Claim, attributes: Mapping[str, Any], state: TrialState | None = None, value: float | None = None
    ) -> None:
        """Nothing where the claim does not hold: a file system that several machines share may lose a lock."""
        if not claim.holds():
            return
        with suppress(UpdateFinishedTrialError):
            for name, attribute in attributes.items():
                claim.trial.set_user_attr(name, attribute)
            if state is not None:
                claim.end(state, value)

    def results(self) -> StudyResults:
        """The labels, the reasons of failures for ever, and what else there is."""
        counting = self._counting()
        labels = {i: trial.user_attrs[_LABEL] for i, trial in counting.items() if _is_measured(trial)}
        failed = {i: trial.user_attrs[FAILURE] for i, trial in counting.items() if _has_failed(trial)}
        return StudyResults(labels, failed, frozenset(counting))

    def _counting(self) -> dict[int, FrozenTrial]:
        """By index, a network's trial that counts: the first that was measured, or that failed for ever, else the last.

        Measured ones come first: what failed here may have been measured elsewhere, see :meth:`add`.
        """
        counting: dict[int, FrozenTrial] = {}
        for trial in self._queue.trials(*TrialState):
            index = trial.user_attrs[_INDEX]
            before = _finality(counting[index]) if index in counting else 0
            if before == 0 or _finality(trial) > before:
                counting[index] = trial
        return counting


def trial_value(label: Mapping[str, Any]) -> float:
    """What a trial's value is: the validation accuracy in per cent, or of a label of the latency alone the speed."""
    return float(label["val_acc"]) if "val_acc" in label else -math.log(relative_time(label))


def _is_network(trial: FrozenTrial) -> bool:
    """Whether a trial is one of the measurement; else somebody else added it to the study."""
    return {_INDEX, _ARCHITECTURE} <= trial.user_attrs.keys()


def _architecture(trial: FrozenTrial) -> AnyArchitecture:
    return architecture_from_dict(json.loads(trial.user_attrs[_ARCHITECTURE]))


def _failure(reason: str) -> dict[str, Any]:
    return {FAILURE: reason, _IS_FINAL: True}


def _is_settled(trial: FrozenTrial) -> bool:
    """Whether a trial needs no other: it is open, was measured, or failed for ever.

    Earlier versions did not say whether a failure was the network's own: such a network is tried once more.
    """
    return not trial.state.is_finished() or _finality(trial) > 0


def _finality(trial: FrozenTrial) -> int:
    """Of a network's trials the one of the largest counts: 2 of a measured one, 1 of one that failed for ever."""
    return 2 if _is_measured(trial) else int(_has_failed(trial))


def _is_measured(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.COMPLETE and _LABEL in trial.user_attrs


def _has_failed(trial: FrozenTrial) -> bool:
    return trial.state == TrialState.FAIL and bool(trial.user_attrs.get(_IS_FINAL, False))
