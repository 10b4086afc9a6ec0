"""Folders of images, one for each class, in the layouts that people have them in.

- ``train/<class>/*``, ``val/<class>/*`` and ``test/<class>/*``, the three parts;
- ``train`` and one of the others, as ImageNet has them: the other is the test set, and validation a part of ``train``;
- ``<class>/*`` alone: a test set is set apart (:func:`tart_nas.images.raw.test_set_apart`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from tart_nas.errors import ImageDataError

__all__ = ["IMAGE_SUFFIXES", "ClassFolders", "ImageFiles", "find_class_folders"]

IMAGE_SUFFIXES = (".jpeg", ".jpg", ".png", ".webp")
"""The names of images end so, in small or capital letters."""

_VALIDATION = ("val", "valid", "validation")


@dataclass(frozen=True)
class ImageFiles:
    """The images of a part.

    Args:
        files: n paths.
        labels: (n,), int64.
    """

    files: Sequence[Path]
    labels: Tensor


@dataclass(frozen=True)
class ClassFolders:
    """The parts of a data set in folders.

    Args:
        classes: the names of the folders, sorted.
        train: the training images, or all where there are no parts.
        validation: None where there are none.
        test: None where there are none.
    """

    classes: tuple[str, ...]
    train: ImageFiles
    validation: ImageFiles | None
    test: ImageFiles | None


def find_class_folders(folder: Path) -> ClassFolders:
    """Finds the images of a folder; none is read.

    Raises:
        ImageDataError: if there are no such folders, a class has no images, or classes of the parts differ.
    """
    if not folder.is_dir():
        raise ImageDataError(f"{folder}: no such folder; expected train/<class>/* and val/<class>/*, or <class>/*.")
    if not (folder / "train").is_dir():
        if parts := [name for name in (*_VALIDATION, "test") if (folder / name).is_dir()]:
            raise ImageDataError(f"{folder}: there is {parts[0]} but no train; expected train/<class>/*.")
        classes = _classes(folder)
        return ClassFolders(classes, _files(folder, classes), None, None)
    classes = _classes(folder / "train")
    validation = next((folder / name for name in _VALIDATION if (folder / name).is_dir()), None)
    test = folder / "test" if (folder / "test").is_dir() else None
    if test is None:
        test, validation = validation, None
    for part in (validation, test):
        if part is not None and (others := _classes(part)) != classes:
            odd = sorted(set(classes) ^ set(others))[0]
            raise ImageDataError(f"{folder}: the class {odd} is not both in train and {part.name}.")
    train, *held = (None if part is None else _files(part, classes) for part in (folder / "train", validation, test))
    assert train is not None
    return ClassFolders(classes, train, *held)


def _classes(folder: Path) -> tuple[str, ...]:
    found = tuple(sorted(path.name for path in folder.iterdir() if path.is_dir() and path.name[0] != "."))
    if len(found) < 2:
        raise ImageDataError(f"{folder}: expected a folder of images for each of at least two classes.")
    return found


def _files(folder: Path, classes: Sequence[str]) -> ImageFiles:
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        found = sorted(p for p in (folder / name).iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.name[0] != ".")
        if not found:
            raise ImageDataError(f"{folder / name}: no images there, expected {', '.join(IMAGE_SUFFIXES)} files.")
        files += found
        labels += [label] * len(found)
    return ImageFiles(files, torch.tensor(labels))
