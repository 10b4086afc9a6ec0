"""A data set as it was found, before it is split: labels at once, images only when they are asked for."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["RawData", "RawSplit"]


@dataclass(frozen=True)
class RawSplit:
    """The labels of a split and a way to its images.

    Args:
        labels: (n,), int64.
        read: maps indices (m,) to images (m, 3, H, W), uint8; what is not asked for is not decoded.
    """

    labels: Tensor
    read: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class RawData:
    """Where the two published parts of a data set are, and what they are.

    Args:
        classes: label k means ``classes[k]``.
        train: opens the training part.
        test: opens the test part.
        source: where it was found, for people.
        flippable: whether a mirrored image keeps its label.
    """

    classes: tuple[str, ...]
    train: Callable[[], RawSplit]
    test: Callable[[], RawSplit]
    source: str
    flippable: bool
