"""Networks measured as tasks of a cluster of Ray's.

This process claims the networks of the study as always, and alone writes the study and the file of labels. Ray finds a
machine for each network, and begins it again on another one where a machine or its worker process is lost.
"""

from contextlib import ExitStack

from tart_nas.cluster import RayCluster, Task
from tart_nas.errors import MachineError
from tart_nas.images import ImageData
from tart_nas.measurements.label_folder import Claimed, LabelFolder
from tart_nas.measurements.outcome import Build, MeasuringOutcome, for_other_machines, outcome_of
from tart_nas.measurements.settings import MeasuringSettings

__all__ = ["measure_on_cluster"]

_AHEAD = 2  # networks that are claimed for each that the cluster measures now: machines that join find work at once


def measure_on_cluster(
    cluster: RayCluster,
    folder: LabelFolder,
    images: ImageData | None,
    settings: MeasuringSettings,
    build: Build | None,
    *,
    device: str,
    at_most: int | None,
) -> int:
    """Measures until nothing waits that this process may claim.

    Args:
        cluster: entered.
        folder: whose networks are claimed, and which is told how it went.
        images: of all networks; None for the latency alone.
        settings: how.
        build: makes networks that are not made of cells; None where there are none.
        device: of the tasks, as its name.
        at_most: how many networks are measured; None for all.

    Returns:
        How many networks were measured, or tried.

    Raises:
        ClusterError: if a machine has another version of the package.
    """
    given = None if images is None else for_other_machines(images)
    shared = [cluster.share(value) for value in (given, settings, build)]
    running: dict[Task, tuple[Claimed, ExitStack]] = {}  # the stack ends the claim
    begun = 0
    with ExitStack() as claims:
        while True:
            while len(running) < _AHEAD * cluster.slots() and (at_most is None or begun < at_most):
                block = claims.enter_context(ExitStack())
                ours = {claimed[0] for claimed, _ in running.values()}
                claimed = block.enter_context(folder.claimed(without=ours))
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
                    folder.settle(claimed, _outcome(cluster, task))


def _outcome(cluster: RayCluster, task: Task) -> MeasuringOutcome | MachineError:
    try:
        outcome: MeasuringOutcome = cluster.result(task)
    except MachineError as error:
        return error
    return outcome
