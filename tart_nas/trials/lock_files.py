"""A queue whose processes share a file system: each holds a lock on a file of its trial.

The system frees a lock however its process ends. So a trial that runs but is not locked was left by a killed process,
and the next one takes it up at once; nothing has to be waited for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, TrialState

from tart_nas.trials.optuna_internals import stored_trial
from tart_nas.trials.queue import TrialQueue
from tart_nas.trials.retrying import RetryWhileUnreachable

__all__ = ["LockFileQueue"]


class LockFileQueue(TrialQueue):
    """A queue of processes that lock files.

    Args:
        study: whose trials are worked on.
        is_ours: tells the queue's trials from those of others.
        folder: of the lock files, ``NUMBER.lock`` for each trial; it must be there.
    """

    def __init__(self, study: optuna.Study, is_ours: Callable[[FrozenTrial], bool], folder: Path) -> None:
        super().__init__(study, is_ours, RetryWhileUnreachable(0))  # a file is never away
        self._folder = folder

    def fail_stale_trials(self) -> None:
        """Nothing: what a stopped process left is taken up in place."""

    @contextmanager
    def _holding(self, trial: FrozenTrial) -> Iterator[bool]:
        lock = FileLock(self._folder / f"{trial.number}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            yield False
            return
        try:
            state = stored_trial(self._study, trial).state  # another process may have ended it since it was listed
            yield state == TrialState.RUNNING or (state == TrialState.WAITING and self._start(trial))
        finally:
            lock.release()
