"""The handwritten digits that come with scikit-learn, so that everything runs with no data at all."""

from functools import partial

import torch
from torch.nn.functional import interpolate

from tart_nas.images.raw import RawData, RawSplit
from tart_nas.images.splits import stratified_order

__all__ = ["find_digits"]

_SIZE = 32  # pixels, as CIFAR-10's
_TEST_IMAGES = 297  # of 1,797; scikit-learn's set has no test part of its own, this one is fixed
_TEST_SEED = 0


def find_digits() -> RawData:
    """The 1,797 digits of 8x8 pixels, bilinearly scaled to 32x32, three equal channels; 1,500 to train, 297 to test."""
    from sklearn.datasets import load_digits  # here, since importing scikit-learn takes seconds

    digits = load_digits()
    labels = torch.from_numpy(digits.target).long()
    grey = torch.from_numpy(digits.images).float()[:, None] * (255 / 16)  # values in [0, 16]
    scaled = interpolate(grey, size=(_SIZE, _SIZE), mode="bilinear", align_corners=False)
    images = scaled.round().byte().expand(-1, 3, -1, -1)

    order = stratified_order(labels, _TEST_SEED)
    train, test = order[_TEST_IMAGES:].sort().values, order[:_TEST_IMAGES].sort().values

    def split(chosen: torch.Tensor) -> RawSplit:
        return RawSplit(labels[chosen], lambda indices: images[chosen[indices]])

    return RawData(
        classes=tuple(map(str, digits.target_names)),
        train=partial(split, train),
        test=partial(split, test),
        source="scikit-learn's digits, scaled to 32x32",
        flippable=False,
    )
