"""Files of weights that are pickles, read as data: nothing that they name is run.

These files come from other people. GHN-1, GHN-2 and GHN-3's trainings wrote archives of ``torch.save``; GHN-3's
released files are joblib pickles, in which each tensor's numbers are a file of PyTorch before 1.6. ``torch.load`` with
``weights_only`` runs nothing either, but a crafted nesting ends its process, and it allocates the sizes that a file
announces.

The format: https://docs.pytorch.org/docs/stable/notes/serialization.html, and ``torch/serialization.py``.
"""

import math
import mmap
import struct
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import IO, Any, cast
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor

from tart_nas.errors import CheckpointError, reason
from tart_nas.plain_pickles import Noted, RefusedPickleError, read_plain_pickle

__all__ = ["read_pickle"]

_MAGIC = 0x1950A86A20F9469CFC6C  # the first of five pickles in a file of PyTorch before 1.6
_BEGINNING = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # which is this
_MOST_DIMENSIONS = 8  # of a tensor; weights have four

_DTYPES = {
    f"torch {name}Storage": dtype
    for name, dtype in {
        "Double": torch.float64,
        "Float": torch.float32,
        "Half": torch.float16,
        "BFloat16": torch.bfloat16,
        "Long": torch.int64,
        "Int": torch.int32,
        "Short": torch.int16,
        "Char": torch.int8,
        "Byte": torch.uint8,
        "Bool": torch.bool,
    }.items()
}


def read_pickle(path: Path) -> Any:
    """What is in an archive of ``torch.save`` or a joblib pickle of tensors.

    Returns:
        Tensors on the CPU, numbers, text, None, and lists, tuples and dictionaries of these; :class:`Noted` in place of
        the options of a training.

    Raises:
        CheckpointError: if it is damaged, or holds anything but tensors and plain values.
        OSError: if it cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
        try:
            if is_archive:
                return _archive(file, size, _Tensors(size))
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _stream(cast(IO[bytes], content), _Tensors(size))
        except RefusedPickleError as error:
            said = f"it has {error}" if error.name is None else f"it would run {error.name}"
            raise CheckpointError(f"{path} is not read: {said}, and no file of weights needs that.") from None
        except (OSError, MemoryError):
            raise
        except Exception as error:  # what is damaged fails in every way
            raise CheckpointError(
                f"{path} is not read: it is damaged or no file of weights ({reason(error)})."
            ) from None


class _Tensors:
    """Makes tensors, which together have no more numbers than their file has bytes.

    Args:
        size: of the file, in bytes.
    """

    def __init__(self, size: int) -> None:
        self._left = size

    def rebuild(self, storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> Tensor:
        """A tensor of a storage, as ``torch._utils._rebuild_tensor_v2`` makes it."""
        if not (isinstance(storage, Tensor) and len(size) == len(stride) <= _MOST_DIMENSIONS):
            raise ValueError
        if not all(type(value) is int and value >= 0 for value in (offset, *size, *stride)):
            raise ValueError
        count = math.prod(size)
        last = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        self._left -= count
        if self._left < 0 or (count and last >= len(storage)):
            raise ValueError("its tensors are larger than the file")
        return storage.as_strided(size, stride, offset) if count else storage.new_empty(size)

    def names(self) -> dict[str, Any]:
        """What the names in a pickle of tensors stand for."""
        return {
            "collections OrderedDict": _no_items,
            "argparse Namespace": partial(Noted, "argparse Namespace"),  # the options of GHN-3's trainings
            "torch device": partial(Noted, "torch device"),  # which may be among them
            "torch Size": _size,
            "torch._utils _rebuild_tensor_v2": self.rebuild,
            "torch._utils _rebuild_parameter": lambda data, *_: data,
            **_DTYPES,
        }


def _no_items() -> dict[Any, Any]:
    return {}


def _size(values: Any) -> tuple[int, ...]:
    return tuple(map(int, values))


def _archive(file: IO[bytes], size: int, tensors: _Tensors) -> Any:
    """What is in a file of ``torch.save``: a zip archive, not compressed, of a pickle and the storages."""
    with ZipFile(file) as archive:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > size or any(e.compress_type != ZIP_STORED for e in entries):
            raise BadZipFile("its parts are larger than the file")
        (prefix,) = {entry.filename.partition("/")[0] for entry in entries}
        if f"{prefix}/byteorder" in archive.namelist() and archive.read(f"{prefix}/byteorder") != b"little":
            raise BadZipFile("its numbers are big-endian")
        storages: dict[str, Tensor] = {}

        def storage(identifier: Any) -> Tensor:
            dtype, key, count = _identified(identifier)
            if key not in storages:
                storages[key] = _numbers(archive.read(f"{prefix}/data/{key}"), dtype, count)
            if storages[key].dtype != dtype:
                raise ValueError
            return storages[key]

        return read_plain_pickle(BytesIO(archive.read(f"{prefix}/data.pkl")), tensors.names(), storage)


def _stream(content: IO[bytes], tensors: _Tensors) -> Any:
    """What is in a joblib pickle, or in a file of PyTorch before 1.6."""
    if content.read(len(_BEGINNING)) == _BEGINNING:
        content.seek(0)
        return _before_archives(content, tensors)
    content.seek(0)

    def stored(text: bytes) -> Any:  # a file in the file, which holds none itself
        if text.startswith(b"PK"):
            return _archive(BytesIO(text), len(text), tensors)
        return _before_archives(BytesIO(text), tensors)

    return read_plain_pickle(content, {**tensors.names(), "torch.storage _load_from_bytes": stored})


def _before_archives(content: IO[bytes], tensors: _Tensors) -> Any:
    """Five pickles: the magic number, a version, a machine, the content, its storages' keys; and then the storages."""
    magic, _, _ = (read_plain_pickle(content, {}) for _ in range(3))
    if magic != _MAGIC:
        raise ValueError
    begin = content.tell()
    found: dict[str, tuple[torch.dtype, int]] = {}

    def note(identifier: Any) -> None:
        dtype, key, count = _identified(identifier)
        found[key] = dtype, count

    read_plain_pickle(content, {**tensors.names(), "torch._utils _rebuild_tensor_v2": lambda *_: None}, note)
    storages: dict[str, Tensor] = {}
    for key in read_plain_pickle(content, {}):
        dtype, count = found[key]
        if struct.unpack("<q", content.read(8)) != (count,):
            raise ValueError
        storages[key] = _numbers(content.read(count * dtype.itemsize), dtype, count)
    content.seek(begin)
    return read_plain_pickle(content, tensors.names(), lambda identifier: storages[_identified(identifier)[1]])


def _identified(identifier: Any) -> tuple[torch.dtype, str, int]:
    """A storage's type, key and number of values, of ``("storage", type, key, device, count)`` and None."""
    kind, dtype, key, _, count, *view = identifier
    is_one = kind == "storage" and isinstance(dtype, torch.dtype) and isinstance(key, str)
    if not is_one or type(count) is not int or count < 0 or any(part is not None for part in view):
        raise ValueError
    return dtype, key, count


def _numbers(content: bytes, dtype: torch.dtype, count: int) -> Tensor:
    if len(content) != count * dtype.itemsize:
        raise ValueError
    return torch.frombuffer(bytearray(content), dtype=dtype) if count else torch.empty(0, dtype=dtype)
