"""The file of an interrupted training of any kind: tensors, what the training is, and how far it is.

One safetensors file; the last two are JSON texts in its metadata, beside the name of the kind of training.
"""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tart_nas.checks import differences
from tart_nas.checksums import UNSTAMPED, check_file, stamp_file
from tart_nas.errors import CheckpointError, reason
from tart_nas.files import replacing

__all__ = ["StateFile"]

P = TypeVar("P")


def _as_it_is(identity: dict[str, Any]) -> dict[str, Any]:
    return identity


@dataclass(frozen=True)
class StateFile(Generic[P]):
    """A kind of training, and how its files are read and written.

    Args:
        made_as: the name of the format, with its version.
        noun: what is trained, for messages: ``a training``.
        write_progress: gives the JSON values of how far a training is.
        read_progress: its inverse; it may raise what Python raises for values of another form.
        complete: gives the identity that an earlier version wrote the settings that it did not know.
        place: what a message tells to change: a file or a folder.
    """

    made_as: str
    noun: str
    write_progress: Callable[[P], Any]
    read_progress: Callable[[Any], P]
    complete: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    place: str = "folder"

    def write(self, path: Path, tensors: Mapping[str, Tensor], progress: P, identity: Mapping[str, Any]) -> None:
        """Writes the state of a training, whole or not at all.

        Args:
            path: the file.
            tensors: of the network and the optimizer.
            progress: how far the training is.
            identity: JSON values that decide its result.
        """
        progress_text = json.dumps(self.write_progress(progress))
        values = {"format": self.made_as, "identity": json.dumps(identity), "progress": progress_text}
        with replacing(path) as temporary:
            save_file(dict(tensors), temporary, {**values, **UNSTAMPED})
            stamp_file(temporary)

    def read(self, path: Path, identity: Mapping[str, Any] | None = None) -> tuple[dict[str, Tensor], P]:
        """Reads what :meth:`write` wrote.

        Args:
            path: the file.
            identity: of the training that wants to go on from it; None for any.

        Raises:
            CheckpointError: if the file is something else, or of a training that is another than ``identity``.
        """
        try:
            check_file(path)
            with safe_open(path, framework="pt") as file:
                values = file.metadata() or {}
                if values.get("format") != self.made_as:
                    raise CheckpointError(f"{path} is not the checkpoint of {self.noun}.")
                identified = self.complete(json.loads(values["identity"]))
                progress = self.read_progress(json.loads(values["progress"]))
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # no dictionary
            made = _settings(identified)
        except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{path} is not the checkpoint of {self.noun}: {reason(error)}.") from None
        # Through JSON, as the stored one went: tuples are lists there.
        if identity is not None and (found := _difference(made, _settings(json.loads(json.dumps(identity))))):
            raise CheckpointError(f"{path} is of another training ({found}): use another {self.place}.")
        return tensors, progress


_Settings = dict[tuple[str, ...], Any]
"""Settings by their path: the names of the groups that they are in, and their own."""


def _settings(values: Mapping[str, Any], groups: tuple[str, ...] = ()) -> _Settings:
    """The settings of all groups, each by its path: two groups may have a setting of the same name."""
    found: _Settings = {}
    for name, value in values.items():
        found |= _settings(value, (*groups, name)) if isinstance(value, dict) else {(*groups, name): value}
    return found


def _difference(then: _Settings, now: _Settings) -> str:
    """How settings differ, for a message; a name that several groups have stands behind its group: ``source.seed``."""
    count = Counter(path[-1] for path in {**then, **now})

    def named(settings: _Settings) -> dict[str, Any]:
        return {path[-1] if count[path[-1]] == 1 else ".".join(path): value for path, value in settings.items()}

    return differences(named(then), named(now))
