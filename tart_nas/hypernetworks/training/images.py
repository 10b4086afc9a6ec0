"""The images of each step of a hypernetwork's training."""

import numpy as np
import torch
from torch import Tensor

from tart_nas.errors import SettingError
from tart_nas.hypernetworks.training.recipe import GHNRecipe
from tart_nas.images import AnyImages

__all__ = ["StepImages"]


class StepImages:
    """A batch of augmented images for each step, which depends on the seed and the step alone.

    An epoch goes over the images in a random order; its last batch may be smaller, and is left out if it is one image.

    Args:
        images: the train split is taken.
        recipe: tells the size of batches, steps of an epoch and augmentation.
        seed: of all that is random.
        device: where the batches go.

    Raises:
        SettingError: if the images are too few for a batch, or for the steps of an epoch.
    """

    def __init__(self, images: AnyImages, recipe: GHNRecipe, seed: int, device: torch.device) -> None:
        self._split, self._seed, self._device = images.train.to(device), seed, device
        self._augmentation = images.augmentation(recipe.crop, True, 0)
        self._batch_size = recipe.batch_size
        # ceil((n - 1) / B): a last batch of one image does not count, since batch normalisation needs two.
        most = (len(self._split) + self._batch_size - 2) // self._batch_size
        if most < 1:
            raise SettingError(f"{images.source}: {len(self._split)} image is too few to train on.")
        self.steps_per_epoch = recipe.steps_per_epoch or most
        """Steps in an epoch."""
        if self.steps_per_epoch > most:
            raise SettingError(
                f"`steps_per_epoch` must be at most {most}, one pass over {len(self._split):,} images, but got "
                f"{self.steps_per_epoch}."
            )
        self._order: tuple[int, Tensor] | None = None

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Images (B, 3, H, W) and labels (B,) of a step, counted from 0."""
        epoch, place = divmod(step, self.steps_per_epoch)
        if self._order is None or self._order[0] != epoch:
            order = np.random.default_rng([self._seed, epoch]).permutation(len(self._split))
            self._order = epoch, torch.from_numpy(order).to(self._split.labels.device)
        indices = self._order[1][place * self._batch_size : (place + 1) * self._batch_size]
        # By the step alone, so that a resumed training sees the images of an undisturbed one.
        reading, augmenting = np.random.SeedSequence([self._seed, step]).generate_state(2).tolist()
        ((pixels, labels),) = self._split.batches([indices], reading)
        generator = torch.Generator(self._device).manual_seed(augmenting)
        images = self._augmentation(pixels.to(self._device, non_blocking=True), generator)
        return images, labels.to(self._device, non_blocking=True)
