"""A process that joins a search and trains what it gives out, on its machine or on another."""

import time
from pathlib import Path

from optuna.storages import BaseStorage
from rich.console import Console

from tart_nas.files import writing_into
from tart_nas.runs.queue import run_queue
from tart_nas.runs.storage import ALL_TRAINED, storage_address
from tart_nas.runs.training import Trainer
from tart_nas.search_spaces import TrialSpace

__all__ = ["HEARTBEAT", "pause", "work"]

HEARTBEAT = "heartbeat"
"""The user attribute of a run's study that tells its workers how many seconds lie between two signs of life."""


def work(
    out: Path | str,
    *,
    storage: str | Path | BaseStorage | None = None,
    data_dir: Path | str | None = None,
    device: str | None = None,
    progress: bool = False,
    space: TrialSpace | str | None = None,
) -> int:
    """Joins a search that runs in another process or on another machine, and trains what it gives out, until its end.

    Args:
        out: the run folder of the search, which this process must see too: the weights go there.
        storage: as in :func:`tart_nas.search`, and as the search was given it: a server or a file outside of ``out``
            is not opened because the run folder names it.
        data_dir: where the images are on this machine.
        device: as in :func:`tart_nas.search`.
        progress: likewise.
        space: what builds the networks, or the name of its function, where they are of a user's own space: what the
            run folder names is not run unasked.

    Returns:
        How many trials this process trained. It ends when all rounds are trained, or when nothing is left to train and
        the search itself no longer runs.

    Raises:
        TartError: if there is no such run, or its storage cannot be reached.
    """
    trainer = Trainer.joining(
        out, storage_address(storage), data_dir, device, Console(quiet=not progress, highlight=False), space
    )
    study, folder, retrying = trainer.study, trainer.folder, trainer.retrying
    while (heartbeat := retrying(lambda: study.user_attrs.get(HEARTBEAT))) is None and folder.is_claimed():
        time.sleep(pause(1.0))  # the search has only just begun
    heartbeat = float(heartbeat or 10.0)
    trainer.check_images()
    queue = run_queue(study, heartbeat, retrying, is_main=False)
    trained = 0
    while not retrying(lambda: study.user_attrs.get(ALL_TRAINED, False)):
        queue.fail_stale_trials()
        with queue.claimed() as claim:
            if claim is not None:
                with writing_into(folder.path, "run folder"):
                    trainer.train(claim)
                trained += 1
        if claim is not None:
            continue
        if folder.is_claimed():
            time.sleep(pause(heartbeat))
        elif queue.is_idle():
            break
        else:
            time.sleep(heartbeat)  # another worker trains yet
    return trained


def pause(heartbeat: float) -> float:
    """Seconds between two looks at a study in which nothing waits."""
    return min(1.0, heartbeat)  # a second is short beside a training, and a look is one query
