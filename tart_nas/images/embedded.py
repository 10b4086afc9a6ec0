"""The sample of CIFAR-10 that comes with the package, so that networks can be trained without a download.

The folder ``cifar10_sample`` holds one JPEG picture of tiles for each part and ``manifest.json``, which says how many
tiles of each class a picture has, in the order of the classes, and which SHA-256 its file has.
``experiments/make_cifar10_sample.py`` makes it; the README beside the files says from what and how.
"""

import json
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from tart_nas.errors import ImageDataError
from tart_nas.images.cifar import CIFAR10_CLASSES
from tart_nas.images.decoding import decode_image
from tart_nas.images.raw import RawData, RawSplit
from tart_nas.images.tiles import to_tiles

__all__ = ["find_cifar10_sample"]

_FOLDER = Path(__file__).parent / "cifar10_sample"
_ADVICE = "install the package again, or make the sample with `python -m tart_nas.experiments.make_cifar10_sample`"


def find_cifar10_sample(folder: Path = _FOLDER) -> RawData:
    """10,000 training and 2,000 test images of CIFAR-10, 32x32 pixels, as many of each class.

    Args:
        folder: with ``manifest.json`` and the files that it names.

    Raises:
        ImageDataError: if a file is missing or is not as it was made; of the pictures, when a part is opened.
    """
    path = folder / "manifest.json"
    data = _read(path)
    try:
        manifest = json.loads(data)
        size, columns = int(manifest["tile_size"]), int(manifest["columns"])
        train, test = (_Part(folder, size, columns, manifest["parts"][name]) for name in ("train", "test"))
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise ImageDataError(
            f"{path}: expected tile_size, columns and the parts train and test, each with file, sha256 and "
            f"images_per_class; {_ADVICE}."
        ) from None
    source = f"CIFAR-10, the sample that comes with the package ({len(train):,} and {len(test):,} images, as JPEG)"
    return RawData(CIFAR10_CLASSES, train.open, test.open, source, flippable=True)


class _Part:
    """One picture of tiles and what the manifest says of it."""

    def __init__(self, folder: Path, size: int, columns: int, entry: dict[str, Any]) -> None:
        self.path = folder / Path(str(entry["file"])).name  # a manifest cannot lead out of its folder
        self.sha256 = str(entry["sha256"])
        self.per_class = int(entry["images_per_class"])
        self.size, self.columns = size, columns
        if self.per_class < 1 or columns < 1 or size < 1 or len(self) % columns:
            raise ValueError

    def __len__(self) -> int:
        return self.per_class * len(CIFAR10_CLASSES)

    def open(self) -> RawSplit:
        data = _read(self.path)
        if sha256(data).hexdigest() != self.sha256:
            raise ImageDataError(
                f"{self.path}: expected the SHA-256 {self.sha256[:12]}..., but the file is truncated or was changed; "
                f"{_ADVICE}."
            )
        width, height = self.columns * self.size, len(self) // self.columns * self.size
        images = to_tiles(torch.from_numpy(decode_image(data, str(self.path), width, height).copy()), self.size)
        # The tiles of a picture lie class after class, so that no list of labels is needed.
        labels = torch.arange(len(CIFAR10_CLASSES)).repeat_interleave(self.per_class)
        return RawSplit(labels, partial(torch.Tensor.__getitem__, images))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ImageDataError(f"{path}: cannot be read ({error.strerror}); {_ADVICE}.") from None
