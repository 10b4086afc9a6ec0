"""Trials that wait in a study, and the processes that claim them one by one."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from tart_nas.trials.optuna_internals import running_trial, stored_trial, try_set_state
from tart_nas.trials.retrying import RetryWhileUnreachable

__all__ = ["FAILURE", "Claim", "TrialQueue"]

FAILURE = "failure"
"""The user attribute of a failed trial that says why."""


@dataclass(frozen=True)
class Claim:
    """A trial that is one process's alone, until it tells the study how it ended.

    Args:
        trial: takes reports, attributes and the end.
        known: what the study knew of it when it was claimed.
    """

    trial: Trial
    known: FrozenTrial


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
                if is_held:
                    now = self._retrying(partial(stored_trial, self._study, known))
                    yield Claim(running_trial(self._study, known), now)
                    return
        yield None

    @abstractmethod
    def fail_stale_trials(self) -> None:
        """Marks trials of stopped processes as failed, where nobody can take them up in place."""

    @abstractmethod
    def _holding(self, trial: FrozenTrial) -> AbstractContextManager[bool]:
        """Inside, a trial runs and is this process's alone, which others can see; False if it is another's."""

    def _start(self, trial: FrozenTrial) -> bool:
        """Has a waiting trial run; False if another process was quicker."""
        try:
            return self._retrying(lambda: try_set_state(self._study, trial, TrialState.RUNNING))
        except UpdateFinishedTrialError:  # quicker still: it has ended
            return False
