"""Several processes on one run: who trains which trial, and what becomes of the trial of one that died.

A worker claims a waiting trial, which the storage gives to one of them only, and lets a counter in the trial grow while
it trains. Whoever sees a counter stand still for too long, by its own clock, has the trial fail; the search itself,
which alone plans trials, enqueues it once more. This needs nothing of a storage but attributes: it works on all that
Optuna has, of which only databases have heartbeats of their own.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from tart_nas.runs.storage import RetryWhileUnreachable, unreachable
from tart_nas.runs.study import FAILURE, Pick, enqueue, is_pick

__all__ = ["TrialQueue"]

_WORKER, _BEAT, _LOST = "tart_nas:worker", "tart_nas:beat", "tart_nas:lost"  # system attributes of trials
_HELPED = "helped"  # user attribute of a study that workers have joined
_RETRY_OF = "retry_of"  # user attribute of a trial
_MAIN = "search"
_LAST_BEAT = 5.0  # seconds that the end of a trial waits for one under way
_SILENCE = 6  # beats missed, after which a worker is taken for dead


class TrialQueue:
    """This process among those that work on a run.

    Args:
        study: of the run.
        interval: seconds between two heartbeats; a worker that is silent for six of them is taken for dead.
        retrying: repeats what fails while the storage is away.
        is_main: whether this is the search itself, of which there is one at a time.
    """

    def __init__(self, study: optuna.Study, interval: float, retrying: RetryWhileUnreachable, is_main: bool) -> None:
        self._study, self._interval, self._retrying, self._is_main = study, interval, retrying, is_main
        self._name = _MAIN if is_main else f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._seen: dict[int, tuple[object, float]] = {}  # trial number -> its last beat, and when it came
        self._looked = time.monotonic()
        if not is_main:
            retrying(lambda: study.set_user_attr(_HELPED, True))

    def interrupted_trials(self) -> list[tuple[Trial, FrozenTrial]]:
        """What an earlier process of the search itself left running, to be taken up in place."""
        helped = _HELPED in self._study.user_attrs
        owners = (None, _MAIN) if not helped else (_MAIN,)  # unowned: killed between claiming and saying so
        running = self._trials(TrialState.RUNNING)
        return [self._taken(trial) for trial in running if trial.system_attrs.get(_WORKER) in owners]

    def claim(self) -> tuple[Trial, FrozenTrial] | None:
        """A waiting trial that is now this process's alone, with what is known of it; None when there is none."""
        for trial in self._trials(TrialState.WAITING):
            with suppress(UpdateFinishedTrialError):
                if self._study._storage.set_trial_state_values(trial._trial_id, state=TrialState.RUNNING):
                    return self._taken(trial)
        return None

    def is_idle(self) -> bool:
        """Whether none of the run's trials waits or runs."""
        return not self._trials(TrialState.WAITING, TrialState.RUNNING)

    def fail_stale_trials(self) -> None:
        """Marks trials of stopped workers as failed; the main process enqueues each once more."""
        running = self._trials(TrialState.RUNNING)
        now = time.monotonic()
        if now - self._looked > _SILENCE / 2 * self._interval:  # it was not the others that were silent
            self._seen.clear()
        self._looked = now
        for trial in running:
            beat = (trial.system_attrs.get(_WORKER), trial.system_attrs.get(_BEAT))
            known, since = self._seen.get(trial.number, (None, 0.0))
            if known != beat:
                self._seen[trial.number] = (beat, now)
            elif now - since > _SILENCE * self._interval and beat[0] != self._name:
                self._fail(trial)
        if self._is_main:
            self._retry()

    @contextmanager
    def heartbeat(self, trial: Trial) -> Iterator[None]:
        """Lets the trial's heart beat, and tends to the others', while the block runs."""
        done = threading.Event()

        def beat() -> None:
            count = 0
            while not done.wait(self._interval):
                count += 1
                with suppress(UpdateFinishedTrialError, *unreachable()):  # the next beat comes soon
                    self._set(trial._trial_id, _BEAT, count)
                    self.fail_stale_trials()

        heart = threading.Thread(target=beat, daemon=True)
        heart.start()
        try:
            yield
        finally:
            done.set()
            heart.join(_LAST_BEAT)  # a beat that waits for a storage must not keep an interrupted process

    def _trials(self, *states: TrialState) -> list[FrozenTrial]:
        """The run's trials in some states: what others added to the study is theirs."""
        return [trial for trial in self._study.get_trials(deepcopy=False, states=states) if is_pick(trial)]

    def _taken(self, trial: FrozenTrial) -> tuple[Trial, FrozenTrial]:
        self._set(trial._trial_id, _WORKER, self._name)
        return Trial(self._study, trial._trial_id), self._study._storage.get_trial(trial._trial_id)

    def _set(self, trial_id: int, name: str, value: object) -> None:
        self._study._storage.set_trial_system_attr(trial_id, name, value)  # type: ignore[arg-type]

    def _fail(self, trial: FrozenTrial) -> None:
        storage = self._study._storage
        with suppress(UpdateFinishedTrialError):  # another was quicker
            storage.set_trial_user_attr(trial._trial_id, FAILURE, "its worker stopped")
            self._set(trial._trial_id, _LOST, True)
            storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)

    def _retry(self) -> None:
        trials = self._trials(*TrialState)
        retried = {trial.user_attrs.get(_RETRY_OF) for trial in trials}
        for trial in trials:
            is_lost = trial.state == TrialState.FAIL and trial.system_attrs.get(_LOST)
            if is_lost and _RETRY_OF not in trial.user_attrs and trial.number not in retried:
                attributes = {**Pick.from_attributes(trial.user_attrs).to_attributes(), _RETRY_OF: trial.number}
                enqueue(self._study, attributes, (trial.params, trial.distributions))
