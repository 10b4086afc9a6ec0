"""Images in memory: one split (:class:`ImageSplit`), a whole data set (:class:`ImageData`), and how it is split."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256

import torch
from torch import Tensor

from tart_nas.deprecation import warn_renamed
from tart_nas.errors import ImageDataError
from tart_nas.images.augmentation import Augmentation

__all__ = ["ImageData", "ImageSplit", "first_images", "split_in_two", "stratified_order"]


@dataclass(frozen=True, eq=False)
class ImageSplit:
    """Images with their labels.

    Args:
        images: (n, 3, H, W), uint8, n at least 1.
        labels: (n,), int64, not negative.

    Raises:
        ImageDataError: if a tensor has another shape or type, or a label is negative.
    """

    images: Tensor = field(repr=False)
    labels: Tensor = field(repr=False)

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if images.dtype != torch.uint8 or images.dim() != 4 or images.shape[1] != 3 or not len(images):
            raise ImageDataError(
                f"Images must be uint8 of shape (n, 3, H, W), but got {images.dtype} of shape {tuple(images.shape)}."
            )
        if labels.dtype != torch.int64 or labels.shape != images.shape[:1]:
            raise ImageDataError(
                f"Labels must be int64 of shape ({len(images)},), one per image, "
                f"but got {labels.dtype} of shape {tuple(labels.shape)}."
            )
        if labels.min() < 0:
            raise ImageDataError(f"Labels must not be negative, but got {int(labels.min())}.")

    def __len__(self) -> int:
        return len(self.labels)

    def to(self, device: torch.device | str) -> "ImageSplit":
        """The same images on a device."""
        return ImageSplit(self.images.to(device), self.labels.to(device))

    def batches(self, chosen: Sequence[Tensor | slice], seed: int | None = None) -> Iterator[tuple[Tensor, Tensor]]:
        """Gives images and labels batch by batch.

        Args:
            chosen: the indices of each batch, on the images' device.
            seed: of what is random about an image; nothing is before :meth:`ImageData.augmentation`.

        Yields:
            (B, 3, H, W), uint8, and (B,), int64.
        """
        for indices in chosen:
            yield self.images[indices], self.labels[indices]


@dataclass(frozen=True, eq=False)
class ImageData:
    """A data set whose train, validation and test images are kept apart.

    Architectures are chosen on ``validation``; ``test`` is read only when it is asked for, once, for the report.

    Args:
        name: of the data set.
        classes: their names; label k means ``classes[k]``.
        train: what networks are trained on.
        validation: what they are compared on.
        read_test: reads the test split.
        source: where the images came from, for people.
        flippable: whether a mirrored image keeps its label (it does not for digits).

    Raises:
        ImageDataError: if a label names no class, or the splits differ in image size.
    """

    name: str
    classes: tuple[str, ...]
    train: ImageSplit
    validation: ImageSplit
    read_test: Callable[[], ImageSplit] = field(repr=False)
    source: str
    flippable: bool = True

    @property
    def mirrorable(self) -> bool:
        """The old name of ``flippable``."""
        warn_renamed("ImageData.mirrorable", "ImageData.flippable")
        return self.flippable

    def __post_init__(self) -> None:
        self._check("train", self.train)
        self._check("validation", self.validation)

    def _check(self, split_name: str, split: ImageSplit) -> None:
        largest = int(split.labels.max())
        if largest >= len(self.classes):
            raise ImageDataError(
                f"Label {largest} in the {split_name} split of {self.source}: expected [0, {len(self.classes)})."
            )
        if split.images.shape[1:] != self.train.images.shape[1:]:
            raise ImageDataError(
                f"The {split_name} images of {self.source} are {tuple(split.images.shape[1:])}, "
                f"but the train images are {tuple(self.train.images.shape[1:])}."
            )

    @cached_property
    def test(self) -> ImageSplit:
        """The test images, read at the first use."""
        split = self.read_test()
        self._check("test", split)
        return split

    @property
    def image_size(self) -> int:
        """Height of the images in pixels."""
        return self.train.images.shape[-2]

    def for_test(self, join: bool = True) -> "ImageData":
        """The data of a final result: the test images stand in the place of the validation images.

        Args:
            join: whether to train on what was set apart for validation too, as papers do.
        """
        if not join:
            return replace(self, validation=self.test, read_test=lambda: self.test)
        images = torch.cat([self.train.images, self.validation.images])
        train = ImageSplit(images, torch.cat([self.train.labels, self.validation.labels]))
        return replace(self, train=train, validation=self.test, read_test=lambda: self.test)

    def augmentation(self, crop: int, flip: bool, cutout: int) -> Augmentation:
        """What training images pass through; see :class:`~tart_nas.images.Augmentation`."""
        return Augmentation(self.mean, self.std, crop=crop, flip=flip and self.flippable, cutout=cutout)

    @cached_property
    def fingerprint(self) -> str:
        """A hash of the images and labels that are trained and validated on, by which a training knows them again."""
        return _fingerprint(self.train, self.validation)

    @cached_property
    def test_fingerprint(self) -> str:
        """The same of the test images."""
        return _fingerprint(self.test)

    @cached_property
    def _moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        # From how often each of 256 levels occurs: exact, and without a copy of the images as floats.
        levels = torch.arange(256, dtype=torch.float64) / 255
        mean, std = [], []
        for channel in self.train.images.unbind(1):
            share = torch.bincount(channel.flatten(), minlength=256).double() / channel.numel()
            mean.append(float(share @ levels))
            std.append(float((share @ (levels - mean[-1]) ** 2).sqrt()))
        return tuple(mean), tuple(std)

    @property
    def mean(self) -> tuple[float, ...]:
        """Mean of each channel over the train split, of values in [0, 1]."""
        return self._moments[0]

    @property
    def std(self) -> tuple[float, ...]:
        """Standard deviation of each channel over the train split, of values in [0, 1]."""
        return self._moments[1]


def _fingerprint(*splits: ImageSplit) -> str:
    digest = sha256()
    for split in splits:
        digest.update(split.images.contiguous().cpu().numpy().data)
        digest.update(split.labels.cpu().numpy().data)
    return digest.hexdigest()


def stratified_order(labels: Tensor, seed: int) -> Tensor:
    """A random order of the images in which every prefix, and what is left after it, holds each class in its share.

    One order gives every split and every subset: they are stratified to within one image per class, and the smaller
    subset lies in the larger.

    Args:
        labels: (n,), int64, not negative.
        seed: of the order.

    Returns:
        (n,), int64, a permutation.
    """
    n = len(labels)
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    order = order[labels[order].argsort(stable=True)]  # class by class, random within
    labels, counts = labels[order], labels.bincount()
    rank = torch.arange(n) - (counts.cumsum(0) - counts)[labels]  # within its class
    # The images of each class lie evenly in (0, 1). In the order of these places every prefix has each class in its
    # share.
    share = (rank + 0.5).double() / counts[labels]
    return order[share.argsort(stable=True)]


def first_images(order: Tensor, labels: Tensor, n: int | None) -> Tensor:
    """The first images of an order, at least one of each class among them.

    Where a class is so rare that its first image comes later, the first of each class are taken, and then the others in
    their order. The smaller of two such choices lies in the larger.

    Args:
        order: (m,), int64, indices of images.
        labels: of all images, int64.
        n: how many, at least one for each class in the order; None for all.

    Returns:
        (n,), int64.
    """
    chosen = order[:n]
    if _count_classes(labels[chosen]) == _count_classes(labels[order]):
        return chosen
    is_first = _is_first_of_class(labels[order])
    return torch.cat([order[is_first], order[~is_first]])[:n]


def split_in_two(order: Tensor, labels: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """The first n images of an order and the others, at least one image of each class in either part.

    Args:
        order: (m,), int64, indices of images: at least two of each class.
        labels: of all images, int64.
        n: how many come first; at least as many as there are classes, as must be left.
    """
    first, rest = order[:n], order[n:]
    if min(_count_classes(labels[part]) for part in (first, rest)) < _count_classes(labels[order]):
        is_first = _is_first_of_class(labels[order])
        is_last = _is_first_of_class(labels[order].flip(0)).flip(0)
        order = torch.cat([order[is_first], order[~is_first & ~is_last], order[is_last]])
        first, rest = order[:n], order[n:]
    return first, rest


def _count_classes(labels: Tensor) -> int:
    return int((labels.bincount() > 0).sum())


def _is_first_of_class(labels: Tensor) -> Tensor:
    """Which of the labels come the first time, (n,), bool."""
    occurrence = torch.nn.functional.one_hot(labels).cumsum(0).gather(1, labels[:, None])[:, 0]
    return occurrence == 1
