"""Checkpoints of predictors: one safetensors file, which describes itself in its metadata as JSON.

Format: https://github.com/huggingface/safetensors. The header's ``__metadata__`` holds ``format``, ``version`` and
``metadata`` (JSON text), and ``sha256``, a checksum (:mod:`tart_nas.checksums`). Nothing is unpickled, and a file is
complete or not there at all.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tart_nas.checksums import UNSTAMPED, check_file, stamp_file
from tart_nas.errors import CheckpointError, reason
from tart_nas.files import replacing

__all__ = ["FORMAT", "VERSION", "Arrays", "read_checkpoint", "write_checkpoint"]

FORMAT = "tart-nas predictor"
VERSION = 2

Arrays = dict[str, npt.NDArray[Any]]


def write_checkpoint(path: str | os.PathLike[str], arrays: Arrays, metadata: Mapping[str, Any]) -> None:
    """Writes a checkpoint, atomically: whatever was at ``path`` stays until the new file is complete.

    Args:
        path: where to.
        arrays: what was learned, by name.
        metadata: what describes it; JSON values only.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    path = Path(path)
    header = {
        "format": FORMAT,
        "version": str(VERSION),
        "metadata": json.dumps(metadata, allow_nan=False),
        **UNSTAMPED,
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(save(contiguous, header))
            stamp_file(temporary)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"Cannot write the predictor to {path}: {reason(error)}.") from None


def read_checkpoint(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, Any]]:
    """Reads what :func:`write_checkpoint` wrote.

    Raises:
        CheckpointError: if the file is missing, truncated, of another program or of a later version.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no predictor at {path}.")
    try:
        check_file(path)
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is not a complete safetensors file: {reason(error)}.") from None
    # Any safetensors file can be opened, such as the weights of a network.
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is no predictor of TART-NAS: its format is {header.get('format')!r}.")
    if header.get("version") != str(VERSION):
        raise CheckpointError(
            f"{path} has version {header.get('version')!r} of the checkpoint format; this TART-NAS reads {VERSION}."
        )
    try:
        metadata = json.loads(header["metadata"])
    except (KeyError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise CheckpointError(f"The metadata of {path} is not a JSON object.")
    return arrays, metadata
