"""The picks of a run trained as tasks of a cluster of Ray's.

The search claims trials of the study as always and sends heartbeats for them. It hands each pick to the cluster, which
finds a machine for it and begins it again where a machine is lost. The network and its learning curve come back through
Ray, and the search alone writes them: the machines need neither the run folder nor the study.
"""

import time
from contextlib import ExitStack
from types import TracebackType
from typing import Any

from rich.console import Console

from tart_nas.cluster import RayCluster, Task
from tart_nas.errors import MachineError
from tart_nas.runs.pick_outcome import PickOutcome, for_other_machines, train_for_another
from tart_nas.runs.report import UnfinishedReport
from tart_nas.runs.study import Pick
from tart_nas.runs.training import Trainer
from tart_nas.trials import Claim, TrialQueue

__all__ = ["RayEngine"]

_PAUSE = 1.0  # seconds between two looks at the study, in which other processes may have put trials back
_AHEAD = 2  # trials that are claimed for each that the cluster runs now: machines that join find work at once


class RayEngine:
    """Trains what a search gives it on a cluster; a context manager.

    Args:
        cluster: is entered with this.
        console: for progress.
    """

    def __init__(self, cluster: RayCluster, console: Console) -> None:
        self._cluster, self._console = cluster, console
        self._training: Any = None  # in the object store

    def __enter__(self) -> "RayEngine":
        self._cluster.__enter__()
        if self._cluster.lacks_machine():
            self._console.print("no machine of the cluster is large enough for a trial: the trials wait for one")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._cluster.__exit__(kind, error, at)

    def train_round(self, queue: TrialQueue, trainer: Trainer, unfinished: UnfinishedReport) -> None:
        """Trains until nothing waits or runs: first what a killed process of the search left, then what waits.

        Raises:
            ClusterError: if a machine has another version of the package.
        """
        running: dict[Task, tuple[Claim, ExitStack]] = {}  # the stack ends the claim
        with ExitStack() as claims:
            while True:
                queue.fail_stale_trials()
                unfinished.renew()
                while len(running) < _AHEAD * self._cluster.slots():
                    block = claims.enter_context(ExitStack())
                    claim = block.enter_context(queue.claimed())
                    if claim is None:
                        break
                    running[self._submit(claim, trainer)] = claim, block
                if not running and queue.is_idle():
                    return
                for task in self._ended(list(running)):
                    claim, block = running.pop(task)
                    with block:
                        self._settle(task, claim, trainer)

    def _submit(self, claim: Claim, trainer: Trainer) -> Task:
        if self._training is None:
            self._training = self._cluster.share(for_other_machines(trainer.training))
        pick = Pick.from_attributes(claim.known.user_attrs)
        return self._cluster.submit(train_for_another, [self._training], pick, self._cluster.device, name=pick.name)

    def _ended(self, tasks: list[Task]) -> list[Task]:
        if tasks:
            return self._cluster.ended(tasks, _PAUSE)
        time.sleep(_PAUSE)  # others train
        return []

    def _settle(self, task: Task, claim: Claim, trainer: Trainer) -> None:
        try:
            outcome: PickOutcome = self._cluster.result(task)
        except MachineError as error:
            trainer.record_loss(claim, str(error))
        else:
            trainer.record(claim, outcome)
