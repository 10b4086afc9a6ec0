"""Files of weights that are pickles, read as data: nothing that they name is run but what makes tensors.

Unpickling runs whatever a file names, and these files come from other people. GHN-1, GHN-2 and GHN-3's trainings wrote
archives of ``torch.save``; GHN-3's released files are joblib pickles.
"""

import argparse
import pickle
import re
from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from tart_nas.errors import CheckpointError, reason

__all__ = ["read_pickle"]

_TORCH_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle in a file of PyTorch before 1.6


def read_pickle(path: Path) -> Any:
    """What is in an archive of ``torch.save`` or a joblib pickle of tensors.

    Raises:
        CheckpointError: if it is damaged, or holds anything but tensors and plain values.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        is_archive = file.read(4) == b"PK\x03\x04"
        file.seek(0)
        try:
            if is_archive:
                return _archive(path)
            content = _TensorUnpickler(file).load()
            return _archive(path) if content == _TORCH_MAGIC else content
        except (OSError, MemoryError):
            raise
        except Exception as error:  # a damaged pickle calls what makes tensors with anything
            raise CheckpointError(f"{path} is not read: {_fault(error)}.") from None


def _archive(path: Path) -> Any:
    # GHN-3's trainings keep their options in an argparse.Namespace: a mapping, that runs nothing when it is unpickled.
    allowed = getattr(torch.serialization, "safe_globals", None)  # since PyTorch 2.5
    with nullcontext() if allowed is None else allowed([argparse.Namespace]):
        return torch.load(path, map_location="cpu", weights_only=True)


class _TensorUnpickler(pickle.Unpickler):
    """Reads a pickle that names nothing but what a dictionary of tensors needs."""

    def find_class(self, module: str, name: str) -> Any:
        """What a name in the file stands for."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it would run {module}.{name}, and no file of weights needs that")
        return _ALLOWED[module, name]


def _storage(content: bytes) -> Any:
    """A tensor's numbers, which such a pickle holds as a file of ``torch.save`` of its own."""
    return torch.load(BytesIO(content), map_location="cpu", weights_only=True)


_ALLOWED: dict[tuple[str, str], Callable[..., Any]] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): torch._utils._rebuild_tensor_v2,
    ("torch.storage", "_load_from_bytes"): _storage,
}


def _fault(error: Exception) -> str:
    """Why a file is not read; PyTorch explains at length how to run what is in it all the same."""
    text = str(error)
    if name := re.search(r"GLOBAL (\S+)", text):
        return f"it would run {name[1]}, and no file of weights needs that"
    if isinstance(error, pickle.UnpicklingError):
        return "PyTorch finds more in it than weights" if "weights_only" in text else reason(error)
    return f"it is damaged or no file of weights ({reason(error)})"
