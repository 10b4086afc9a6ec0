"""Checksums in files: a single flipped bit is told instead of read.

safetensors has none. Here the metadata of a file holds the SHA-256 of the whole file, header and arrays, in which the
64 digits of the checksum itself are zeros. JSON objects hold that of their other members. Files without a checksum, as
earlier versions and other programs write them, are read as they are.
"""

import json
import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

__all__ = ["UNSTAMPED", "DamagedFileError", "check_file", "check_values", "stamp_file", "stamped"]

_KEY = "sha256"
_ZEROS = "0" * 64

UNSTAMPED = {_KEY: _ZEROS}
"""The metadata of a safetensors file that :func:`stamp_file` is to fill in."""

# In a text inside the metadata each quotation mark has a backslash before it, so that this finds no other place.
_PLACE = re.compile(rb'"sha256":"([0-9a-f]{64})"')
_BLOCK = 1 << 20  # bytes
_DAMAGED = "it is damaged, since its checksum is wrong"


class DamagedFileError(ValueError):
    """A file whose content is another than when it was written; readers make the error of their kind of it."""


def stamp_file(path: Path) -> None:
    """Writes the checksum into a safetensors file with the metadata :data:`UNSTAMPED`.

    Raises:
        ValueError: if it has no such metadata.
        OSError: if it cannot be written.
    """
    with path.open("r+b") as file:
        place = _place(file)
        if place is None:
            raise ValueError(f"{path} has no place for a checksum.")
        digest = _digest(file, place)
        file.seek(place)
        file.write(digest.encode())


def check_file(path: Path) -> None:
    """Checks a safetensors file, if it has a checksum.

    Raises:
        DamagedFileError: if its content is another than when it was written.
        OSError: if it cannot be read.
    """
    with path.open("rb") as file:
        place = _place(file)
        if place is None:
            return
        file.seek(place)
        if file.read(len(_ZEROS)).decode() != _digest(file, place):
            raise DamagedFileError(_DAMAGED)


def stamped(values: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON object with its checksum."""
    return {**values, _KEY: _of_values(values)}


def check_values(values: Mapping[str, Any], advice: str = "") -> None:
    """Checks a JSON object, if it has a checksum.

    Args:
        values: what was read.
        advice: for whoever changed the file on purpose: another clause of the message.

    Raises:
        DamagedFileError: if the object is another than :func:`stamped` gave.
    """
    if _KEY in values and values[_KEY] != _of_values({k: v for k, v in values.items() if k != _KEY}):
        raise DamagedFileError(_DAMAGED + advice)


def _of_values(values: Mapping[str, Any]) -> str:
    return sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _place(file: BinaryIO) -> int | None:
    """Where the digits of the checksum are in a safetensors file: 8 bytes with the length of a header, and the header.

    None if there are none, or it is no such file.
    """
    length = int.from_bytes(file.read(8), "little")
    size = file.seek(0, 2)
    file.seek(8)
    match = _PLACE.search(file.read(length)) if length <= size else None
    return None if match is None else 8 + match.start(1)


def _digest(file: BinaryIO, place: int) -> str:
    """The checksum of all but the digits at a place, which count as zeros."""
    digest = sha256()
    file.seek(0)
    digest.update(file.read(place))
    digest.update(_ZEROS.encode())
    file.seek(place + len(_ZEROS))
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()
