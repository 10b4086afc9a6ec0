"""What predictors learn from measured labels: the four properties of the TART paper, higher being better for each."""

import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tart_nas.errors import ArchitectureError, GraphError, PredictorError, reason
from tart_nas.file_kinds import FileKind, recognise
from tart_nas.measurements.label_file import read_label_file, relative_time
from tart_nas.predictors import LabelledData
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, architecture_from_dict

__all__ = ["PROPERTIES", "read_labelled_data"]

# Accuracies stay in the per cent of the files: the bundled predictors were fitted to these, and scores of predictors
# that users fit must not change their unit from one version to the next.
PROPERTIES: dict[str, tuple[str, Callable[[Mapping[str, Any]], float]]] = {
    "accuracy": ("val_acc", lambda label: label["val_acc"]),
    "noisy_accuracy": ("val_acc_noise", lambda label: label["val_acc_noise"]),
    "inference_speed": (
        "-ln(time / time_reference)",
        lambda label: -math.log(relative_time(label)),
    ),
    "convergence_speed": ("-converge_time", lambda label: -label["converge_time"]),
}
"""The targets that are made of a label, by name: how, in words and as a function."""


def read_labelled_data(path: str | os.PathLike[str]) -> LabelledData:
    """Reads labelled architectures in either form.

    Args:
        path: a file that ``tart-nas measure`` wrote, or its folder, of which all :data:`PROPERTIES` are taken that were
            measured, or a JSON list that :meth:`LabelledData.read` reads.

    Raises:
        PredictorError: if it is something else, which the message names, or there is something wrong in it.
        RunFolderError: if it is a file of measured labels that is damaged.
    """
    try:
        known = recognise(path)
    except OSError as error:
        raise PredictorError(f"Cannot read {path}: {reason(error)}.") from None
    match known.kind:
        case FileKind.LABELLED:
            return LabelledData.read(path)
        case FileKind.MEASURED:
            return _measured(known.path)
        case FileKind.MEASURED_FOLDER:
            return _measured(known.path / "labels.json")
    raise PredictorError(known.refusal("a file of labelled architectures"))


def _measured(path: Path) -> LabelledData:
    """The networks of a file of measured labels, in the order of their indices."""
    about, labels, failed = read_label_file(path)
    settings = about.get("settings")
    if not isinstance(settings, Mapping):
        raise PredictorError(f"{path} does not tell the settings that its labels were measured with.")
    properties = PROPERTIES if settings.get("only") is None else {"inference_speed": PROPERTIES["inference_speed"]}
    architectures: list[AnyArchitecture] = []
    targets: dict[str, list[float]] = {name: [] for name in properties}
    for index in sorted(labels):
        try:
            architectures.append(architecture_from_dict(labels[index]["architecture"]))
            for name, (_, value) in properties.items():
                targets[name].append(float(value(labels[index])))
                if not math.isfinite(targets[name][-1]):  # which Python's JSON reads, and a fit takes for not known
                    raise PredictorError(f"its {name} is {targets[name][-1]}")
        except (ArchitectureError, GraphError, KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise PredictorError(f"Label {index} of {path} cannot be learned from: {reason(error)}.") from None
    description = {
        "data": f"{path.absolute().parent.name}/{path.name}",
        "n": len(labels),
        "failed": len(failed),
        "targets": {name: text for name, (text, _) in properties.items()},
        "networks": about.get("networks"),
        "settings": dict(settings),
    }
    if devices := sorted({str(label["device"]) for label in labels.values() if "device" in label}):
        description["devices"] = devices
    if isinstance(images := about.get("images"), Mapping) and "fingerprint" in images:
        description["images"] = str(images["fingerprint"])
    label_size = {name: settings[name] for name in ("n_cells", "C") if settings.get(name) is not None}
    values = {name: np.array(column, dtype=np.float64) for name, column in targets.items()}
    return LabelledData(architectures, values, description, label_size=label_size)
