"""How accurate networks are with predicted parameters, one after the other, in a file that the same call goes on with.

As Knyazev et al. (NeurIPS 2021) evaluate: batches of 64 in the order of the images, batch normalisation by the
statistics of each batch, the last batch by itself.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from filelock import FileLock

from tart_nas.architecture import Architecture
from tart_nas.checks import differences
from tart_nas.devices import resolve_device
from tart_nas.errors import DivergenceError, RunFolderError, reason
from tart_nas.files import replacing
from tart_nas.hypernetworks.ghn import GHN
from tart_nas.images import AnyImages, AnySplit
from tart_nas.networks import build_network
from tart_nas.training import evaluate

__all__ = ["PredictedAccuracies", "evaluate_predicted"]

_FORMAT = "tart-nas accuracies of predicted parameters"


@dataclass(frozen=True)
class PredictedAccuracies:
    """What was measured.

    Args:
        accuracies: of each network by its index, in [0, 1]; None where its output is not finite.
    """

    accuracies: Mapping[int, float | None]

    @property
    def finite(self) -> list[float]:
        """The accuracies that there are."""
        return [accuracy for accuracy in self.accuracies.values() if accuracy is not None]

    @property
    def mean(self) -> float:
        """Their mean; NaN of none."""
        return mean(self.finite) if self.finite else float("nan")

    @property
    def standard_error(self) -> float:
        """Of the mean; NaN of fewer than two."""
        return stdev(self.finite) / sqrt(len(self.finite)) if len(self.finite) > 1 else float("nan")


def evaluate_predicted(
    ghn: GHN,
    architectures: Mapping[int, Architecture],
    split: AnySplit,
    images: AnyImages,
    *,
    out: str | os.PathLike[str],
    about: Mapping[str, Any],
    device: torch.device | str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PredictedAccuracies:
    """Measures the accuracy of networks whose parameters a hypernetwork predicts.

    Args:
        ghn: the hypernetwork. It is moved to the device.
        architectures: the networks by index.
        split: the images to classify.
        images: the data set that they belong to, which tells classes, size and normalisation.
        out: a JSON file. Networks that are in it are not measured again. Several processes may write into it.
        about: JSON values that say what is measured, of which hypernetwork, on which images; those in the file must be
            equal.
        device: None for a GPU when there is one.
        progress: called with the number of networks that are measured, and of all.

    Raises:
        RunFolderError: if the file is something else, or of another measurement.
        SettingError: if there is no such device.
        OSError: if the file cannot be written.
    """
    path, place = Path(out), resolve_device(device)
    known = _read(path, about)
    ghn.to(place)
    for done, (index, architecture) in enumerate(architectures.items()):
        if progress is not None:
            progress(done, len(architectures))
        if str(index) in known:
            continue
        # Without running statistics, which are not predicted.
        network = build_network(architecture, len(images.classes), images.image_size, track_running_stats=False)
        try:
            ghn(network.to(place))
            accuracy = evaluate(network, split, images, device=place, fill_last_batch=False)
        except DivergenceError:
            accuracy = None  # a result too; NaN is no JSON
        # The whole file after each network: an interrupted call loses one at most.
        known = _added(path, about, str(index), accuracy)
    if progress is not None:
        progress(len(architectures), len(architectures))
    return PredictedAccuracies({index: known[str(index)] for index in architectures})


def _added(path: Path, about: Mapping[str, Any], index: str, accuracy: float | None) -> dict[str, float | None]:
    """Writes the file with one more accuracy, whole or not at all; all that are in it now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):
        known = _read(path, about) | {index: accuracy}  # another process may have written meanwhile
        text = json.dumps({"format": _FORMAT, "about": dict(about), "accuracies": known}, indent=1)
        with replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    return known


def _read(path: Path, about: Mapping[str, Any]) -> dict[str, float | None]:
    """The accuracies in a file; none if it is not there."""
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        then, accuracies = dict(content["about"]), dict(content["accuracies"])
        if content["format"] != _FORMAT:
            raise ValueError
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path} is no file of accuracies of predicted parameters: {reason(error)}.") from None
    # As it would come out of a file, where a tuple is a list.
    if different := differences(then, json.loads(json.dumps(about))):
        raise RunFolderError(f"{path} is of another measurement: {different}. Take another file, or delete it.")
    return accuracies
