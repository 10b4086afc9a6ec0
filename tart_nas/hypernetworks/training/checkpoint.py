"""A hypernetwork's training on disk: all that an interrupted one needs to end with the same weights.

One safetensors file: the hypernetwork's weights and the optimizer's state (see :mod:`tart_nas.training.checkpoint`),
and as metadata, in JSON, what the training is and how far it is.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from tart_nas.checks import differences
from tart_nas.checksums import UNSTAMPED, check_file, stamp_file
from tart_nas.errors import CheckpointError, reason
from tart_nas.files import replacing

__all__ = ["EpochSums", "GHNProgress", "read_training", "write_training"]

_FORMAT = "tart-nas hypernetwork training 1"


@dataclass(frozen=True)
class EpochSums:
    """What the steps of an epoch add up to; the current epoch's may be of a part of its steps.

    Args:
        networks: that were trained on, each with one batch.
        loss: the sum of their losses.
        correct: the sum of the shares of images that they classified correctly.
        discarded: networks that were thrown away, since they gave NaN or did not fit into memory.
        seconds: that the steps took.
        cpu_seconds: of processor time in the first process, without workers.
    """

    networks: int = 0
    loss: float = 0.0
    correct: float = 0.0
    discarded: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def mean_loss(self) -> float:
        """Of the networks; NaN of none."""
        return self.loss / self.networks if self.networks else float("nan")

    @property
    def mean_accuracy(self) -> float:
        """Of the networks on augmented training images, in [0, 1]; NaN of none."""
        return self.correct / self.networks if self.networks else float("nan")

    def __add__(self, other: "EpochSums") -> "EpochSums":
        names = self.__dataclass_fields__
        return EpochSums(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True)
class GHNProgress:
    """How far a training is.

    Args:
        step: the number of steps that are done.
        next_draw: the place in the sequence of networks where the next step begins.
        epochs: what the steps of each epoch add up to, those of the current one included.
    """

    step: int = 0
    next_draw: int = 0
    epochs: tuple[EpochSums, ...] = ()

    @property
    def total(self) -> EpochSums:
        """All epochs together."""
        return sum(self.epochs, EpochSums())


def write_training(
    path: Path, tensors: Mapping[str, Tensor], progress: GHNProgress, identity: Mapping[str, Any]
) -> None:
    """Writes the state of a training, whole or not at all."""
    header = {"format": _FORMAT, "identity": json.dumps(identity), "progress": json.dumps(asdict(progress))}
    with replacing(path) as temporary:
        save_file(dict(tensors), temporary, {**header, **UNSTAMPED})
        stamp_file(temporary)


def read_training(path: Path, identity: Mapping[str, Any]) -> tuple[dict[str, Tensor], GHNProgress]:
    """Reads what :func:`write_training` wrote.

    Raises:
        CheckpointError: if the file is something else, or of a training that is another than ``identity``.
    """
    try:
        check_file(path)
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("format") != _FORMAT:
                raise CheckpointError(f"{path} is not the checkpoint of a hypernetwork's training.")
            then, progress = json.loads(header["identity"]), json.loads(header["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
        done = GHNProgress(**{**progress, "epochs": tuple(EpochSums(**epoch) for epoch in progress["epochs"])})
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} is not the checkpoint of a hypernetwork's training: {reason(error)}.") from None
    # Flat, so that the message names the settings that differ, not the group that they are in.
    if different := differences(_flat(then), _flat(json.loads(json.dumps(identity)))):
        raise CheckpointError(f"{path} is of another training ({different}): use another folder.")
    return tensors, done


def _flat(values: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat
