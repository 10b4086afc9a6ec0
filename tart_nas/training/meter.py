"""Loss and accuracy of an epoch, added up on the device so that no step waits for a GPU."""

import torch
from torch import Tensor

from tart_nas.errors import DivergenceError
from tart_nas.training.batches import Batch, EpochBatches
from tart_nas.training.processes import Processes
from tart_nas.training.recipe import TrainingRecipe

__all__ = ["EpochMeter"]

_CHECK_EVERY = 20  # steps between two looks at the losses: a look makes a GPU wait


class EpochMeter:
    """Adds up the losses and the right answers of an epoch.

    Args:
        batches: of the epoch.
        epoch: counted from 0.
        recipe: for the message of a training that diverges.
        device: where losses come from.
    """

    def __init__(self, batches: EpochBatches, epoch: int, recipe: TrainingRecipe, device: torch.device) -> None:
        self._sizes, self._epoch, self._recipe = batches.sizes, epoch, recipe
        # One place for each step, not a sum, since a divergence is reported with its step.
        self._losses = torch.zeros(len(batches), device=device)
        self._correct = torch.zeros((), dtype=torch.int64, device=device)

    def add(self, step: int, batch: Batch, logits: Tensor, loss: Tensor) -> None:
        """Counts a batch, or a part of one.

        Args:
            step: counted from 0.
            batch: what was computed.
            logits: (B, classes).
            loss: the mean over the batch.
        """
        self._losses[step] += loss * batch.share
        self._correct += (logits.argmax(1) == batch.labels).sum()

    def check_finite(self, step: int) -> None:
        """Looks at the losses up to a step, every 20 steps and at the end.

        Raises:
            DivergenceError: if one is not finite.
        """
        steps = len(self._losses)
        if step % _CHECK_EVERY and step != steps - 1:
            return
        for at in torch.nonzero(~self._losses[: step + 1].isfinite()).flatten().tolist():
            raise DivergenceError(
                f"The training diverged: the loss is {float(self._losses[at])} in epoch {self._epoch + 1} of "
                f"{self._recipe.epochs}, step {at + 1} of {steps}; a lower learning rate than {self._recipe.lr:g} may "
                "help."
            )

    def totals(self, processes: Processes) -> tuple[float, float]:
        """Mean loss and accuracy over the epoch's images, those of all processes."""
        total = processes.summed((self._losses * self._sizes).sum().double())
        right = processes.summed(self._correct)
        images = int(self._sizes.sum())
        return float(total / self._sizes.sum()), int(right) / images
