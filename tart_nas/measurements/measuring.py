"""Measuring many networks: enqueued, claimed one by one, written as they come."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock
from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.devices import resolve_device
from tart_nas.errors import ArchitectureError, ImageDataError, RunFolderError, SettingError, TrainingError
from tart_nas.images import ImageData, load_images
from tart_nas.measurements.inference_time import threads
from tart_nas.measurements.label_file import read_label_file, write_label_file
from tart_nas.measurements.measurement import measure_network
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.measurements.study import MeasuringStudy
from tart_nas.sgd import EpochMetrics
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
}


def measure(
    architectures: Mapping[int, Architecture],
    settings: MeasuringSettings,
    *,
    out: Path | str,
    group: str,
    source: Mapping[str, Any] | None = None,
    data_dir: Path | str | None = None,
    at_most: int | None = None,
    device: str | None = None,
    progress: bool = False,
) -> Path:
    """Trains and measures networks and writes their labels, one after the other.

    The same call on the same folder goes on where another stopped, and several may run at the same time: they share
    the work. More networks can be added later. Of the folder only ``labels.json`` is needed to go on elsewhere.

    Args:
        architectures: by the index that their labels get.
        settings: how they are trained and measured.
        out: the folder: ``labels.json``, and the Optuna study ``study.sqlite3`` with a trial for each network.
        group: the name over the labels in the file, such as the split of DeepNets-1M.
        source: where the architectures come from, for the file; JSON values.
        data_dir: where the images are.
        at_most: measure at most so many networks now, at least 1; None for all.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU when there is one.
        progress: whether to show progress on the terminal.

    Returns:
        The file of labels.

    Raises:
        TartError: on a wrong argument, missing images, a folder of other settings. That a network cannot be built or
            trained is recorded, and the others are measured.
    """
    if at_most is not None and at_most < 1:
        raise SettingError(f"`at_most` must be at least 1, but got {at_most}.")
    if not architectures:
        raise SettingError("`architectures` must hold at least one architecture.")
    place = resolve_device(device)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "labels.json"
    console = Console(quiet=not progress, highlight=False)
    lock = FileLock(folder / ".lock")
    about = {
        "networks": {**(source or {}), "group": group},
        "settings": settings.to_dict(),
        "definitions": _DEFINITIONS,
    }

    with lock:
        study = MeasuringStudy(folder)
        if file.exists():
            _take_over(study, file, about, group, architectures)
        study.plan(architectures)

    def write() -> None:
        with lock:
            labels, failed = study.results()
            counts = {"planned": len(architectures), "measured": len(labels), "failed": len(failed)}
            write_label_file(file, {**counts, **about, "versions": versions("torch", "numpy")}, group, labels, failed)

    write()
    images = load_images(
        settings.dataset,
        data_dir,
        train_images=settings.train_images,
        validation_images=settings.validation_images,
        test_images=settings.test_images,
        image_size=settings.image_size,
    )
    done = 0
    with threads(settings.threads):
        while at_most is None or done < at_most:
            with study.claimed() as claim:
                if claim is None:
                    break
                _measure_trial(study, *claim, images, settings, str(place), console)
            write()
            done += 1
    return file


def _measure_trial(
    study: MeasuringStudy,
    index: int,
    architecture: Architecture,
    trial: optuna.Trial,
    images: ImageData,
    settings: MeasuringSettings,
    device: str,
    console: Console,
) -> None:
    """Measures one network and tells the study how it went."""
    epochs: list[EpochMetrics] = []
    try:
        measured = measure_network(
            architecture, images, settings, device=device, on_epoch=epochs.append, progress=not console.quiet
        )
    except (SettingError, ImageDataError):  # not the failure of one network
        raise
    except (TrainingError, ArchitectureError, RuntimeError, ValueError, MemoryError) as error:  # torch's own as well
        reason = " ".join(str(error).split()) or type(error).__name__
        study.fail(trial, reason)
        console.print(f"{index}: failed, {reason}")
        return
    for epoch in epochs:
        trial.report(epoch.validation_accuracy, epoch.epoch)
    study.tell(trial, {**measured.to_dict(), "architecture": architecture.to_dict()})
    console.print(f"{index}: validation {measured.val_acc:.2f} %, {measured.time:.2f} ms a batch")


def _take_over(
    study: MeasuringStudy, file: Path, about: Mapping[str, Any], group: str, architectures: Mapping[int, Architecture]
) -> None:
    """Gives the study what a file of labels holds.

    Raises:
        RunFolderError: if it was made with other settings, or of other networks.
    """
    made, labels, failed = read_label_file(file, group)
    then, now = made["settings"], about["settings"]
    if differing := [name for name in {**then, **now} if then.get(name) != now.get(name)]:
        differences = ", ".join(f"{name} {then.get(name)} then, {now.get(name)} now" for name in differing)
        raise RunFolderError(f"{file} was made with other settings ({differences}): use a new folder.")
    study.add(labels, {i: (architectures[i], reason) for i, reason in failed.items() if i in architectures})
