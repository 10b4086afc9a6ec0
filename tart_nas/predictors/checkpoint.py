"""Checkpoints of predictors and generators: one safetensors file, which describes itself in its metadata as JSON.

Format: https://github.com/huggingface/safetensors. The header's ``__metadata__`` holds ``format``, ``version`` and
``metadata`` (JSON text), and ``sha256``, a checksum (:mod:`tart_nas.checksums`). Nothing is unpickled, and a file is
complete or not there at all.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tart_nas.checksums import UNSTAMPED, check_file, stamp_file
from tart_nas.errors import CheckpointError, reason
from tart_nas.files import replacing

__all__ = ["FORMAT", "PREDICTOR", "VERSION", "Arrays", "CheckpointFormat", "read_checkpoint", "write_checkpoint"]

FORMAT = "tart-nas predictor"
VERSION = 2


@dataclass(frozen=True)
class CheckpointFormat:
    """A format of files.

    Args:
        name: in the header.
        version: that is written, and the only one that is read.
        noun: what the files hold.
    """

    name: str
    version: int
    noun: str


PREDICTOR = CheckpointFormat(FORMAT, VERSION, "predictor")

Arrays = dict[str, npt.NDArray[Any]]


def write_checkpoint(
    path: str | os.PathLike[str], arrays: Arrays, metadata: Mapping[str, Any], form: CheckpointFormat = PREDICTOR
) -> None:
    """Writes a checkpoint, atomically: whatever was at ``path`` stays until the new file is complete.

    Args:
        path: where to.
        arrays: what was learned, by name.
        metadata: what describes it; JSON values only.
        form: of the file.

    Raises:
        CheckpointError: if the file cannot be written.
    """
    path = Path(path)
    header = {
        "format": form.name,
        "version": str(form.version),
        "metadata": json.dumps(metadata, allow_nan=False),
        **UNSTAMPED,
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(save(contiguous, header))
            stamp_file(temporary)
    except OSError as error:
        raise CheckpointError(f"Cannot write the {form.noun} to {path}: {reason(error)}.") from None


def read_checkpoint(path: str | os.PathLike[str], form: CheckpointFormat = PREDICTOR) -> tuple[Arrays, dict[str, Any]]:
    """Reads what :func:`write_checkpoint` wrote.

    Raises:
        CheckpointError: if the file is missing, truncated, of another program or of a later version.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"There is no {form.noun} at {path}.")
    try:
        check_file(path)
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} is not a complete safetensors file: {reason(error)}.") from None
    # Any safetensors file can be opened, such as the weights of a network.
    if header.get("format") != form.name:
        raise CheckpointError(f"{path} is no {form.noun} of TART-NAS: its format is {header.get('format')!r}.")
    if header.get("version") != str(form.version):
        raise CheckpointError(
            f"{path} has version {header.get('version')!r} of the checkpoint format; this TART-NAS reads "
            f"{form.version}."
        )
    try:
        metadata = json.loads(header["metadata"])
    except (KeyError, ValueError, RecursionError):
        metadata = None
    if not isinstance(metadata, dict):
        raise CheckpointError(f"The metadata of {path} is not a JSON object.")
    return arrays, metadata
