"""Measuring many networks: enqueued, claimed one by one, written as they come."""

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console

from tart_nas.architecture import Architecture
from tart_nas.checks import short, whole
from tart_nas.cluster import chosen_cluster
from tart_nas.devices import resolve_device
from tart_nas.errors import MachineError, SettingError
from tart_nas.files import writing_into
from tart_nas.images import load_images
from tart_nas.measurements.label_file import NO_GROUPS
from tart_nas.measurements.label_folder import LabelFolder
from tart_nas.measurements.outcome import Build, MeasuringOutcome, outcome_of
from tart_nas.measurements.ray_engine import measure_on_cluster
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, TrialArchitecture

__all__ = ["measure"]

_DEFINITIONS = {
    "val_acc, test_acc": "per cent, after the last epoch",
    "val_acc_noise, test_acc_noise": "per cent, on images with Gaussian noise of the stated standard deviation, images "
    "in [0, 1], not clipped, the same noise for every network",
    "time": "ms of a forward pass of the trained network in evaluation mode, a batch of timing_batch images of the "
    "trained size, float32 channels last on a CPU: median of 15 after 3 that are not counted; on a CPU one thread, its "
    "processor time",
    "time_reference": "ms of four convolutions of 16 channels, timed in turns with the network",
    "time_relative": "median ratio of neighbouring passes of both: it compares networks that were timed at different "
    "moments",
    "converge_time": "share of the epochs after which the training accuracy, linear between epochs and chance before "
    "the first, comes within 95 % of its final value",
    "params": "of the architecture at its own size; of a network that is not made of cells, those of its graph",
    "trained_params": "of the network as trained",
    "failed": "by the network's own fault: a loss or an output that is not finite, a shape that cannot be",
}


def measure(
    architectures: Mapping[int, AnyArchitecture],
    settings: MeasuringSettings,
    *,
    out: Path | str,
    group: str,
    build: Build | None = None,
    source: Mapping[str, Any] | None = None,
    data_dir: Path | str | None = None,
    dataset: Any = None,
    at_most: int | None = None,
    device: str | None = None,
    progress: bool = False,
    engine: str = "process",
    ray_address: str | None = None,
    cpus_per_trial: float = 1.0,
    gpus_per_trial: float = 0.0,
) -> Path:
    """Trains and measures networks and writes their labels, one after the other or on a cluster of Ray's.

    The same call on the same folder goes on where another stopped, and several may run at the same time: they share
    the work. More networks can be added later. Of the folder only ``labels.json`` is needed to go on elsewhere.

    A network that fails by its own fault (its loss or output is not finite, its shape cannot be) is recorded, and not
    tried again. A fault of the machine ends the call and is recorded nowhere: the next call measures the network, after
    all others. A fault of a machine of a cluster ends the call after the others were measured. What earlier versions
    recorded as failed is tried once more, since they did not tell the two apart.

    Args:
        architectures: by the index that their labels get.
        settings: how they are trained and measured.
        out: the folder: ``labels.json``, and the Optuna study ``study.sqlite3`` with a trial for each network.
        group: the name over the labels in the file, such as the split of DeepNets-1M; a folder has one.
        build: makes the networks that are not made of cells, such as :meth:`TrialSpace.network
            <tart_nas.search_spaces.TrialSpace.network>`. These are timed alone (``only="latency"``), and their labels
            hold their graphs.
        source: where the architectures come from, for the file; JSON values.
        data_dir: where the images are.
        dataset: the images themselves, in place of the data set that the settings name; see
            :func:`tart_nas.images.load_images`.
        at_most: measure at most so many networks now, at least 1; None for all.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU when there is one. Of this process alone. A folder holds
            times of one kind of device.
        progress: whether to show progress on the terminal.
        engine: what measures: ``"process"``, this process, or ``"ray"``, the machines of a cluster of Ray's. This
            process alone writes into the folder, and the labels are the same but for the times.
        ray_address: ``HOST:PORT`` of the cluster's head, of which this machine must be one; by default a cluster is
            started on this machine.
        cpus_per_trial: of Ray, for each network: at least the threads of the settings; of one thread also a part.
        gpus_per_trial: of Ray, at least 0; a part of one lets networks share a GPU, which the times tell. With 0
            networks are measured on CPUs.

    Returns:
        The file of labels.

    Raises:
        TartError: on a wrong argument, missing images, a folder of another group, other settings or another kind of
            device.
        ClusterError: if Ray is missing, or the cluster cannot be reached or used.
        MachineError: if the machine fails.
        InsufficientMemoryError: after the others were measured, if some networks do not fit into memory here.
    """
    if at_most is not None:
        whole("at_most", at_most, 1)
    architectures = _checked(architectures)
    if not isinstance(group, str):  # a key of JSON, which has no others
        raise SettingError(f"`group` must be a text, but got {short(group)}.")
    if group in NO_GROUPS:
        # The command line takes it from the name of a file: the labels would be written over what made them.
        raise SettingError(f"The group of labels cannot be {group!r}, a key of labels.json: give them another name.")
    _check_candidates(architectures, settings, build)
    place = resolve_device(device)
    cluster = chosen_cluster(engine, ray_address, cpus_per_trial, gpus_per_trial, quiet=not progress)
    if cluster is not None and settings.threads > max(1, cpus_per_trial):
        raise SettingError(
            f"`cpus_per_trial` must be at least the `threads` of a network, {settings.threads}, but got "
            f"{cpus_per_trial}."
        )
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
    about = {
        "networks": {**(source or {}), "group": group},
        "settings": settings.to_dict(),
        "images": None
        if images is None
        else {
            # Not `source`, which names a folder of this machine: label files are passed on.
            "name": images.name,
            "fingerprint": images.fingerprint,
            "test_fingerprint": images.test_fingerprint,
        },
        "definitions": _DEFINITIONS,
    }
    console = Console(quiet=not progress, highlight=False)
    with cluster or nullcontext(), writing_into(Path(out)):
        kind = place.type if cluster is None else cluster.device
        folder = LabelFolder(Path(out), architectures, group, about, kind, console)
        if cluster is not None and cluster.lacks_machine():
            console.print("no machine of the cluster is large enough for a network: the networks wait for one")
        outcome = partial(outcome_of, images, settings, build, device=str(place), progress=progress)
        done = 0
        while at_most is None or done < at_most:
            limit = None if at_most is None else at_most - done
            if cluster is None:
                done += _measure_here(folder, outcome, limit)
            else:
                done += measure_on_cluster(
                    cluster, folder, images, settings, build, device=cluster.device, at_most=limit
                )
            if not folder.plan():  # somebody else's `optimize` takes what waits
                break
        folder.check_none_left()
        return folder.file


