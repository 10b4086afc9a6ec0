"""Reading labelled architectures from JSON files."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture, Genotype
from tart_nas.errors import ArchitectureError, PredictorError
from tart_nas.predictors.targets import ONLY

__all__ = ["NASBENCH301_SETTINGS", "LabelledData", "read_auxiliary", "read_labelled"]

Floats = npt.NDArray[np.float64]

NASBENCH301_SETTINGS: dict[str, Any] = {"n_cells": 8, "C": 32}
"""The settings around the cells of NAS-Bench-301 (Zela et al., ICLR 2022), whose files list cells only."""


@dataclass(frozen=True)
class LabelledData:
    """Architectures with all that is known of them: what a predictor is fitted to.

    Args:
        architectures: n of them.
        targets: by name, each (n,), higher is better, NaN where unknown.
        description: what the data is, for the predictor's notes; JSON values.
        auxiliary: (n, K) other values, as :meth:`tart_nas.predictors.Predictor.fit` takes; None for none.
        trained_at: likewise.
    """

    architectures: Sequence[Architecture]
    targets: Mapping[str, Floats]
    description: Mapping[str, Any] = field(default_factory=dict)
    auxiliary: Floats | None = None
    trained_at: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "LabelledData":
        """Reads a file that :func:`read_labelled` and :func:`read_auxiliary` read.

        Raises:
            PredictorError: if it is none.
        """
        architectures, targets, description = read_labelled(path)
        names, auxiliary = read_auxiliary(path)
        return cls(architectures, {ONLY: targets}, {**description, "auxiliary": names}, auxiliary)

    def take(self, rows: npt.NDArray[np.integer]) -> "LabelledData":
        """Those of some rows (k,)."""
        return LabelledData(
            [self.architectures[row] for row in rows.tolist()],
            {name: values[rows] for name, values in self.targets.items()},
            self.description,
            None if self.auxiliary is None else self.auxiliary[rows],
            self.trained_at,
        )


def read_labelled(
    path: str | os.PathLike[str], target: str = "val_accuracy"
) -> tuple[list[Architecture], npt.NDArray[np.float64], dict[str, Any]]:
    """Reads architectures and their measured values.

    Args:
        path: a JSON list. Each entry is an architecture (:meth:`~tart_nas.Architecture.to_dict`'s keys) or a bare
            genotype with :data:`NASBENCH301_SETTINGS` around it, and has the value under ``target``.
        target: the key of the value.

    Returns:
        The n architectures, their values of shape (n,), and what the file is: ``data`` (its name), ``n`` and
        ``target``.

    Raises:
        PredictorError: if the file or an entry, which is named by its index, is not that.
    """
    path = Path(path)
    entries = _entries(path)
    architectures, targets = [], []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict) or target not in entry:
            raise PredictorError(f"Entry {index} of {path} must be an object with {target!r}.")
        try:
            architectures.append(_architecture(entry))
        except ArchitectureError as error:
            raise PredictorError(f"Entry {index} of {path}: {error}") from None
        value = entry[target]
        if not _is_number(value) or not math.isfinite(value):
            raise PredictorError(f"{target!r} of entry {index} of {path} must be a finite number, but got {value!r}.")
        targets.append(float(value))
    return architectures, np.array(targets), {"data": path.name, "n": len(entries), "target": target}


def read_auxiliary(path: str | os.PathLike[str]) -> tuple[list[str], npt.NDArray[np.float64]]:
    """Reads what else a file of labelled architectures tells of them: the numbers under ``proxies``, by name.

    Args:
        path: a file that :func:`read_labelled` reads.

    Returns:
        The K names and the values of shape (n, K), NaN where an entry lacks one; K is 0 if no entry has any.

    Raises:
        PredictorError: if the file, or the ``proxies`` of an entry, is not that.
    """
    path = Path(path)
    entries = _entries(path)
    rows = []
    for index, entry in enumerate(entries):
        proxies = entry.get("proxies", {}) if isinstance(entry, dict) else None
        if not isinstance(proxies, dict) or not all(_is_number(value) for value in proxies.values()):
            raise PredictorError(f"'proxies' of entry {index} of {path} must be an object of numbers.")
        rows.append(proxies)
    names = sorted(set().union(*rows))
    values = np.array([[float(row.get(name, np.nan)) for name in names] for row in rows], dtype=np.float64)
    return names, values.reshape(len(rows), len(names))


def _entries(path: Path) -> list[Any]:
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise PredictorError(f"Cannot read {path}: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise PredictorError(f"{path} is not JSON: {error}.") from None
    if not isinstance(entries, list) or not entries:
        raise PredictorError(f"{path} must be a JSON list of at least one labelled architecture.")
    return entries


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _architecture(entry: dict[str, Any]) -> Architecture:
    if "genotype" in entry:
        return Architecture.from_dict(entry)
    return Architecture(Genotype.from_dict(entry), **NASBENCH301_SETTINGS)
