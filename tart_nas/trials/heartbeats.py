"""A queue whose processes share nothing but the study: each lets a counter in its trial grow while it works.

Whoever sees a counter stand still for too long, by its own clock, has the trial fail; the main process, which alone
plans trials, enqueues it once more. This needs nothing of a storage but attributes. Optuna's own heartbeats exist for
databases only, not for the gRPC proxy and journal files.
"""

import _thread
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from tart_nas.trials.optuna_internals import set_system_attr, set_user_attr, try_set_state
from tart_nas.trials.queue import FAILURE, TrialQueue
from tart_nas.trials.retrying import RetryWhileUnreachable, unreachable

__all__ = ["HeartbeatQueue"]

_WORKER, _BEAT, _LOST = "tart_nas:worker", "tart_nas:beat", "tart_nas:lost"  # system attributes of trials
_HELPED = "helped"  # user attribute of a study that workers have joined
_RETRY_OF = "retry_of"  # user attribute of a trial
_MAIN = "search"  # the main process's name, the same after it was killed and begun again
_LAST_BEAT = 5.0  # seconds that others wait for a beat under way: a storage that hangs must not hold them
_SILENCE = 6  # beats missed, after which a worker is taken for dead: a busy machine is silent for several


class HeartbeatQueue(TrialQueue):
    """A queue of processes that give signs of life; of one of them, the main process, there is one at a time.

    Args:
        study: whose trials are worked on.
        is_ours: tells the queue's trials from those of others.
        retrying: repeats what fails while the storage is away.
        interval: seconds between two signs of life.
        retry: given by the main process alone: enqueues a trial whose worker stopped once more, with these user
            attributes beside its own.
    """

    def __init__(
        self,
        study: optuna.Study,
        is_ours: Callable[[FrozenTrial], bool],
        retrying: RetryWhileUnreachable,
        *,
        interval: float,
        retry: Callable[[FrozenTrial, dict[str, Any]], None] | None = None,
    ) -> None:
        super().__init__(study, is_ours, retrying)
        self._interval, self._retry = interval, retry
        self._name = _MAIN if retry else f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._seen: dict[int, tuple[object, float]] = {}  # trial number -> its last beat, and when it came
        self._looked = time.monotonic()
        self._looking = threading.Lock()  # what is read must hold until a lost trial is enqueued, once
        if retry is None:
            retrying(lambda: study.set_user_attr(_HELPED, True))
        self._interrupted = {trial.number for trial in self.interrupted_trials()}

    def interrupted_trials(self) -> list[FrozenTrial]:
        """What an earlier main process left running, for this one to take up in place; nothing for other processes."""
        if self._retry is None:
            return []
        helped = _HELPED in self._retrying(lambda: self._study.user_attrs)
        owners = (_MAIN,) if helped else (_MAIN, None)  # unowned: killed between claiming it and saying so
        return [trial for trial in self.trials(TrialState.RUNNING) if trial.system_attrs.get(_WORKER) in owners]

    def fail_stale_trials(self) -> None:
        """Marks trials of stopped processes as failed; the main process enqueues each of them once more."""
        # A beat that a storage holds for long must not hold this thread too.
        is_alone = self._looking.acquire(timeout=_LAST_BEAT)
        try:
            self._retrying(self._fail_stale_trials)
        finally:
            if is_alone:
                self._looking.release()

    @contextmanager
    def heartbeat(self, trial: FrozenTrial) -> Iterator[None]:
        """Gives signs of life of a trial while the block runs, and watches those of the others."""
        done, ended = threading.Event(), threading.Event()

        def beat() -> None:
            count = 0
            while not _waited(done, self._interval):
                count += 1
                # The next beat comes soon, and memory that did not suffice, also for a lock, is there again then.
                with suppress(UpdateFinishedTrialError, OSError, MemoryError, RuntimeError, *unreachable()):
                    set_system_attr(self._study, trial, _BEAT, count)
                    if self._looking.acquire(blocking=False):  # else another thread is looking
                        try:
                            self._fail_stale_trials()
                        finally:
                            self._looking.release()
            ended.set()

        # Not `threading.Thread`, whose `start` waits for ever for a thread that ends, for lack of memory, as it begins.
        _thread.start_new_thread(beat, ())
        try:
            yield
        finally:
            done.set()
            ended.wait(_LAST_BEAT)

    @contextmanager
    def _holding(self, trial: FrozenTrial) -> Iterator[bool]:
        if trial.state == TrialState.RUNNING:
            is_held = trial.number in self._interrupted
            self._interrupted.discard(trial.number)
        else:
            is_held = self._start(trial)
        if not is_held:
            yield False
            return
        with suppress(UpdateFinishedTrialError):  # stood still meanwhile and was taken for dead: no claim comes of it
            self._retrying(lambda: set_system_attr(self._study, trial, _WORKER, self._name))
        with self.heartbeat(trial):
            yield True

    def _fail_stale_trials(self) -> None:
        running = self._now(TrialState.RUNNING)
        now = time.monotonic()
        if now - self._looked > _SILENCE / 2 * self._interval:  # it was not the others that were silent
            self._seen.clear()
        self._looked = now
        for trial in running:
            beat = (trial.system_attrs.get(_WORKER), trial.system_attrs.get(_BEAT))
            last, since = self._seen.get(trial.number, (None, 0.0))
            if last != beat:
                self._seen[trial.number] = (beat, now)
            elif now - since > _SILENCE * self._interval and beat[0] != self._name:
                self._fail(trial)
        if self._retry is not None:
            self._retry_lost_trials(self._retry)

    def _fail(self, trial: FrozenTrial) -> None:
        with suppress(UpdateFinishedTrialError):  # another was quicker
            set_user_attr(self._study, trial, FAILURE, "its worker stopped")
            set_system_attr(self._study, trial, _LOST, True)
            try_set_state(self._study, trial, TrialState.FAIL)

    def _retry_lost_trials(self, retry: Callable[[FrozenTrial, dict[str, Any]], None]) -> None:
        trials = self._now(*TrialState)
        retried = {trial.user_attrs.get(_RETRY_OF) for trial in trials}
        for trial in trials:
            is_lost = trial.state == TrialState.FAIL and trial.system_attrs.get(_LOST)
            if is_lost and _RETRY_OF not in trial.user_attrs and trial.number not in retried:
                retry(trial, {_RETRY_OF: trial.number})

    def _now(self, *states: TrialState) -> list[FrozenTrial]:
        """As :meth:`trials`, without waiting for a storage that is away: a heart must go on beating."""
        found = self._study.get_trials(deepcopy=False, states=states)
        return [trial for trial in found if self._is_ours(trial)]


def _waited(done: threading.Event, seconds: float) -> bool:
    """As ``done.wait(seconds)``, also where memory does not suffice for the lock that this takes."""
    try:
        return done.wait(seconds)
    except (MemoryError, RuntimeError):
        time.sleep(seconds)
        return done.is_set()
