"""A hypernetwork's training on disk: all that an interrupted one needs to end with the same weights.

One safetensors file: the hypernetwork's weights and the optimizer's state (see :mod:`tart_nas.training.checkpoint`),
and as metadata, in JSON, what the training is and how far it is.
"""

from dataclasses import asdict, dataclass
from typing import Any

from tart_nas.training.state_file import StateFile

__all__ = ["TRAINING_FILE", "EpochSums", "GHNProgress"]


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


def _read_progress(values: dict[str, Any]) -> GHNProgress:
    return GHNProgress(**{**values, "epochs": tuple(EpochSums(**epoch) for epoch in values["epochs"])})


TRAINING_FILE = StateFile("tart-nas hypernetwork training 1", "a hypernetwork's training", asdict, _read_progress)
"""The checkpoint of a hypernetwork's training."""
