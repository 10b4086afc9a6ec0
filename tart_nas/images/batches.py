"""Reads the files of ``cifar-10-batches-py`` and ``cifar-100-python`` without unpickling them.

The published files are Python 2 pickles of protocol 2: a dictionary whose ``data`` is a uint8 array (n, 3072), an image
per row, red, then green, then blue, and whose ``labels`` is a list of n integers. They are read as data
(:mod:`tart_nas.plain_pickles`): numpy's constructors are noted, never called.
"""

from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.errors import ImageDataError, reason
from tart_nas.plain_pickles import Noted, RefusedPickleError, read_plain_pickle

__all__ = ["read_batch"]

_ROW = 3 * 32 * 32  # bytes per image
_NAMES = {name: partial(Noted, name) for name in ("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype")}


def read_batch(path: Path, labels_key: str = "labels") -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Reads one batch.

    Args:
        path: of ``data_batch_1``, ..., or ``test_batch``; of CIFAR-100, ``train`` or ``test``.
        labels_key: under which the labels are: ``labels``, or ``fine_labels`` of CIFAR-100.

    Returns:
        The images (n, 3072) and the n labels.

    Raises:
        ImageDataError: if the file is truncated, asks for anything else than a numpy array, or is no such batch.
    """
    try:
        batch = read_plain_pickle(BytesIO(path.read_bytes()), _NAMES)
    except RefusedPickleError as error:
        raise ImageDataError(f"{path}: refused, a batch of CIFAR-10 does not need {error}.") from None
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        why = reason(error)
        raise ImageDataError(f"{path}: expected a batch of CIFAR-10, but it cannot be read ({why}).") from None
    try:
        labels = batch[labels_key]
        _, shape, dtype, fortran_order, pixels = batch["data"].state
        is_batch = dtype.arguments[0] == "u1" and not fortran_order and shape == (len(labels), _ROW)
        if not (is_batch and labels and isinstance(labels, list) and all(map(_is_label, labels))):
            raise ValueError
        # pickletools decodes Python 2's strings as latin-1
        images = np.frombuffer(pixels.encode("latin-1"), dtype=np.uint8).reshape(shape)
    except (KeyError, ValueError, TypeError, AttributeError, IndexError):
        raise ImageDataError(
            f"{path}: expected 'data', a uint8 array (n, {_ROW}), and {labels_key!r}, a list of n integers."
        ) from None
    return images.copy(), labels


def _is_label(value: Any) -> bool:
    return type(value) is int and abs(value) < 2**31  # a larger one no tensor could hold; the classes are checked later