def _checked(given: Any) -> dict[int, AnyArchitecture]:
    """Networks by the indices of their labels, which the file holds as texts and gives back as whole numbers.

    Raises:
        SettingError: if they are something else.
    """
    if not isinstance(given, Mapping) or not given:
        raise SettingError(
            f"`architectures` must be a mapping of indices to at least one architecture, such as "
            f"dict(enumerate(space.sample(10, seed=0))), but got {short(given)}."
        )
    for index, network in given.items():
        if not isinstance(network, Architecture | TrialArchitecture):
            raise SettingError(
                f"`architectures` must be architectures, or candidates of a TrialSpace, but {short(index)} is "
                f"{short(network)}."
            )
    return {whole("index of `architectures`", index, 0): network for index, network in given.items()}


def _check_candidates(
    architectures: Mapping[int, AnyArchitecture], settings: MeasuringSettings, build: Build | None
) -> None:
    """Makes sure that networks that are not made of cells can be measured with these settings.

    Raises:
        SettingError: if not.
    """
    candidates = [candidate for candidate in architectures.values() if isinstance(candidate, TrialArchitecture)]
    if not candidates:
        return
    if settings.only != "latency":
        raise SettingError('Only the latency of networks that are not made of cells can be measured: `only` "latency".')
    if build is None:
        raise SettingError(f"`build` must make the networks of {candidates[0].space}, which are not made of cells.")
    candidates[0].resized(settings.n_cells, settings.C)
    for candidate in candidates:
        size = settings.image_size or candidate.input_size[-1]
        if candidate.input_size != (3, size, size):
            raise SettingError(
                f"The graph of a network of {candidate.space} is of images of {candidate.input_size}, but networks are "
                f"timed on square images of 3 channels, here {(3, size, size)}."
            )


def _measure_here(
    folder: LabelFolder, outcome: Callable[[int, AnyArchitecture], MeasuringOutcome], at_most: int | None
) -> int:
    """As :func:`measure_on_cluster`, in this process, one after the other.

    Args:
        folder: as there.
        outcome: measures a network, given its index.
        at_most: as there.

    Raises:
        MachineError: on a fault that is not a network's own, after it was settled.
    """
    done = 0
    while at_most is None or done < at_most:
        with folder.claimed() as claimed:
            if claimed is None:
                break
            index, architecture, _ = claimed
            try:
                measured = outcome(index, architecture)
            except MachineError as error:
                folder.settle(claimed, error)
                raise
            folder.settle(claimed, measured)
        done += 1
    return done
