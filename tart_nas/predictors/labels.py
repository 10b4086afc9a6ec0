"""Reading labelled architectures from JSON files."""

import json
import math
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.deprecation import renamed_arguments, warn_renamed
from tart_nas.errors import ArchitectureError, GraphError, PredictorError, reason
from tart_nas.files import replacing
from tart_nas.genotype import Genotype
from tart_nas.predictors.targets import ONLY
from tart_nas.search_spaces.trial_architecture import architecture_from_dict

__all__ = ["NASBENCH301_SETTINGS", "LabelledData", "read_auxiliary", "read_labelled"]

Floats = npt.NDArray[np.float64]

NASBENCH301_SETTINGS: dict[str, Any] = {"n_cells": 8, "C": 32}
"""The settings around the cells of NAS-Bench-301 (Zela et al., ICLR 2022), whose files list cells only."""


@dataclass(frozen=True, repr=False)
class LabelledData:
    """Architectures with all that is known of them: what a predictor is fitted to.

    Args:
        architectures: n of them; or :class:`~tart_nas.search_spaces.TrialArchitecture`, which have graphs, not cells.
        targets: by name, each (n,), higher is better, NaN where unknown.
        description: what the data is, for the predictor's notes; JSON values.
        auxiliary: (n, K) other values, as :meth:`tart_nas.predictors.Predictor.fit` takes; None for none.
        label_size: likewise.
        auxiliary_names: of the K; () where they have none.
    """

    architectures: Sequence[Any]
    targets: Mapping[str, Floats]
    description: Mapping[str, Any] = field(default_factory=dict)
    auxiliary: Floats | None = None
    label_size: Mapping[str, int] = field(default_factory=dict)
    auxiliary_names: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """How many there are of what."""
        parts = [f"{len(self.architectures)} architectures", f"targets {', '.join(self.targets)}"]
        if self.auxiliary is not None:
            parts.append(f"{self.auxiliary.shape[1]} auxiliary values of each")
        if self.label_size:
            parts.append("trained at " + ", ".join(f"{name} {value}" for name, value in self.label_size.items()))
        return f"<LabelledData, {', '.join(parts)}>"

    @property
    def trained_at(self) -> Mapping[str, int]:
        """Deprecated name of ``label_size``."""
        warn_renamed("LabelledData.trained_at", "LabelledData.label_size")
        return self.label_size

    @property
    def named_auxiliary(self) -> Floats | dict[str, Floats] | None:
        """The auxiliary values by name, where they have names."""
        if self.auxiliary is None or not self.auxiliary_names:
            return self.auxiliary
        return dict(zip(self.auxiliary_names, self.auxiliary.T, strict=True))

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "LabelledData":
        """Reads labelled architectures.

        Args:
            path: a file that :func:`read_labelled` and :func:`read_auxiliary` read, or one like it, whose entries have
                under ``targets`` several values by name (null where unknown) instead of ``val_accuracy``. Entries that
                were measured at another size than the architecture's say so under ``trained_at``, all the same.

        Raises:
            PredictorError: if it is none.
        """
        path = Path(path)
        entries = _entries(path)
        names, auxiliary = read_auxiliary(path)
        # One such entry is enough, so that a single one without it is an error that names the entry.
        if any(isinstance(entry, dict) and "targets" in entry for entry in entries):
            architectures, targets = _several_targets(path, entries)
            description: dict[str, Any] = {"data": path.name, "n": len(entries), "targets": [*targets]}
        else:
            architectures, values, description = read_labelled(path)
            targets = {ONLY: values}
        size = _common_size(path, entries)
        return cls(architectures, targets, {**description, "auxiliary": names}, auxiliary, size, tuple(names))

    def write(self, path: str | os.PathLike[str]) -> None:
        """Writes a file that :meth:`read` reads: a JSON list, an architecture a line.

        Raises:
            PredictorError: if it cannot be written.
        """
        path = Path(path)
        entries = []
        for row, architecture in enumerate(self.architectures):
            values = {name: _or_none(column[row]) for name, column in self.targets.items()}
            entry = architecture.to_dict() | (
                {"val_accuracy": values[ONLY]} if [*values] == [ONLY] else {"targets": values}
            )
            if self.auxiliary is not None and self.auxiliary.shape[1]:
                names = self.auxiliary_names or [f"auxiliary_{k}" for k in range(self.auxiliary.shape[1])]
                by_name = {name: _or_none(value) for name, value in zip(names, self.auxiliary[row], strict=True)}
                entry["proxies"] = {name: value for name, value in by_name.items() if value is not None}
            if self.label_size:
                entry["trained_at"] = dict(self.label_size)
            # NaN is no JSON, so that what is unknown is null for targets, and left out of the proxies.
            entries.append(json.dumps(entry, allow_nan=False))
        try:
            with replacing(path) as temporary:
                temporary.write_text("[\n" + ",\n".join(entries) + "\n]\n")
        except OSError as error:
            raise PredictorError(f"Cannot write the labels to {path}: {error.strerror}.") from None

    def take(self, rows: npt.NDArray[np.integer]) -> "LabelledData":
        """Those of some rows (k,)."""
        return LabelledData(
            [self.architectures[row] for row in rows.tolist()],
            {name: values[rows] for name, values in self.targets.items()},
            self.description,
            None if self.auxiliary is None else self.auxiliary[rows],
            self.label_size,
            self.auxiliary_names,
        )

    @classmethod
    def joined(cls, parts: "Sequence[LabelledData]") -> "LabelledData":
        """Several as one, without auxiliary values: of the targets that all of them have, and the mean of the labels
        of an architecture that comes more than once, such as those of trainings with other seeds.

        Args:
            parts: at least one.

        Raises:
            PredictorError: if they have no target in common, or labels of networks of different sizes.
        """
        first, *others = parts
        names = [name for name in first.targets if all(name in part.targets for part in others)]
        if not names:
            raise PredictorError(
                "Files that are joined must have a target in common, but got "
                f"{'; '.join(', '.join(part.targets) for part in parts)}."
            )
        if different := [part for part in others if dict(part.label_size) != dict(first.label_size)]:
            raise PredictorError(
                f"Labels that are joined must be of networks of one size, but got {dict(first.label_size)} and "
                f"{dict(different[0].label_size)}."
            )
        places: dict[Any, int] = {}
        rows = [places.setdefault(a, len(places)) for part in parts for a in part.architectures]
        targets = {}
        for name in names:
            values = np.concatenate([part.targets[name] for part in parts])
            known = np.isfinite(values)
            counts = np.bincount(np.array(rows)[known], minlength=len(places))
            sums = np.bincount(np.array(rows)[known], values[known], minlength=len(places))
            targets[name] = np.divide(sums, counts, out=np.full(len(places), np.nan), where=counts > 0)
        description = _common([part.description for part in parts])
        description |= {"n": len(places), "of": [dict(part.description) for part in parts]}
        return cls(list(places), targets, description, label_size=first.label_size)


