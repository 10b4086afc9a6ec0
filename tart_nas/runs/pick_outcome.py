"""A pick trained on another machine, and what comes back from there: the network's files and the learning curve."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from tart_nas.devices import describe_device, resolve_device
from tart_nas.errors import ImageDataError, InsufficientMemoryError
from tart_nas.files import replacing
from tart_nas.images import ImageSplit
from tart_nas.networks import save
from tart_nas.runs.pick_training import PickTraining
from tart_nas.runs.study import Pick
from tart_nas.training import EpochMetrics
from tart_nas.training.faults import OWN_FAULTS

__all__ = ["PickOutcome", "for_other_machines", "train_for_another"]


@dataclass(frozen=True)
class PickOutcome:
    """How the training of a pick went.

    Args:
        device: where it was trained, in words.
        curve: of each epoch what a trial of the run keeps; empty if the training failed.
        files: of the trained network's folder, by name.
        failure: why there is no network; None if there is one.
        is_final: whether the failure is the network's own, the same whenever it is tried again.
    """

    device: str
    curve: Sequence[Mapping[str, float]] = ()
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    failure: str | None = None
    is_final: bool = False

    def write(self, folder: Path) -> None:
        """Writes the network's files into a folder, each whole or not at all.

        Raises:
            OSError: if that cannot be done.
        """
        for name, content in self.files.items():
            with replacing(folder / Path(name).name) as temporary:
                temporary.write_bytes(content)


def for_other_machines(training: PickTraining) -> PickTraining:
    """The same training with what it reads from files, and without the test images, which stay here.

    Raises:
        CheckpointError: if the run's hypernetwork is not there.
    """
    images = replace(training.images, read_test=_no_test_images)
    return replace(training, images=images, start=training.read_start())


def train_for_another(training: PickTraining, pick: Pick, device: str) -> PickOutcome:
    """Trains a pick on this machine for a search on another one; a task of a cluster.

    Args:
        training: of the run, from :func:`for_other_machines`.
        pick: of the run.
        device: as its name.

    Raises:
        MachineError: on a fault that is not the network's own.
    """
    place = resolve_device(device)
    named = describe_device(place)

    def tell(epoch: EpochMetrics) -> None:
        accuracy = f"validation accuracy {100 * epoch.validation_accuracy:.2f} %"
        print(f"{pick.name}: epoch {epoch.epoch}: {accuracy}", flush=True)  # into Ray's log

    try:
        network, result = training.train(pick, place, tell)
    except (*OWN_FAULTS, InsufficientMemoryError) as error:
        return PickOutcome(named, failure=str(error), is_final=isinstance(error, OWN_FAULTS))
    curve = [asdict(epoch) for epoch in result.epochs]
    with TemporaryDirectory() as folder:
        save(network, training.description(pick, result.validation_accuracy), folder)
        files = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    return PickOutcome(named, curve, files)


def _no_test_images() -> ImageSplit:
    raise ImageDataError("The test images stay with the search.")
