"""How the measurement of one network went; needs no study, so that any machine can measure for another one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.devices import describe_device, resolve_device
from tart_nas.errors import InsufficientMemoryError
from tart_nas.images import ImageData, ImageSplit
from tart_nas.measurements.inference_time import inference_time, threads
from tart_nas.measurements.measurement import initial_network, measure_network
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.networks import build_network, count_parameters, parameter_count
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, TrialArchitecture
from tart_nas.training import EpochMetrics
from tart_nas.training.faults import OWN_FAULTS, faults_told_apart

__all__ = ["Build", "MeasuringOutcome", "for_other_machines", "outcome_of"]

_TIMED_SIZE, _TIMED_CLASSES = 32, 10  # of the latency alone: those of CIFAR-10, where nothing else is asked for


Build = Callable[[TrialArchitecture], nn.Module]
"""Makes the network of a candidate that is not made of cells, such as :meth:`TrialSpace.network`."""


@dataclass(frozen=True)
class MeasuringOutcome:
    """How the measurement of a network went: it has a label, or one of two reasons why there is none.

    Args:
        label: as the file of labels holds it.
        accuracies: on the validation images after each epoch, in [0, 1]; none of the latency alone.
        failure: the network's own fault, the same whenever it is tried again.
        too_large: why the network does not fit into the machine's memory.
    """

    label: Mapping[str, Any] | None = None
    accuracies: Mapping[int, float] = field(default_factory=dict)
    failure: str | None = None
    too_large: str | None = None

    def __str__(self) -> str:
        """The outcome on one line."""
        if self.label is None:
            return self.too_large or f"failed, {self.failure}"
        if "val_acc" in self.label:
            return f"validation {self.label['val_acc']:.2f} %, {self.label['time']:.2f} ms a batch"
        return f"{self.label['time']:.2f} ms"


def outcome_of(
    images: ImageData | None,
    settings: MeasuringSettings,
    build: Build | None,
    index: int,
    architecture: AnyArchitecture,
    device: str,
    progress: bool = False,
) -> MeasuringOutcome:
    """Measures one network; a task of a cluster.

    Args:
        images: to train and test on; None for the latency alone.
        settings: how.
        build: makes networks that are not made of cells; None where there are none.
        index: of the network, for messages.
        architecture: at its own size.
        device: as its name.
        progress: whether to show the progress of the training on the terminal.

    Raises:
        MachineError: on a fault that is not the network's own.
    """
    try:
        # PyTorch's number of threads decides the bits of the result, so it is a setting, stored with the labels.
        with threads(settings.threads):
            if isinstance(architecture, TrialArchitecture):
                assert build is not None, "who has such networks gives what builds them"
                return _timed_candidate(settings, build, index, architecture, device)
            if images is None:
                return _timed(settings, index, architecture, device)
            return _trained(images, settings, index, architecture, device, progress)
    except OWN_FAULTS as error:
        return MeasuringOutcome(failure=" ".join(str(error).split()))
    except InsufficientMemoryError as error:
        return MeasuringOutcome(too_large=str(error))


def for_other_machines(images: ImageData) -> ImageData:
    """The same images with the test images in memory, where they may be read from a file of this machine."""
    return replace(images, read_test=partial(_as_given, images.test))


def _trained(
    images: ImageData,
    settings: MeasuringSettings,
    index: int,
    architecture: Architecture,
    device: str,
    progress: bool,
) -> MeasuringOutcome:
    epochs: list[EpochMetrics] = []
    batch = min(settings.recipe.batch_size, len(images.train)), 3, images.image_size, images.image_size
    with faults_told_apart(_name(index), lambda: initial_network(architecture, images, settings), batch):
        measured = measure_network(
            architecture, images, settings, device=device, on_epoch=epochs.append, progress=progress
        )
    accuracies = {epoch.epoch: epoch.validation_accuracy for epoch in epochs}
    return MeasuringOutcome({**measured.to_dict(), "architecture": architecture.to_dict()}, accuracies)


def _timed(settings: MeasuringSettings, index: int, architecture: Architecture, device: str) -> MeasuringOutcome:
    """The latency alone, which needs neither training nor images."""
    size, shrunk = settings.image_size or _TIMED_SIZE, settings.shrunk(architecture)
    keeps = bool(settings.track_running_stats)
    make = partial(build_network, shrunk, _TIMED_CLASSES, size, track_running_stats=keeps)
    times = _times(settings, index, make, size, device)
    return MeasuringOutcome({"params": parameter_count(architecture), **times, "architecture": architecture.to_dict()})


def _timed_candidate(
    settings: MeasuringSettings, build: Build, index: int, candidate: TrialArchitecture, device: str
) -> MeasuringOutcome:
    """The latency of a network that is not made of cells, at the size of the images that its graph is of."""
    times = _times(settings, index, lambda: build(candidate), candidate.input_size[-1], device)
    return MeasuringOutcome({"params": candidate.graph.num_parameters, **times, "architecture": candidate.to_dict()})


def _times(
    settings: MeasuringSettings, index: int, make: Callable[[], nn.Module], size: int, device: str
) -> dict[str, Any]:
    """What a label holds of a network that is timed alone."""
    batch = settings.timing_batch, 3, size, size
    with faults_told_apart(_name(index), make, batch):
        network = make()
        time = inference_time(network, size, batch_size=settings.timing_batch, device=device)
    return {
        "time": round(time.milliseconds, 4),
        "time_reference": round(time.reference, 4),
        "time_relative": round(time.relative, 4),
        "trained_params": count_parameters(network),
        "device": describe_device(resolve_device(device)),
    }


def _name(index: int) -> str:
    return f"The measurement of network {index}"


def _as_given(split: ImageSplit) -> ImageSplit:
    return split
