"""One epoch of a training: every image once, in a random order, in batches."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tart_nas.errors import DivergenceError
from tart_nas.images import AnySplit, Augmentation
from tart_nas.training.bar import TrainingBar
from tart_nas.training.gradients import Gradients
from tart_nas.training.processes import Processes
from tart_nas.training.recipe import TrainingRecipe

__all__ = ["EpochLoop"]

_CHECK_EVERY = 20  # steps between two looks at the losses: a look makes a GPU wait


@dataclass(frozen=True)
class EpochLoop:
    """What is the same in all epochs of a training.

    Args:
        network: whose parameters are trained.
        gradients: computes those of a batch.
        split: the images, on the device.
        augmentation: what they pass through.
        optimizer: of the parameters.
        recipe: how.
        processes: that share each batch.
    """

    network: nn.Module
    gradients: Gradients
    split: AnySplit
    augmentation: Augmentation
    optimizer: torch.optim.SGD
    recipe: TrainingRecipe
    processes: Processes

    def run(
        self, epoch: int, order: torch.Generator, own: torch.Generator, seed: int, parts: int, bar: TrainingBar
    ) -> tuple[float, float]:
        """Trains one epoch.

        Args:
            epoch: counted from 0.
            order: draws the order of the images, alike in all processes.
            own: draws the augmentation; may be ``order``.
            seed: of what is random in reading images.
            parts: into how many parts a batch is split, gradients added up.
            bar: is told of each step.

        Returns:
            Mean loss and accuracy over the epoch's images.
        """
        split, recipe, device = self.split, self.recipe, order.device
        indices = torch.randperm(len(split), generator=order, device=device)
        batches = list(torch.split(indices, recipe.batch_size))
        if len(batches[-1]) < 2 * self.processes.count:
            batches = batches[:-1]  # batch normalisation cannot take one image
        losses = torch.zeros(len(batches), device=device)
        correct = torch.zeros((), dtype=torch.int64, device=device)
        own_share = [self.processes.share(batch).to(split.labels.device) for batch in batches]
        for step, (pixels, labels) in enumerate(split.batches(own_share, seed)):
            for group in self.optimizer.param_groups:
                group["lr"] = recipe.lr_at((epoch + step / len(batches)) / recipe.epochs)
            inputs = self.augmentation(pixels.to(device, non_blocking=True), own)
            labels = labels.to(device, non_blocking=True)
            self.optimizer.zero_grad()
            n = max(1, min(parts, len(inputs) // 2))  # a part of the last batch has two images too
            for some, wanted in zip(inputs.tensor_split(n), labels.tensor_split(n), strict=True):
                share = len(some) / len(batches[step])  # of the batch, over all processes
                weight = share * self.processes.count  # DistributedDataParallel takes the mean over processes
                logits, loss = self.gradients(some, wanted, weight)
                losses[step] += loss * share
                correct += (logits.argmax(1) == wanted).sum()
            if recipe.gradient_clip:
                nn.utils.clip_grad_norm_(self.network.parameters(), recipe.gradient_clip)
            self.optimizer.step()
            if step % _CHECK_EVERY == 0 or step == len(batches) - 1:
                self._check_finite(losses[: step + 1], epoch, len(batches))
            bar.step(len(batches))
        sizes = torch.tensor([len(batch) for batch in batches], device=device)
        total = self.processes.summed((losses * sizes).sum().double())
        right = self.processes.summed(correct)
        return float(total / sizes.sum()), int(right) / int(sizes.sum())

    def _check_finite(self, losses: Tensor, epoch: int, steps: int) -> None:
        for step in torch.nonzero(~losses.isfinite()).flatten().tolist():
            raise DivergenceError(
                f"The training diverged: the loss is {float(losses[step])} in epoch {epoch + 1} of "
                f"{self.recipe.epochs}, step {step + 1} of {steps}; a lower learning rate than {self.recipe.lr:g} may "
                "help."
            )
