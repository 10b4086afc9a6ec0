"""The file of labels: the layout of DeepNets-1M's ``results_cifar10.json``, and what made them.

``{"about": {...}, "failed": {group: {index: reason}}, group: {index: {field: number, ...}}}``. A reader of the released
file (:class:`tart_nas.deepnets1m.DeepNets1M` with ``labels=``) reads it as it is: it looks at its split's group only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tart_nas.errors import RunFolderError, reason
from tart_nas.files import replacing

__all__ = ["NO_GROUPS", "LabelFile", "read_label_file", "relative_time", "write_label_file"]

NO_GROUPS = ("about", "failed")
"""The keys of a file that are no groups of labels: no group can have such a name."""


def relative_time(label: Mapping[str, Any]) -> float:
    """A label's inference time as a share of the reference network's, which was timed in turns with it.

    Of labels of earlier versions it is the ratio of the two medians, which a busy machine changes more.
    """
    return float(label["time_relative"] if "time_relative" in label else label["time"] / label["time_reference"])


@dataclass(frozen=True)
class LabelFile:
    """All that a file of labels holds.

    Args:
        about: what made the labels.
        labels: by group and index.
        failed: the reasons of failures, likewise; a group without failures may be missing.
    """

    about: dict[str, Any]
    labels: dict[str, dict[int, dict[str, Any]]]
    failed: dict[str, dict[int, str]]

    @classmethod
    def read(cls, path: Path | str) -> "LabelFile":
        """Reads what :func:`write_label_file` wrote.

        Raises:
            RunFolderError: if the file cannot be read or is something else.
        """
        try:
            content = json.loads(Path(path).read_text())
            # The split's name is no fixed key: DeepNets-1M's file has one group for each split.
            labels = {
                group: {int(index): dict(label) for index, label in of_group.items()}
                for group, of_group in content.items()
                if group not in NO_GROUPS
            }
            failed = {
                group: {int(index): str(why) for index, why in of_group.items()}
                for group, of_group in content["failed"].items()
            }
            return cls(dict(content["about"]), labels, failed)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunFolderError(f"{path} is no file of measured labels: {reason(error)}.") from None

    def groups(self) -> list[str]:
        """The groups that it has labels or failures of; of a measurement that has none yet, its own."""
        return [*self.labels, *(group for group, why in self.failed.items() if why and group not in self.labels)]


def write_label_file(
    path: Path,
    about: Mapping[str, Any],
    group: str,
    labels: Mapping[int, Mapping[str, Any]],
    failed: Mapping[int, str],
) -> None:
    """Writes labels, whole or not at all; one network a line, so that a later version differs in few lines."""
    # By hand, as `json.dumps` writes either everything on one line or each number on its own. NaN is no JSON.
    text = "{\n" + f'"about": {json.dumps(about, indent=1, allow_nan=False)},\n'
    text += f'"failed": {json.dumps({group: failed}, indent=1)},\n'
    lines = [f'"{index}": {json.dumps(labels[index], allow_nan=False)}' for index in sorted(labels)]
    text += f"{json.dumps(group)}: {{\n" + ",\n".join(lines) + "\n}\n}\n"
    with replacing(path) as temporary:
        temporary.write_text(text)


def read_label_file(
    path: Path | str, group: str | None = None
) -> tuple[dict[str, Any], dict[int, dict[str, Any]], dict[int, str]]:
    """Reads what :func:`write_label_file` wrote.

    Args:
        path: the file.
        group: whose labels; None for the only one in the file.

    Returns:
        What made the labels; the labels by index; the reasons of failures by index.

    Raises:
        RunFolderError: if the file cannot be read, is something else, or has no such group.
    """
    file = LabelFile.read(path)
    # Not taken as a group without labels: whoever goes on with none of those that are there writes over them.
    if group is None and len(file.labels) != 1:
        raise RunFolderError(f"{path} is no file of measured labels: it has {len(file.labels)} groups of them.")
    if group is None:
        (group,) = file.labels
    if group not in file.labels:
        raise RunFolderError(f"{path} has no labels of {group!r}, but of {', '.join(map(repr, file.labels))}.")
    return file.about, file.labels[group], file.failed.get(group, {})
