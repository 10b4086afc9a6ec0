"""Networks measured as tasks of a cluster of Ray's.

This process claims the networks of the study as always, and alone writes the study and the file of labels. Ray finds a
machine for each network, and begins it again on another one where a machine or its worker process is lost.
"""

from collections.abc import Callable, Collection
from contextlib import ExitStack

from tart_nas.architecture import Architecture
from tart_nas.cluster import RayCluster, Task
from tart_nas.errors import MachineError
from tart_nas.images import ImageData
from tart_nas.measurements.outcome import MeasuringOutcome, for_other_machines, outcome_of
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.measurements.study import MeasuringStudy
from tart_nas.trials import Claim

__all__ = ["Claimed", "Settle", "measure_on_cluster"]

_AHEAD = 2  # networks that are claimed for each that the cluster measures now: machines that join find work at once

Claimed = tuple[int, Architecture, Claim]
"""A network to measure: its index, its architecture and the claim of its trial."""

Settle = Callable[[Claimed, MeasuringOutcome | MachineError], None]
"""Is told how a network's measurement went, while the claim holds."""


def measure_on_cluster(
    cluster: RayCluster,
    study: MeasuringStudy,
    images: ImageData | None,
    settings: MeasuringSettings,
    *,
    device: str,
    at_most: int | None,
    left: Collection[int],
    settle: Settle,
) -> int:
    """Measures until nothing waits that this process may claim.

    Args:
        cluster: entered.
        study: whose networks are claimed.
        images: of all networks; None for the latency alone.
        settings: how.
        device: of the tasks, as its name.
        at_most: how many networks are measured; None for all.
        left: indices that are left to others; ``settle`` may add to them.
        settle: is called in this process.

    Returns:
        How many networks were measured, or tried.

    Raises:
        ClusterError: if a machine has another version of the package.
    """
    shared = [cluster.share(None if images is None else for_other_machines(images)), cluster.share(settings)]
    running: dict[Task, tuple[Claimed, ExitStack]] = {}  # the stack ends the claim
    begun = 0
    with ExitStack() as claims:
        while True:
            while len(running) < _AHEAD * cluster.slots() and (at_most is None or begun < at_most):
                block = claims.enter_context(ExitStack())
                ours = {claimed[0] for claimed, _ in running.values()}
                claimed = block.enter_context(study.claimed(without={*left, *ours}))
                if claimed is None:
                    break
                index, architecture, _ = claimed
                task = cluster.submit(outcome_of, shared, index, architecture, device, name=f"network {index}")
                running[task] = claimed, block
                begun += 1
            if not running:
                return begun
            for task in cluster.ended(list(running), None):
                claimed, block = running.pop(task)
                with block:
                    settle(claimed, _outcome(cluster, task))


def _outcome(cluster: RayCluster, task: Task) -> MeasuringOutcome | MachineError:
    try:
        outcome: MeasuringOutcome = cluster.result(task)
    except MachineError as error:
        return error
    return outcome
