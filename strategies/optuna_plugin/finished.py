"""Reads a long study once: which of its trials have finished since the last time."""

import optuna
from optuna.trial import FrozenTrial

from tart_nas.trials.optuna_internals import all_trials

__all__ = ["FinishedTrials"]


class FinishedTrials:
    """Gives each finished trial once, however many there are."""

    def __init__(self) -> None:
        self._first = 0  # all before this one were given
        self._later: set[int] = set()  # and these, beyond one that has not finished

    def read(self, study: optuna.Study) -> tuple[list[FrozenTrial], list[FrozenTrial]]:
        """The trials that have finished since the last time, and all that have not."""
        trials = all_trials(study)
        new, unfinished = [], []
        for trial in trials[self._first :]:
            if not trial.state.is_finished():
                unfinished.append(trial)
            elif trial.number not in self._later:
                new.append(trial)
        self._later |= {trial.number for trial in new}
        while self._first in self._later:
            self._later.discard(self._first)
            self._first += 1
        return new, unfinished
