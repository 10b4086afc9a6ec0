"""Trials that wait in a study, and the processes that claim them one by one."""

import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from tart_nas.trials.optuna_internals import running_trial, set_system_attr, stored_trial, try_set_state
from tart_nas.trials.retrying import RetryWhileUnreachable

__all__ = ["FAILURE", "Claim", "TrialQueue", "claim_number"]

FAILURE = "failure"
"""The user attribute of a failed trial that says why."""

_CLAIM = "tart_nas:claim"  # system attribute of a trial: the number of its last claim
_NUMBERS = 1 << 31  # of which each claim draws one, so that no two of a trial are likely to have the same


@dataclass(frozen=True)
class Claim:
    """A trial that is one process's alone, until it tells the study how it ended.

    A process that stands still for too long (a stopped one, a machine that swaps) loses its claim without noticing:
    the trial is another's when it goes on. So each claim has a number. Whoever writes something for a trial marks it
    with the number, and what counts is what the claim wrote that ended the trial.

    The number is random and not a count: on SQLite, Optuna reads a trial's state and then writes it, and a process that
    stands still between the two claims what another claimed meanwhile. Both would count to the same number.

    Args:
        trial: takes reports, attributes and the end.
        known: what the study knew of it when it was claimed.
        number: of this claim.
    """

    trial: Trial
    known: FrozenTrial
    number: int

    def holds(self) -> bool:
        """Whether the trial was not claimed again, and has not failed, since."""
        now = stored_trial(self.trial.study, self.trial)
        return claim_number(now) == self.number and now.state in (TrialState.RUNNING, TrialState.COMPLETE)

    def end(self, state: TrialState, value: float | None = None) -> None:
        """Tells the study how the trial ended.

        Raises:
            UpdateFinishedTrialError: if the claim does not hold.
        """
        if not self.holds():
            raise UpdateFinishedTrialError(f"Trial {self.trial.number} was given to another process.")
        try_set_state(self.trial.study, self.trial, state, value)


def claim_number(trial: FrozenTrial) -> int:
    """The number of a trial's last claim, 0 before the first one and in studies of earlier versions."""
    number: int = trial.system_attrs.get(_CLAIM, 0)
    return number


class TrialQueue(ABC):
    """The waiting trials of a study as one of its processes sees them.

    How processes see of each other that they are alive is a subclass's:
    :class:`~tart_nas.trials.heartbeats.HeartbeatQueue` needs nothing but the study,
    :class:`~tart_nas.trials.lock_files.LockFileQueue` a common file system.

    Args:
        study: whose trials are worked on.
        is_ours: tells the queue's trials from those that others added to the study, which are left alone.
        retrying: repeats what fails while the storage is away.
    """

    def __init__(
        self, study: optuna.Study, is_ours: Callable[[FrozenTrial], bool], retrying: RetryWhileUnreachable
    ) -> None:
        self._study, self._is_ours, self._retrying = study, is_ours, retrying

    def trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The queue's trials in some states, by number."""
        found = self._retrying(lambda: self._study.get_trials(deepcopy=False, states=states))
        return [trial for trial in found if self._is_ours(trial)]

    def is_idle(self) -> bool:
        """Whether no trial waits or runs."""
        return not self.trials(TrialState.WAITING, TrialState.RUNNING)

    @contextmanager
    def claimed(
        self,
        order: Callable[[FrozenTrial], int] = lambda trial: 0,
        is_wanted: Callable[[FrozenTrial], bool] = lambda trial: True,
    ) -> Iterator[Claim | None]:
        """Inside, a trial that waited, or that a process which is gone left running, is this process's alone.

        Args:
            order: the least comes first; of equal ones those that were left running, then by number.
            is_wanted: tells the trials that this process takes.

        Returns:
            None if there is no such trial.
        """
        candidates = filter(is_wanted, self.trials(TrialState.RUNNING, TrialState.WAITING))
        for known in sorted(candidates, key=lambda trial: (order(trial), trial.state == TrialState.WAITING)):
            with self._holding(known) as is_held:
                claim = self._retrying(partial(self._numbered, known)) if is_held else None
                if claim is not None:
                    yield claim
                    return
        yield None

    @abstractmethod
    def fail_stale_trials(self) -> None:
        """Marks trials of stopped processes as failed, where nobody can take them up in place."""

    @abstractmethod
    def _holding(self, trial: FrozenTrial) -> AbstractContextManager[bool]:
        """Inside, a trial runs and is this process's alone, which others can see; False if it is another's."""

    def _numbered(self, trial: FrozenTrial) -> Claim | None:
        """The claim of a trial that is held; None if this process stood still meanwhile, and was taken for dead."""
        try:
            number = 1 + secrets.randbelow(_NUMBERS)
            set_system_attr(self._study, trial, _CLAIM, number)
        except UpdateFinishedTrialError:
            return None
        return Claim(running_trial(self._study, trial), stored_trial(self._study, trial), number)

    def _start(self, trial: FrozenTrial) -> bool:
        """Has a waiting trial run; False if another process was quicker."""
        try:
            return self._retrying(lambda: try_set_state(self._study, trial, TrialState.RUNNING))
        except UpdateFinishedTrialError:  # quicker still: it has ended
            return False
