"""The one way in: a data set by its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from tart_nas.checks import number, whole
from tart_nas.choices import IMAGE_DATASETS
from tart_nas.errors import ImageDataError, SettingError
from tart_nas.images.cifar import find_cifar10, find_cifar100
from tart_nas.images.digits import find_digits
from tart_nas.images.embedded import find_cifar10_sample
from tart_nas.images.folders import FolderData, load_folder
from tart_nas.images.raw import RawData, RawSplit
from tart_nas.images.splits import ImageData, ImageSplit, first_images, split_in_two, stratified_order
from tart_nas.layout import MIN_IMAGE_SIZE

__all__ = ["load_image_folder", "load_images"]

_RESIZED_AT_ONCE = 4096  # images, so that their floats stay small


def load_images(
    name: str,
    data_dir: str | Path | None = None,
    *,
    seed: int = 0,
    validation_fraction: float = 0.1,
    train_images: int | None = None,
    validation_images: int | None = None,
    test_images: int | None = None,
    shots: int | None = None,
    image_size: int | None = None,
) -> ImageData:
    """Loads a data set and splits its training part into train and validation, each class in its share.

    Only the images that are used are decoded; the test images, when they are first asked for. The split depends on
    ``seed`` and ``validation_fraction`` alone, so that smaller subsets lie in larger ones and train never meets
    validation.

    Example:
        >>> images = load_images("digits", train_images=500)
        >>> len(images.train), len(images.validation), images.classes[:3]
        (500, 150, ('0', '1', '2'))

    Args:
        name: ``"cifar10-sample"``, 10,000 training and 2,000 test images that come with the package; ``"cifar10"``;
            ``"cifar100"``; or ``"digits"``, 1,797 tiny images that come with scikit-learn.
        data_dir: where CIFAR-10 or CIFAR-100 is, in any form of :mod:`tart_nas.images.cifar`; None downloads it once to
            the user's cache. The other two need none.
        seed: of the split and the subsets.
        validation_fraction: share of the training part that becomes validation, in (0, 1).
        train_images: use only so many images for training, at least one per class; None for all.
        validation_images: use only so many images for validation, at least one per class; None for all.
        test_images: use only so many images for the test, at least one per class; None for all.
        shots: use only so many images of each class for training, at least 1 (few-shot); None for all.
        image_size: height and width to which images are reduced, each pixel the mean of those it covers, as in the
            downsampled ImageNet (Chrabaszcz et al., 2017); None keeps them as they are.

    Raises:
        SettingError: if an argument is outside its range.
        ImageDataError: if the images are missing, corrupt, of another size, or too few.
    """
    raw = _find(name, data_dir)
    part = raw.train()
    if test_images is not None:
        # Now, since the test images themselves are read only after all training.
        whole(f"test_images of {name}", test_images, len(raw.classes))
    if image_size is not None:
        whole("image_size", image_size, 1)

    sizes = _Sizes(seed, validation_fraction, train_images, validation_images, shots)
    train, validation = sizes.chosen(part.labels, raw.classes, raw.source, name)
    return ImageData(
        name=name,
        classes=raw.classes,
        train=_read(part, train, image_size),
        validation=_read(part, validation, image_size),
        read_test=lambda: _read_test(raw, test_images, seed, image_size),
        source=raw.source,
        flippable=raw.flippable,
    )


def load_image_folder(
    folder: str | Path,
    *,
    image_size: int = 224,
    seed: int = 0,
    validation_fraction: float = 0.1,
    train_images: int | None = None,
    validation_images: int | None = None,
    shots: int | None = None,
) -> FolderData:
    """Finds images in folders as ImageNet has them, see :mod:`tart_nas.images.folders`; they are read in training.

    Args:
        folder: with ``train/<class>/*`` and ``val/<class>/*``, PNG or JPEG files.
        image_size: height and width to which images are brought, in pixels, at least 8.
        seed: of the split; the other arguments and the errors are those of :func:`load_images` too.
        validation_fraction: share of ``train`` that becomes validation; ``val`` is the test.
        train_images: use only so many images for training.
        validation_images: use only so many images for validation.
        shots: use only so many images of each class for training.
    """
    whole("image_size", image_size, MIN_IMAGE_SIZE)
    sizes = _Sizes(seed, validation_fraction, train_images, validation_images, shots)
    path = Path(folder).expanduser()
    return load_folder(path, image_size, lambda labels, classes: sizes.chosen(labels, classes, str(path), str(path)))


@dataclass(frozen=True)
class _Sizes:
    """How the training part of a data set is split; see :func:`load_images`."""

    seed: int
    validation_fraction: float
    train_images: int | None
    validation_images: int | None
    shots: int | None

    def chosen(self, labels: Tensor, classes: Sequence[str], source: str, name: str) -> tuple[Tensor, Tensor]:
        """The indices of the training and of the validation images."""
        whole("seed", self.seed, 0)
        number("validation_fraction", self.validation_fraction, above=0, below=1)
        if self.shots is not None and self.train_images is not None:
            raise SettingError("`shots` and `train_images` exclude each other, but both are given.")
        counts = labels.bincount(minlength=len(classes))
        n_validation = round(self.validation_fraction * len(labels))
        n_train = len(labels) - n_validation
        # Each class needs an image on either side.
        if counts.min() < 2 or min(n_validation, n_train) < len(classes):
            raise ImageDataError(
                f"{source}: {len(labels)} training images, {int(counts.min())} in class "
                f"{classes[int(counts.argmin())]}, are too few to set {self.validation_fraction:.0%} of each class "
                "apart."
            )
        for argument, value, limit in (
            ("train_images", self.train_images, n_train),
            ("validation_images", self.validation_images, n_validation),
        ):
            if value is not None:
                whole(f"{argument} of {name}", value, len(classes), limit)
        order = stratified_order(labels, self.seed)
        # The validation images come first in the order, whatever the sizes: no subset of the rest can meet them.
        validation, train = split_in_two(order, labels, n_validation)
        train = first_images(train, labels, self.train_images)
        if self.shots is not None:
            train = self._of_each_class(train, labels[train].bincount(minlength=len(classes)), labels)
        return train, first_images(validation, labels, self.validation_images)

    def _of_each_class(self, train: Tensor, counts: Tensor, labels: Tensor) -> Tensor:
        """The first so many of each class, in their order."""
        shots = self.shots or 0
        if not 1 <= shots <= counts.min():
            raise SettingError(
                f"`shots` must be in [1, {int(counts.min())}], the images that every class has left, but got {shots}."
            )
        # (n, classes): column k counts the images of class k up to and with this one.
        of_class = torch.nn.functional.one_hot(labels[train], len(counts)).cumsum(0)  # how many up to here
        rank = of_class.gather(1, labels[train, None])[:, 0]
        return train[rank <= shots]


def _find(name: str, data_dir: str | Path | None) -> RawData:
    if name == "cifar10":
        return find_cifar10(None if data_dir is None else Path(data_dir).expanduser())
    if name == "cifar100":
        return find_cifar100(None if data_dir is None else Path(data_dir).expanduser())
    for known, find, origin in (
        ("cifar10-sample", find_cifar10_sample, "comes with the package"),
        ("digits", find_digits, "comes with scikit-learn"),
    ):
        if name == known:
            if data_dir is not None:
                raise SettingError(
                    f"`data_dir` must be left out for {name}, which {origin}, but got {data_dir}: "
                    "images in a folder need the name of their data set, such as cifar10."
                )
            return find()
    close = get_close_matches(str(name), IMAGE_DATASETS, n=1)
    raise SettingError(
        f"Unknown data set {name!r}: expected one of {', '.join(IMAGE_DATASETS)}."
        + (f" Did you mean {close[0]!r}?" if close else "")
    )


def _read(part: RawSplit, indices: Tensor, image_size: int | None) -> ImageSplit:
    images = part.read(indices)
    return ImageSplit(images if image_size is None else _reduced(images, image_size), part.labels[indices])


def _reduced(images: Tensor, size: int) -> Tensor:
    """(n, 3, H, W) to (n, 3, size, size), both uint8."""
    if size > min(images.shape[2:]):
        raise SettingError(f"`image_size` must be at most that of the images, {images.shape[-1]}, but got {size}.")
    chunks = torch.split(images, _RESIZED_AT_ONCE)
    return torch.cat([interpolate(chunk.float(), (size, size), mode="area").round().byte() for chunk in chunks])


def _read_test(raw: RawData, count: int | None, seed: int, image_size: int | None) -> ImageSplit:
    """The test images, or so many of them, the classes mixed even where they are stored one after another.

    Networks that normalise by the statistics of a batch tell nothing apart in a batch of one class.
    """
    part = raw.test()
    if count is not None and count > len(part.labels):
        raise SettingError(f"`test_images` must be at most {len(part.labels)}, but got {count}.")
    order = stratified_order(part.labels, seed)
    return _read(part, first_images(order, part.labels, count), image_size)
