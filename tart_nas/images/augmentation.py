"""Augmentation of whole batches on their device, from uint8 to normalised floats.

The standard recipe of CIFAR-10 (He et al., CVPR 2016): zero padding and a random crop, a random mirror image, the
channels normalised; then cutout (DeVries and Taylor, 2017): a square around a random pixel is set to zero, which is the
mean. torchvision's transforms draw one crop and one flip per call, so for a whole batch they would need a loop.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

__all__ = ["Augmentation", "normalize"]


def normalize(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Subtracts the mean and divides by the standard deviation of each channel.

    Args:
        images: (B, C, H, W), uint8.
        mean: of each of the C channels, for values in [0, 1].
        std: of each channel, likewise. A channel that never varies (0) stays as it is.

    Returns:
        (B, C, H, W), float32, channels last in memory, which convolutions are faster in.
    """
    # In one multiplication and addition, since images are uint8: (x / 255 - mean) / std.
    scale = images.new_tensor([1 / (255 * (s or 1)) for s in std], dtype=torch.float32)
    shift = images.new_tensor([-m / (s or 1) for m, s in zip(mean, std, strict=True)], dtype=torch.float32)
    floats = images.to(torch.float32, memory_format=torch.channels_last)
    return floats.mul_(scale[:, None, None]).add_(shift[:, None, None])


class Augmentation:
    """Random crops, mirror images and cutout, each image of a batch its own.

    Example:
        >>> augmentation = Augmentation(mean=(0.5, 0.5, 0.5), std=(0.25, 0.25, 0.25), cutout=16)
        >>> images = torch.randint(0, 256, (96, 3, 32, 32), dtype=torch.uint8)
        >>> augmentation(images, torch.Generator().manual_seed(0)).shape
        torch.Size([96, 3, 32, 32])

    Args:
        mean: of each channel, for values in [0, 1].
        std: of each channel, likewise.
        crop: pixels of zero padding on each side, from which a random window of the image's size is cut; 0 for none.
        flip: whether to mirror half of the images.
        cutout: side of the square that is set to zero, in pixels; its centre is in the image, 0 for none.
    """

    def __init__(
        self, mean: Sequence[float], std: Sequence[float], *, crop: int = 4, flip: bool = True, cutout: int = 0
    ) -> None:
        self.mean = tuple(mean)
        self.std = tuple(std)
        self.crop = crop
        self.flip = flip
        self.cutout = cutout

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Augments a batch.

        Args:
            images: (B, C, H, W), uint8.
            generator: what is drawn, on the images' device.

        Returns:
            (B, C, H, W), float32, channels last in memory, which convolutions are faster in.
        """
        images = normalize(self._moved(images, generator), self.mean, self.std)
        if self.cutout:
            images.mul_(self._kept(images, generator))
        return images

    def _moved(self, images: Tensor, generator: torch.Generator) -> Tensor:
        B, _, H, W = images.shape
        chosen = torch.arange(B, device=images.device)
        offsets = torch.randint(2 * self.crop + 1, (2, B), generator=generator, device=images.device)
        if self.crop:
            images = pad(images, (self.crop,) * 4)
        if self.flip:
            chosen = chosen + B * torch.randint(2, (B,), generator=generator, device=images.device)
            images = torch.cat([images, images.flip(3)])
        # (B or 2B, C, rows, columns, H, W): a view of all windows, of which one per image is copied.
        windows = images.unfold(2, H, 1).unfold(3, W, 1)
        return windows[chosen, :, offsets[0], offsets[1]]

    def _kept(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """0 inside a square per image, else 1: (B, 1, H, W), float32."""
        B, _, H, W = images.shape

        def inside(size: int) -> Tensor:
            first = torch.randint(size, (B, 1), generator=generator, device=images.device) - self.cutout // 2
            pixel = torch.arange(size, device=images.device)
            return (first <= pixel) & (pixel < first + self.cutout)  # (B, size)

        return 1 - (inside(H)[:, :, None] & inside(W)[:, None, :])[:, None].float()
