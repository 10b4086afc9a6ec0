"""The queue of a run's picks."""

from functools import partial
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from tart_nas.runs.study import Pick, enqueue, is_pick
from tart_nas.trials import HeartbeatQueue, RetryWhileUnreachable

__all__ = ["run_queue"]


def run_queue(
    study: optuna.Study, interval: float, retrying: RetryWhileUnreachable, *, is_main: bool
) -> HeartbeatQueue:
    """The queue of a run as one of its processes sees it.

    Args:
        study: of the run.
        interval: seconds between two signs of life; a process that misses six is taken for dead.
        retrying: repeats what fails while the storage is away.
        is_main: whether this is the search itself, of which there is one at a time.
    """
    retry = partial(_enqueue_again, study) if is_main else None
    return HeartbeatQueue(study, is_pick, retrying, interval=interval, retry=retry)


def _enqueue_again(study: optuna.Study, trial: FrozenTrial, attributes: dict[str, Any]) -> None:
    """Enqueues a trial as it was before it was claimed: without what its worker told of it."""
    as_planned = Pick.from_attributes(trial.user_attrs).to_attributes()
    enqueue(study, {**as_planned, **attributes}, (trial.params, trial.distributions))
