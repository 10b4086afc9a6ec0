"""Measuring many networks: enqueued, claimed one by one, written as they come."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.checks import differences, whole
from tart_nas.devices import describe_device, resolve_device
from tart_nas.errors import InsufficientMemoryError, MachineError, RunFolderError, SettingError
from tart_nas.files import writing_into
from tart_nas.images import ImageData, load_images
from tart_nas.measurements.inference_time import inference_time, threads
from tart_nas.measurements.label_file import read_label_file, write_label_file
from tart_nas.measurements.measurement import initial_network, measure_network
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.measurements.study import MeasuringStudy
from tart_nas.networks import build_network, count_parameters, parameter_count
from tart_nas.training import EpochMetrics
from tart_nas.training.faults import OWN_FAULTS, faults_told_apart
from tart_nas.trials import Claim
from tart_nas.version import versions

__all__ = ["measure"]

_DEFINITIONS = {
    "val_acc, test_acc": "per cent, after the last epoch",
    "val_acc_noise, test_acc_noise": "per cent, on images with Gaussian noise of the stated standard deviation, images "
    "in [0, 1], not clipped, the same noise for every network",
    "time": "ms of a forward pass of the trained network in evaluation mode, a batch of timing_batch images of the "
    "trained size, float32 channels last on a CPU: median of 15 after 3 that are not counted; on a CPU one thread, its "
    "processor time",
    "time_reference": "ms of four convolutions of 16 channels, timed in turns with the network: time / time_reference "
    "compares networks that were timed at different moments",
    "converge_time": "share of the epochs after which the training accuracy, linear between epochs and chance before "
    "the first, comes within 95 % of its final value",
    "params": "of the architecture at its own size",
    "trained_params": "of the network as trained",
    "failed": "by the network's own fault: a loss or an output that is not finite, a shape that cannot be",
}
_TIMED_SIZE, _TIMED_CLASSES = 32, 10  # of the latency alone: those of CIFAR-10, where nothing else is asked for
_FAILURES_ARE_FINAL = "failures_are_final"  # in the file: earlier versions took a fault of the machine for a failure


def measure(
    architectures: Mapping[int, Architecture],
    settings: MeasuringSettings,
    *,
    out: Path | str,
    group: str,
    source: Mapping[str, Any] | None = None,
    data_dir: Path | str | None = None,
    dataset: Any = None,
    at_most: int | None = None,
    device: str | None = None,
    progress: bool = False,
) -> Path:
    """Trains and measures networks and writes their labels, one after the other.

    The same call on the same folder goes on where another stopped, and several may run at the same time: they share
    the work. More networks can be added later. Of the folder only ``labels.json`` is needed to go on elsewhere.

    A network that fails by its own fault (its loss or output is not finite, its shape cannot be) is recorded, and not
    tried again. A fault of the machine ends the call and is recorded nowhere: the next call measures the network, after
    all others. What earlier versions recorded as failed is tried once more, since they did not tell the two apart.

    Args:
        architectures: by the index that their labels get.
        settings: how they are trained and measured.
        out: the folder: ``labels.json``, and the Optuna study ``study.sqlite3`` with a trial for each network.
        group: the name over the labels in the file, such as the split of DeepNets-1M.
        source: where the architectures come from, for the file; JSON values.
        data_dir: where the images are.
        dataset: the images themselves, in place of the data set that the settings name; see
            :func:`tart_nas.images.load_images`.
        at_most: measure at most so many networks now, at least 1; None for all.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU when there is one.
        progress: whether to show progress on the terminal.

    Returns:
        The file of labels.

    Raises:
        TartError: on a wrong argument, missing images, a folder of other settings.
        MachineError: if the machine fails.
        InsufficientMemoryError: after the others were measured, if some networks do not fit into memory here.
    """
    if at_most is not None:
        whole("at_most", at_most, 1)
    if not architectures:
        raise SettingError("`architectures` must hold at least one architecture.")
    place = resolve_device(device)
    images = None
    if settings.only is None:
        images = load_images(
            settings.dataset if dataset is None else dataset,
            data_dir,
            train_images=settings.train_images,
            validation_images=settings.validation_images,
            test_images=settings.test_images,
            image_size=settings.image_size,
        )
    folder = Path(out)
    with writing_into(folder):
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "labels.json"
        console = Console(quiet=not progress, highlight=False)
        lock = FileLock(folder / ".lock")
        about = {
            "networks": {**(source or {}), "group": group},
            "settings": settings.to_dict(),
            "images": None
            if images is None
            else {
                "source": images.source,
                "fingerprint": images.fingerprint,
                "test_fingerprint": images.test_fingerprint,
            },
            "definitions": _DEFINITIONS,
            _FAILURES_ARE_FINAL: True,
        }

        # One process at a time: two that plan at once would enqueue each network twice.
        with lock:
            study = MeasuringStudy(folder)
            if file.exists():
                _take_over(study, file, about, group, architectures)
            study.plan(architectures)

        def write() -> None:
            with lock:
                labels, failed = study.results()
                counts = {"planned": len(architectures), "measured": len(labels), "failed": len(failed)}
                write_label_file(
                    file, {**counts, **about, "versions": versions("torch", "numpy")}, group, labels, failed
                )

        # Before the first network: a folder whose work is all done still gets its file, a running one shows the plan.
        write()
        done = 0
        too_large: dict[int, str] = {}  # for the memory of this machine, and why
        # PyTorch's number of threads decides the bits of the result, so it is a setting, stored with the labels.
        with threads(settings.threads):
            while at_most is None or done < at_most:
                with study.claimed(without=too_large) as claimed:
                    if claimed is not None and images is None:
                        _measure_latency(study, *claimed, settings, place, console)
                    elif claimed is not None and images is not None:
                        _measure_trial(study, *claimed, images, settings, str(place), console, too_large)
                if claimed is None:
                    with lock:
                        if not study.plan(architectures):  # somebody else's `optimize` takes what waits
                            break
                    continue
                write()
                done += 1
        if too_large:
            raise InsufficientMemoryError(
                f"{len(too_large)} networks do not fit into memory here ({', '.join(map(str, too_large))}); the same "
                f"call tries them again, what was measured is in {file}: {next(iter(too_large.values()))}"
            )
        return file


def _measure_trial(
    study: MeasuringStudy,
    index: int,
    architecture: Architecture,
    claim: Claim,
    images: ImageData,
    settings: MeasuringSettings,
    device: str,
    console: Console,
    too_large: dict[int, str],
) -> None:
    """Measures one network and tells the study how it went, or ``too_large`` if memory does not suffice.

    Raises:
        MachineError: on a fault that is not the network's own.
    """
    epochs: list[EpochMetrics] = []
    batch = min(settings.recipe.batch_size, len(images.train)), 3, images.image_size, images.image_size
    try:
        with faults_told_apart(
            f"The measurement of network {index}", lambda: initial_network(architecture, images, settings), batch
        ):
            measured = measure_network(
                architecture, images, settings, device=device, on_epoch=epochs.append, progress=not console.quiet
            )
    except OWN_FAULTS as error:
        reason = " ".join(str(error).split())
        study.fail(claim, reason)
        console.print(f"{index}: failed, {reason}")
        return
    except InsufficientMemoryError as error:
        study.interrupt(claim)
        too_large[index] = str(error)
        console.print(f"{index}: {error}")
        return
    except MachineError:
        study.interrupt(claim)
        raise
    accuracies = {epoch.epoch: epoch.validation_accuracy for epoch in epochs}
    study.tell(claim, {**measured.to_dict(), "architecture": architecture.to_dict()}, accuracies)
    console.print(f"{index}: validation {100 * measured.validation_accuracy:.2f} %, {measured.time:.2f} ms a batch")


def _measure_latency(
    study: MeasuringStudy,
    index: int,
    architecture: Architecture,
    claim: Claim,
    settings: MeasuringSettings,
    device: torch.device,
    console: Console,
) -> None:
    """Times one network, which needs neither training nor images.

    Raises:
        MachineError: on a fault that is not the network's own.
    """
    size = settings.image_size or _TIMED_SIZE
    try:
        with faults_told_apart(
            f"The measurement of network {index}",
            lambda: build_network(settings.shrunk(architecture), _TIMED_CLASSES, size),
            (settings.timing_batch, 3, size, size),
        ):
            network = build_network(settings.shrunk(architecture), _TIMED_CLASSES, size)
            time = inference_time(network, size, batch_size=settings.timing_batch, device=device)
    except OWN_FAULTS as error:
        study.fail(claim, " ".join(str(error).split()))
        console.print(f"{index}: failed, {error}")
        return
    except (MachineError, InsufficientMemoryError):
        study.interrupt(claim)
        raise
    label = {
        "time": round(time.milliseconds, 4),
        "time_reference": round(time.reference, 4),
        "params": parameter_count(architecture),
        "trained_params": count_parameters(network),
        "device": describe_device(device),
        "architecture": architecture.to_dict(),
    }
    study.tell(claim, label, {})
    console.print(f"{index}: {time.milliseconds:.2f} ms for {settings.timing_batch} images")


def _take_over(
    study: MeasuringStudy, file: Path, about: Mapping[str, Any], group: str, architectures: Mapping[int, Architecture]
) -> None:
    """Gives the study what a file of labels holds.

    Raises:
        RunFolderError: if it was made with other settings, or of other networks.
    """
    made, labels, failed = read_label_file(file, group)
    # Read, since the version before did not write all settings that there are now.
    then = MeasuringSettings.from_dict(made["settings"]).to_dict()
    if found := differences(then, about["settings"]):
        raise RunFolderError(f"{file} was made with other settings ({found}): use a new folder.")
    # Earlier versions did not note them, and of the latency alone there are none.
    images, wanted = made.get("images") or {}, about["images"] or {}
    if any(images.get(name, wanted.get(name)) != wanted.get(name) for name in ("fingerprint", "test_fingerprint")):
        raise RunFolderError(
            f"The networks of {file} were measured on other images ({images.get('source')}) than those of "
            f"{wanted['source']}: give the same ones, or use a new folder."
        )
    failures = failed.items() if made.get(_FAILURES_ARE_FINAL) else ()
    study.add(labels, {i: (architectures[i], reason) for i, reason in failures if i in architectures})
