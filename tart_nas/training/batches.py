"""The batches of one epoch: every image once, in a random order, augmented, on the device."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tart_nas.devices import seed_rng
from tart_nas.images import AnySplit, Augmentation
from tart_nas.training.processes import Processes

__all__ = ["Batch", "EpochBatches"]


@dataclass(frozen=True)
class Batch:
    """What one process computes the gradients of, in one call.

    Args:
        images: (B, 3, H, W), augmented and normalised.
        labels: (B,).
        step_images: of the whole step, over all processes: at least B.
        processes: how many there are.
    """

    images: Tensor
    labels: Tensor
    step_images: int
    processes: int

    @property
    def share(self) -> float:
        """The batch's part of the step, in (0, 1]."""
        return len(self.images) / self.step_images

    @property
    def weight(self) -> float:
        """Of the batch's mean loss, so that gradients add up to those of the step's mean loss."""
        return self.share * self.processes  # DistributedDataParallel takes the mean over processes

    def parts(self, count: int) -> Iterator["Batch"]:
        """The batch in so many parts, fewer if one would have a single image: batch normalisation needs two."""
        n = max(1, min(count, len(self.images) // 2))
        for images, labels in zip(self.images.tensor_split(n), self.labels.tensor_split(n), strict=True):
            yield Batch(images, labels, self.step_images, self.processes)


class EpochBatches:
    """The batches of an epoch, a process's share of each; iterated over once.

    What is random depends on the seed and the epoch alone, not on what was drawn before: an epoch can be repeated on
    its own. Making the object seeds torch's global generator, for dropout and dropped paths.

    Args:
        split: the images.
        augmentation: what they pass through.
        batch_size: images of a step, over all processes.
        seed: of the training.
        epoch: counted from 0.
        processes: that share each batch.
        device: where the batches go.
    """

    def __init__(
        self,
        split: AnySplit,
        augmentation: Augmentation,
        batch_size: int,
        seed: int,
        epoch: int,
        processes: Processes,
        device: torch.device,
    ) -> None:
        self._split, self._augmentation, self._processes, self._device = split, augmentation, processes, device
        # Hashed together: with a sum, epoch 1 of seed 0 and epoch 0 of seed 1 would be the same.
        global_seed, order_seed = np.random.SeedSequence([seed, epoch]).generate_state(2).tolist()
        order = self._augmenting = torch.Generator(device).manual_seed(
            order_seed
        )  # the order is alike in all processes
        if processes.count > 1:
            global_seed, own_seed = np.random.SeedSequence([seed, epoch, processes.rank]).generate_state(2).tolist()
            self._augmenting = torch.Generator(device).manual_seed(own_seed)
        seed_rng(device, global_seed)  # a rank's own: two ranks must not drop the same paths
        self._reading_seed = global_seed
        indices = torch.randperm(len(split), generator=order, device=device)
        self._batches = list(torch.split(indices, batch_size))
        if len(self._batches[-1]) < 2 * processes.count:
            self._batches = self._batches[:-1]  # batch normalisation cannot take one image

    def __len__(self) -> int:
        return len(self._batches)

    @property
    def sizes(self) -> Tensor:
        """The images of each step, over all processes: shape (steps,)."""
        return torch.tensor([len(batch) for batch in self._batches], device=self._device)

    def __iter__(self) -> Iterator[Batch]:
        shares = [self._processes.share(batch).to(self._split.labels.device) for batch in self._batches]
        batches = self._split.batches(shares, self._reading_seed)
        for whole, (pixels, labels) in zip(self._batches, batches, strict=True):
            images = self._augmentation(pixels.to(self._device, non_blocking=True), self._augmenting)
            labels = labels.to(self._device, non_blocking=True)
            yield Batch(images, labels, len(whole), self._processes.count)
