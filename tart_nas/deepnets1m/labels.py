"""The released measurements of DeepNets-1M's evaluation networks, ``results_cifar10.json``.

``{split: {index: {field: number}}}``. Each network was trained for 50 epochs with SGD on CIFAR-10.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from tart_nas.errors import DeepNetsError, reason

__all__ = ["LABELS", "no_labels", "read_labels"]

LABELS = (
    "val_acc",
    "test_acc",
    "val_acc_noise",
    "test_acc_noise",
    "time",
    "converge_time",
    "params",
    "ghn1_test_acc",
    "ghn2_test_acc",
    "mlp_test_acc",
)
"""The measured fields: accuracies in per cent, ``time`` (of inference) in ms, ``converge_time`` relative."""


def no_labels() -> dict[str, float]:
    """Every field with NaN."""
    return dict.fromkeys(LABELS, math.nan)


def read_labels(path: Path, split: str) -> dict[int, dict[str, float]]:
    """Reads the labels of a split by index, NaN for what is missing.

    Raises:
        DeepNetsError: if the file cannot be read or is something else.
    """
    try:
        splits = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise DeepNetsError(f"Cannot read labels from {path}: {reason(error)}.") from None
    if not isinstance(splits, Mapping):
        raise DeepNetsError(f"{path} must map splits to labels, but is no object.")
    try:
        return {
            int(index): {field: _number(fields.get(field)) for field in LABELS}
            for index, fields in splits.get(split, {}).items()
        }
    except (AttributeError, TypeError, ValueError, OverflowError) as error:
        raise DeepNetsError(f"{path}: {split} must map indices to fields and numbers: {reason(error)}.") from None


def _number(value: object) -> float:
    if value is None:
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise DeepNetsError(f"{value!r} is no number")
    return float(value)