# where the dataclass makes it: a keyword of the version before
LabelledData.__init__ = renamed_arguments(trained_at="label_size")(LabelledData.__init__)  # type: ignore[method-assign]


def _common(descriptions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What all of them say, such as the settings of a training but for its seed."""
    first, *others = descriptions
    found = {}
    for name, value in first.items():
        theirs: list[Any] = [other.get(name) for other in others]
        if all(other == value for other in theirs):
            found[name] = value
        elif all(isinstance(each, Mapping) for each in (value, *theirs)):
            found[name] = _common([value, *theirs])
    return found


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
        except (ArchitectureError, GraphError) as error:
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
    # Sorted: the columns do not depend on which entry comes first.
    names = sorted(set().union(*rows))
    values = np.array([[float(row.get(name, np.nan)) for name in names] for row in rows], dtype=np.float64)
    return names, values.reshape(len(rows), len(names))


def _several_targets(path: Path, entries: list[Any]) -> tuple[list[Architecture], dict[str, Floats]]:
    """The architectures of entries that have several targets, and these by name, NaN where unknown."""
    architectures, rows = [], []
    for index, entry in enumerate(entries):
        values = entry.get("targets") if isinstance(entry, dict) else None
        if not isinstance(values, dict) or not values:
            raise PredictorError(f"Entry {index} of {path} must be an object with 'targets', as others of it are.")
        for name, value in values.items():
            if value is not None and not (_is_number(value) and math.isfinite(value)):
                raise PredictorError(
                    f"Target {name!r} of entry {index} of {path} must be a finite number or null, but got {value!r}."
                )
        try:
            architectures.append(_architecture(entry))
        except (ArchitectureError, GraphError) as error:
            raise PredictorError(f"Entry {index} of {path}: {error}") from None
        rows.append(values)
    names = dict.fromkeys(name for row in rows for name in row)  # in the order in which they come
    unknown = float("nan")
    return architectures, {
        name: np.array([row[name] if row.get(name) is not None else unknown for row in rows]) for name in names
    }


def _common_size(path: Path, entries: list[Any]) -> dict[str, int]:
    """What all entries say under ``trained_at``."""
    sizes = [entry.get("trained_at", {}) for entry in entries]
    other = next((index for index, size in enumerate(sizes) if size != sizes[0]), None)
    if other is not None:
        raise PredictorError(
            f"'trained_at' must be the same in all entries of {path}, but is {sizes[0]} in the first and "
            f"{sizes[other]} in entry {other}."
        )
    if not isinstance(sizes[0], dict):
        raise PredictorError(f"'trained_at' of the entries of {path} must be an object, but is {sizes[0]!r}.")
    return dict(sizes[0])


def _or_none(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _entries(path: Path) -> list[Any]:
    try:
        entries = json.loads(path.read_bytes())
    except OSError as error:
        raise PredictorError(f"Cannot read {path}: {reason(error)}.") from None
    except (ValueError, RecursionError) as error:
        raise PredictorError(f"{path} cannot be read: {reason(error)}.") from None
    if not isinstance(entries, list) or not entries:
        raise PredictorError(f"{path} must be a JSON list of at least one labelled architecture.")
    return entries


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):  # True and False are ints
        return False
    return isinstance(value, float) or abs(value) <= sys.float_info.max  # JSON has whole numbers that no float holds


def _architecture(entry: dict[str, Any]) -> Any:
    if "genotype" in entry or "graph" in entry:
        return architecture_from_dict(entry)
    return Architecture(Genotype.from_dict(entry), **NASBENCH301_SETTINGS)
