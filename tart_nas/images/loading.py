"""The one way in: a data set by its name."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

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
from tart_nas.images.own import find_folder, raw_data_of
from tart_nas.images.raw import RawData, RawSplit
from tart_nas.images.splits import ImageData, ImageSplit, first_images, split_in_two, stratified_order
from tart_nas.layout import MIN_IMAGE_SIZE

__all__ = ["load_image_folder", "load_images"]

_RESIZED_AT_ONCE = 4096  # images, so that their floats stay small


def load_images(
    name: Any,
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
            ``"cifar100"``; ``"digits"``, 1,797 tiny images that come with scikit-learn; or ``"folder"``, your own
            images in ``data_dir``. Or the images themselves, see :func:`tart_nas.images.own.raw_data_of`.
        data_dir: where CIFAR-10 or CIFAR-100 is, in any form of :mod:`tart_nas.images.cifar`; None downloads it once to
            the user's cache. Of ``"folder"``: a folder for each class, with or without ``train``, ``val`` and ``test``
            around them (:mod:`tart_nas.images.class_folders`), or the parquet files of Hugging Face. All others need
            none.
        seed: of the split and the subsets.
        validation_fraction: share of the training part that becomes validation, in (0, 1).
        train_images: use only so many images for training, at least one per class; None for all.
        validation_images: use only so many images for validation, at least one per class; None for all.
        test_images: use only so many images for the test, at least one per class; None for all.
        shots: use only so many images of each class for training, at least 1 (few-shot); None for all.
        image_size: height and width to which images are reduced, each pixel the mean of those it covers, as in the
            downsampled ImageNet (Chrabaszcz et al., 2017); None keeps them as they are. Of ``"folder"``, the middle
            square of each image is brought to it.

    Raises:
        SettingError: if an argument is outside its range.
        ImageDataError: if the images are missing, corrupt, of another size, or too few.
    """
    if image_size is not None:
        whole("image_size", image_size, 1)
    raw, name = _find(name, data_dir, image_size), name if isinstance(name, str) else "your images"
    part = raw.train()
    if test_images is not None:
        # Now, since the test images themselves are read only after all training.
        whole(f"test_images of {name}", test_images, len(raw.classes))
    reduced_to = None if raw.is_sized else image_size
    sizes = _Sizes(seed, validation_fraction, train_images, validation_images, shots)
    held = part if raw.validation is None else raw.validation()
    train, validation = sizes.chosen(
        part.labels, None if raw.validation is None else held.labels, raw.classes, raw.source, name
    )
    return ImageData(
        name=name,
        classes=raw.classes,
        train=_read(part, train, reduced_to),
        validation=_read(held, validation, reduced_to),
        read_test=lambda: _read_test(raw, test_images, seed, reduced_to),
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
        folder: with ``train/<class>/*`` and ``val/<class>/*``, or another layout of
            :mod:`tart_nas.images.class_folders`; PNG, JPEG or WebP files.
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
    return load_folder(
        path, image_size, lambda labels, held, classes: sizes.chosen(labels, held, classes, str(path), str(path))
    )


@dataclass(frozen=True)
class _Sizes:
    """How the training part of a data set is split; see :func:`load_images`."""

    seed: int
    validation_fraction: float
    train_images: int | None
    validation_images: int | None
    shots: int | None

    def chosen(
        self, labels: Tensor, held: Tensor | None, classes: Sequence[str], source: str, name: str
    ) -> tuple[Tensor, Tensor]:
        """The indices of the training and of the validation images; the latter are of ``held``, labels of a part of its
        own, where there is one.
        """
        whole("seed", self.seed, 0)
        number("validation_fraction", self.validation_fraction, above=0, below=1)
        if self.shots is not None and self.train_images is not None:
            raise SettingError("`shots` and `train_images` exclude each other, but both are given.")
        n_validation = self._count_validation(labels, classes, source) if held is None else len(held)
        n_train = len(labels) - (n_validation if held is None else 0)
        for argument, value, limit in (
            ("train_images", self.train_images, n_train),
            ("validation_images", self.validation_images, n_validation),
        ):
            if value is not None:
                whole(f"{argument} of {name}", value, len(classes), limit)
        train = stratified_order(labels, self.seed)
        if held is None:
            # The validation images come first in the order, whatever the sizes: no subset of the rest can meet them.
            validation, train = split_in_two(train, labels, n_validation)
            held = labels
        else:
            validation = stratified_order(held, self.seed)
        train = first_images(train, labels, self.train_images)
        if self.shots is not None:
            train = self._of_each_class(train, labels[train].bincount(minlength=len(classes)), labels)
        return train, first_images(validation, held, self.validation_images)

    def _count_validation(self, labels: Tensor, classes: Sequence[str], source: str) -> int:
        """How many of the training images become validation images: each class needs one on either side."""
        counts = labels.bincount(minlength=len(classes))
        n_validation = max(round(self.validation_fraction * len(labels)), len(classes))
        if counts.min() < 2 or len(labels) - n_validation < len(classes):
            raise ImageDataError(
                f"{source}: {len(labels)} training images, {int(counts.min())} in class "
                f"{classes[int(counts.argmin())]}, are too few to set {self.validation_fraction:.0%} of each class "
                "apart."
            )
        return n_validation

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


def _find(name: Any, data_dir: str | Path | None, image_size: int | None) -> RawData:
    if not isinstance(name, str | int | None):  # a number is a mistake for a name
        if data_dir is not None:
            raise SettingError(f"`data_dir` must be left out where images are given, but got {data_dir}.")
        return raw_data_of(name, image_size)
    if name == "folder":
        if data_dir is None:
            raise SettingError("`data_dir` must name the folder of the images.")
        return find_folder(Path(data_dir).expanduser(), image_size)
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
                    "images in a folder need the name of their data set, such as cifar10, or folder for your own."
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
