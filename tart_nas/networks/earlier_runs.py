"""The trained networks of searches of version 0.1.0: ``weights/top-1.safetensors``, without a description."""

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from tart_nas.architecture import Architecture
from tart_nas.errors import CheckpointError
from tart_nas.networks.description import NetworkDescription

__all__ = ["best_of_earlier", "describe_earlier", "is_earlier", "weights_of_earlier"]

_IMAGE_SIZE = 32  # pixels: that of all data sets that version 0.1.0 searched on


def is_earlier(folder: Path) -> bool:
    """Whether ``RUN/weights/top-1`` is no folder, as it is now, but a file of that name."""
    return folder.parent.name == "weights" and not folder.is_dir() and weights_of_earlier(folder).is_file()


def weights_of_earlier(folder: Path) -> Path:
    """The file of the weights."""
    return folder.with_name(f"{folder.name}.safetensors")


def best_of_earlier(run: Path) -> Path | None:
    """Of a finished run, where its best picked network would lie now; None if its networks do lie there.

    Raises:
        CheckpointError: if its report cannot be read.
    """
    accuracies = {run / "weights" / name: pick["validation_accuracy"] for name, pick in _reported(run).items()}
    # Random networks were trained for comparison only, so the best one is never among them.
    found = {path: a for path, a in accuracies.items() if not path.name.startswith("random") and is_earlier(path)}
    return max(found, key=lambda path: found[path] or 0.0, default=None)


def describe_earlier(folder: Path) -> NetworkDescription:
    """What the network is, as far as its file and the run's report tell: no mean and deviation of the images.

    Raises:
        CheckpointError: if the file is not that of a search.
    """
    path = weights_of_earlier(folder)
    try:
        with safe_open(path, "pt") as file:
            architecture = Architecture.from_dict(json.loads(file.metadata()["architecture"]))
            linear = [name for name in file.keys() if name.startswith("classifier.") and name.endswith(".weight")]  # noqa: SIM118
            # Of the classifier's linear layers, whose numbers have gaps (ReLU and dropout), the last gives the logits.
            last = max(linear, key=lambda name: int(name.split(".")[1]))
            classes = int(file.get_slice(last).get_shape()[0])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not a trained network of a search: {error}.") from None
    about = {"name": folder.name}
    if pick := _reported(folder.parent.parent).get(folder.name):
        about |= {name: pick[name] for name in ("validation_accuracy", "test_accuracy")}
        about["full_size_architecture"] = pick["architecture"]
    return NetworkDescription(architecture, None, classes, _IMAGE_SIZE, about=about)


def _reported(run: Path) -> dict[str, Any]:
    """What the report of a run says of its networks, by their names; nothing while there is none."""
    report = run / "report.json"
    if not report.is_file():
        return {}
    try:
        picks = {pick["name"]: pick for pick in json.loads(report.read_text())["picks"]}
        for pick in picks.values():
            _ = pick["validation_accuracy"], pick["test_accuracy"], pick["architecture"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{report} is not the report of a search: {error}.") from None
    return picks
