"""A data set as it was found, before it is split: labels at once, images only when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from tart_nas.errors import ImageDataError
from tart_nas.images.splits import split_in_two, stratified_order

__all__ = ["RawData", "RawSplit", "test_set_apart"]

_TEST_FRACTION = 0.2  # of images that come without a test set: small sets need so many for a figure to mean something
_TEST_SEED = 0  # the test images are the same whatever the seed of a search, so that its runs can be compared


@dataclass(frozen=True)
class RawSplit:
    """The labels of a split and a way to its images.

    Args:
        labels: (n,), int64.
        read: maps indices (m,) to images (m, 3, H, W), uint8; what is not asked for is not decoded.
    """

    labels: Tensor
    read: Callable[[Tensor], Tensor]

    def take(self, indices: Tensor) -> "RawSplit":
        """The images of some indices (m,)."""
        return RawSplit(self.labels[indices], lambda chosen: self.read(indices[chosen]))


@dataclass(frozen=True)
class RawData:
    """Where the published parts of a data set are, and what they are.

    Args:
        classes: label k means ``classes[k]``.
        train: opens the training part.
        test: opens the test part.
        source: where it was found, for people.
        flippable: whether a mirrored image keeps its label.
        validation: opens the validation part; None where it is to be split from the training part.
        is_sized: whether images are read at the size that was asked for.
    """

    classes: tuple[str, ...]
    train: Callable[[], RawSplit]
    test: Callable[[], RawSplit]
    source: str
    flippable: bool
    validation: Callable[[], RawSplit] | None = None
    is_sized: bool = False


def test_set_apart(part: RawSplit, classes: tuple[str, ...], source: str) -> tuple[RawSplit, RawSplit]:
    """Sets a fifth of the images of each class apart as test images, the same ones each time.

    Returns:
        The rest and the test images.

    Raises:
        ImageDataError: if a class has fewer than three images: one each for training, validation and the test.
    """
    counts = part.labels.bincount(minlength=len(classes))
    if counts.min() < 3:
        least, n = classes[int(counts.argmin())], int(counts.min())
        raise ImageDataError(
            f"{source}: the class {least} has {n} image{'' if n == 1 else 's'}, but each class needs at least 3, one "
            "each for training, validation and test."
        )
    order = stratified_order(part.labels, _TEST_SEED)
    test, rest = split_in_two(order, part.labels, max(len(classes), round(_TEST_FRACTION * len(order))))
    return part.take(rest), part.take(test)
