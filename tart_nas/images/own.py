"""Images of a user's own as raw data: class folders or parquet files, PyTorch's data sets, tensors."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset

from tart_nas.errors import ImageDataError, SettingError, first_line
from tart_nas.images.class_folders import ImageFiles, find_class_folders
from tart_nas.images.decoding import as_rgb, decode_rgb, header_size
from tart_nas.images.hugging_face import EncodedImages, read_parquet
from tart_nas.images.raw import RawData, RawSplit, test_set_apart
from tart_nas.images.splits import ImageData, ImageSplit

__all__ = ["find_folder", "holds_parquet", "raw_data_of"]

_PARTS = {"train": ("train",), "validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
_Encoded = Callable[[int], tuple[bytes, str]]


def find_folder(folder: Path, image_size: int | None) -> RawData:
    """Images of a folder, in parquet files as on Hugging Face or in a layout of :mod:`class_folders`.

    Args:
        folder: where they are.
        image_size: what the middle square of each image is brought to, in pixels; None where all are squares of one
            size, which they keep.

    Raises:
        ImageDataError: if there are none, or something is wrong with them.
    """
    classes, parts, form = _parquet(folder) if holds_parquet(folder) else _folders(folder)
    source = f"{folder} ({form})"
    size = _common_size(parts, folder) if image_size is None else image_size
    opened = {name: RawSplit(labels, partial(_decoded, at, size)) for name, (labels, at) in parts.items()}
    return _of_parts(classes, opened, source, is_sized=True)


def holds_parquet(folder: Path) -> bool:
    """Whether there are parquet files of training images in a folder, its ``data``, or another folder in it."""
    return _parquet_folder(folder) is not None


def _parquet_folder(folder: Path) -> Path | None:
    inner = sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    return next((place for place in (folder, *inner) if any(place.glob("train-*.parquet"))), None)


_Parts = dict[str, tuple[Tensor, _Encoded]]  # the labels of a part and what gives its encoded images


def _parquet(folder: Path) -> tuple[tuple[str, ...], _Parts, str]:
    place = _parquet_folder(folder)
    assert place is not None
    found: dict[str, EncodedImages] = {}
    for part, names in _PARTS.items():
        files = [file for name in names for file in sorted(place.glob(f"{name}-*.parquet"))]
        if files:
            found[part] = read_parquet(files, None)
    if empty := next((part for part, images in found.items() if not len(images.labels)), None):
        raise ImageDataError(f"{place}: there is no image in the parquet files of {empty}.")
    classes = found["train"].classes
    if not isinstance(classes, list):  # files that other tools wrote do not name them
        classes = _numbered([images.labels for images in found.values()], str(place))
    for images in found.values():
        images.checked(len(classes))
    if len(classes) < 2:
        raise ImageDataError(f"{place}: the images are all of one class, but at least two are expected.")
    return tuple(map(str, classes)), {part: (images.labels, images.at) for part, images in found.items()}, "parquet"


def _numbered(labels: Sequence[Tensor], source: str) -> list[str]:
    """The names of classes that nobody named: their numbers.

    Raises:
        ImageDataError: if there would be more classes than images, as where labels are numbers of something else.
    """
    n, most = sum(map(len, labels)), max(int(some.max()) for some in labels)
    if most >= n:  # else all names would be made first: of a label like 10^12 they do not fit into memory
        raise ImageDataError(
            f"{source}: labels must count the classes from 0, but there is the label {most} and only {n} images."
        )
    return list(map(str, range(most + 1)))


def _folders(folder: Path) -> tuple[tuple[str, ...], _Parts, str]:
    found = find_class_folders(folder)

    def encoded(files: Sequence[Path], index: int) -> tuple[bytes, str]:
        try:
            return files[index].read_bytes(), str(files[index])
        except OSError as error:
            raise ImageDataError(f"{files[index]}: {first_line(error)}.") from None

    given: dict[str, ImageFiles | None] = {"train": found.train, "validation": found.validation, "test": found.test}
    parts: _Parts = {}
    for name, part in given.items():
        if part is not None:
            parts[name] = part.labels, partial(encoded, part.files)
    return found.classes, parts, "a folder per class"


def _common_size(parts: _Parts, folder: Path) -> int:
    """The size of all images, which their headers tell.

    Raises:
        ImageDataError: if they differ in size, or are no squares.
    """
    first: tuple[int, int] | None = None
    for labels, at in parts.values():
        for index in range(len(labels)):
            data, name = at(index)
            size = header_size(data, name)
            first = first or size
            if size != first or size[0] != size[1]:
                is_other = f"is {size[0]}x{size[1]} pixels large" + (
                    "" if size == first else f", the first {first[0]}x{first[1]}"
                )
                raise ImageDataError(
                    f"{name} {is_other}: `image_size` must say to which square all images of {folder} are brought."
                )
    assert first is not None, "each class has an image"
    return first[0]


def _decoded(at: _Encoded, size: int, indices: Tensor) -> Tensor:
    pixels = np.empty((len(indices), size, size, 3), dtype=np.uint8)
    for k, index in enumerate(indices.tolist()):
        pixels[k] = np.asarray(decode_rgb(*at(index), size))
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def _of_parts(
    classes: tuple[str, ...], parts: Mapping[str, RawSplit], source: str, is_sized: bool, flippable: bool = True
) -> RawData:
    """The data of parts, of which only ``train`` must be there: the validation images alone are the test, as those of
    ImageNet, and of images without any parts some are set apart.
    """
    parts = dict(parts)
    train, validation, test = parts["train"], parts.get("validation"), parts.get("test")
    if test is None and validation is not None:
        test, validation = validation, None
    if test is None:
        train, test = test_set_apart(train, classes, source)
    return RawData(
        classes,
        train=lambda: train,
        test=lambda: test,
        source=source,
        flippable=flippable,
        validation=None if validation is None else lambda: validation,
        is_sized=is_sized,
    )


def raw_data_of(given: Any, image_size: int | None) -> RawData:
    """The data of images that were given in Python.

    Args:
        given: an :class:`~tart_nas.images.ImageData`; a data set of PyTorch whose items are (image, label) pairs, with
            an image of Pillow, a uint8 tensor, or a float tensor in [0, 1]; a pair of images (n, C, H, W) or (n, H, W)
            and labels (n,); or a mapping with such values for ``train`` and, if there are any, ``validation`` and
            ``test``.
        image_size: what images of Pillow are brought to, in pixels.

    Raises:
        SettingError: if it is something else.
        ImageDataError: if the images are of different sizes, or values are not in [0, 1].
    """
    if isinstance(given, ImageData):
        parts = {"train": _in_memory(given.train), "validation": _in_memory(given.validation)}
        return RawData(
            given.classes,
            train=lambda: parts["train"],
            test=lambda: _in_memory(given.test),
            source=given.source,
            flippable=given.flippable,
            validation=lambda: parts["validation"],
        )
    named = given if isinstance(given, Mapping) else {"train": given}
    if "train" not in named or (unknown := sorted(map(str, named.keys() - _PARTS.keys()))):
        wrong = f"has {unknown[0]!r}" if "train" in named else "has no 'train'"
        raise SettingError(f"`dataset` as a mapping must have train, and may have validation and test, but {wrong}.")
    splits = {name: _in_memory(_split(value, name, image_size)) for name, value in named.items()}
    names = getattr(named["train"], "classes", None)
    names = names or _numbered([split.labels for split in splits.values()], "The images given in Python")
    for name, split in splits.items():
        if (most := int(split.labels.max())) >= len(names):
            raise ImageDataError(f"Label {most} in {name} of the images given in Python: expected [0, {len(names)}).")
    if len(names) < 2:
        raise ImageDataError("The images given in Python are all of one class, but at least two are expected.")
    return _of_parts(tuple(map(str, names)), splits, "images given in Python", is_sized=False)


def _in_memory(split: ImageSplit) -> RawSplit:
    return RawSplit(split.labels, lambda indices: split.images[indices])


def _split(given: Any, part: str, image_size: int | None) -> ImageSplit:
    """The images of a data set or of tensors in memory."""
    if isinstance(given, tuple | list) and len(given) == 2 and not isinstance(given, Dataset):
        try:
            images, labels = (torch.as_tensor(array) for array in given)
        except (TypeError, ValueError, RuntimeError) as error:  # texts, lists of different lengths
            raise SettingError(
                f"`dataset` must give images and labels as arrays of numbers, but {part} cannot be made tensors of: "
                f"{first_line(error)}"
            ) from None
        if not images.numel():
            raise ImageDataError(f"There is no image in {part}.")
        if labels.is_floating_point() and not torch.equal(labels, labels.round()):  # which NaN fails too
            raise ImageDataError(f"Labels must be whole numbers, but those of {part} are others.")
        return ImageSplit(_as_bytes(images, part), labels.flatten().long())
    if not (hasattr(given, "__len__") and hasattr(given, "__getitem__")):
        raise SettingError(
            f"`dataset` must be the name of a data set, an ImageData, a torch.utils.data.Dataset with a length, or "
            f"(images, labels), but got {type(given).__name__}."
        )
    images_of, labels_of = [], []
    for index in range(len(given)):
        try:
            item = given[index]
        except Exception as error:  # whatever the user's code raises
            said = f"{type(error).__name__}: {first_line(error)}"
            raise ImageDataError(f"Item {index} of {part} cannot be read: {said}") from error
        try:
            image, label = item
        except (TypeError, ValueError):
            raise SettingError(
                f"`dataset` must give (image, label) pairs, but item {index} of {part} is none."
            ) from None
        images_of.append(_item(image, image_size, f"Item {index} of {part}"))
        labels_of.append(_label(label, index, part))
    if not images_of:
        raise ImageDataError(f"There is no image in {part}.")
    shapes = {tuple(image.shape) for image in images_of}
    if len({shape[0] for shape in shapes}) > 1:
        told = " and ".join(str(n) for n in sorted({shape[0] for shape in shapes}))
        raise ImageDataError(f"The images of {part} differ in their numbers of channels: {told}.")
    if len(shapes) > 1:
        told = " and ".join("x".join(map(str, shape[1:])) for shape in sorted(shapes)[:2])
        raise ImageDataError(
            f"The images of {part} differ in size ({told}): `image_size` must say what they are brought to."
        )
    return ImageSplit(_as_bytes(torch.stack(images_of), part), torch.tensor(labels_of))


def _label(label: Any, index: int, part: str) -> int:
    """A whole number, of Python, NumPy or a tensor of one element."""
    try:
        number = float(label)
    except (TypeError, ValueError):
        number = float("nan")
    if not number.is_integer():
        raise ImageDataError(f"Labels must be whole numbers, but item {index} of {part} has {label!r}.")
    return int(number)


def _item(image: Any, size: int | None, where: str) -> Tensor:
    if isinstance(image, Image.Image):
        rgb = as_rgb(image, where)
        rgb = rgb if size is None else ImageOps.fit(rgb, (size, size), method=Image.Resampling.BICUBIC)
        return torch.from_numpy(np.asarray(rgb).copy()).permute(2, 0, 1)
    tensor = torch.as_tensor(image)
    return tensor if tensor.dim() == 3 else tensor[None]


def _as_bytes(images: Tensor, part: str) -> Tensor:
    """(n, 3, H, W), uint8, of grey or coloured images."""
    images = images[:, None] if images.dim() == 3 else images
    if images.is_floating_point():
        if not (float(images.min()) >= 0 and float(images.max()) <= 1):  # which NaN fails too
            raise ImageDataError(
                f"The images of {part} must be uint8, or floats in [0, 1] (normalised ones cannot be augmented), but "
                f"they are in [{float(images.min()):.3g}, {float(images.max()):.3g}]."
            )
        images = (255 * images).round().to(torch.uint8)
    return images.expand(-1, 3, -1, -1) if images.dim() == 4 and images.shape[1] == 1 else images
