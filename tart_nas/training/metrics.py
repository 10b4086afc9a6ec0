"""What is recorded of a training."""

from dataclasses import dataclass

__all__ = ["EpochMetrics", "TrainingResult"]


@dataclass(frozen=True)
class EpochMetrics:
    """One epoch.

    Args:
        epoch: counted from 1.
        train_loss: mean of the minimised loss over the epoch's images, augmented, while the weights changed.
        train_accuracy: in [0, 1], on the same.
        validation_accuracy: in [0, 1], after the epoch.
        lr: the learning rate at the epoch's first step.
        seconds: duration, validation included.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_accuracy: float
    lr: float
    seconds: float


@dataclass(frozen=True)
class TrainingResult:
    """A finished training.

    Args:
        epochs: at least one.
        images_per_second: training images, validation not counted, neither its time.
    """

    epochs: tuple[EpochMetrics, ...]
    images_per_second: float

    @property
    def validation_accuracy(self) -> float:
        """In [0, 1], after the last epoch."""
        return self.epochs[-1].validation_accuracy

    @property
    def seconds(self) -> float:
        """Duration, validation included."""
        return sum(epoch.seconds for epoch in self.epochs)
