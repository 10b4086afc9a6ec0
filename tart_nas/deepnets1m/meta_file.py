"""A meta file, read net by net: a million of them would fill the memory."""

import json
import mmap
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, DeepNetsError, reason

__all__ = ["MetaFile", "split_names"]

_CHUNK = 1 << 24  # bytes scanned at once
_KEY = re.compile(rb'"([^"\\]*)"\s*:\s*$')
_NET_LEVEL = 4  # brackets around what is in a net: the file's, the split's, those of the list, its own
_LONGEST_KEY = 100  # bytes, with quotes and spaces, of `nets` and the names of splits
_SEPARATOR = re.compile(rb"\s*,\s*")
_SPACE = re.compile(rb"\s*")

_DEPTH = np.zeros(256, dtype=np.int8)
_DEPTH[list(b"{[")] = 1
_DEPTH[list(b"}]")] = -1
_NOTED = _DEPTH != 0
_NOTED[list(b'"\\')] = True


class MetaFile:
    """The nets of one split in a meta file.

    Where each net stands in the file is found once, by counting brackets; a net is parsed when it is asked for. The
    rest of the file is parsed at once. Copies in other processes share the file's pages.

    Args:
        path: the file.
        split: the split.

    Attributes:
        tables: ``primitives_ext`` and ``unique_op_names``, id to name.

    Raises:
        DeepNetsError: if the file cannot be read, is no JSON of this layout or does not have the split.
    """

    def __init__(self, path: Path, split: str) -> None:
        self.path, self.split = path, split
        self._buffer: mmap.mmap | None = None
        lists = _net_lists(self._bytes(), path)
        skeleton = _skeleton(self._bytes(), path, lists)
        if split not in skeleton:
            raise DeepNetsError(f"{path} has no split {split!r}: it holds {', '.join(map(repr, skeleton)) or 'none'}.")
        content = skeleton[split]
        meta = content.get("meta") if isinstance(content, dict) else None
        if split not in lists or not isinstance(meta, dict):
            raise DeepNetsError(f"{path}: {split} must have a list 'nets' and 'meta' {{...}}, but has neither or one.")
        self._starts, self._ends = lists[split]
        self.tables = {name: self._table(meta, name) for name in ("primitives_ext", "unique_op_names")}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_buffer": None}  # a map cannot be pickled: each process makes its own

    def __len__(self) -> int:
        return len(self._starts)

    def net(self, index: int) -> dict[str, Any]:
        """A net's settings as they are in the file; index in [0, len)."""
        text = self._bytes()[self._starts[index] : self._ends[index]]
        try:
            net = json.loads(text.decode())
        except (ValueError, RecursionError) as error:
            raise DeepNetsError(f"{self.path}: {self.split}/{index} cannot be read: {reason(error)}.") from None
        if not isinstance(net, dict):
            raise DeepNetsError(f"{self.path}: {self.split}/{index} must be {{...}}, but is {text[:20]!r}.")
        return net

    def architecture(self, index: int, net: dict[str, Any]) -> Architecture:
        """The architecture of a net, which is :meth:`net`'s result for the index."""
        try:
            return Architecture.from_dict(net)
        except ArchitectureError as error:
            raise DeepNetsError(f"{self.path}: {self.split}/{index}: {error}") from None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return map(self.net, range(len(self)))

    def _bytes(self) -> mmap.mmap:
        if self._buffer is None:
            self._buffer = _mapped(self.path)
        return self._buffer

    def _table(self, meta: dict[str, Any], name: str) -> dict[int, str]:
        table = meta.get(name)
        try:
            return {int(key): str(value) for key, value in table.items()}  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            raise DeepNetsError(f"{self.path}: {self.split}/meta/{name} must map ids to names.") from None


def split_names(path: Path) -> list[str]:
    """The splits that a meta file has; errors are those of :class:`MetaFile`."""
    buffer = _mapped(path)
    return list(_skeleton(buffer, path, _net_lists(buffer, path)))


def _mapped(path: Path) -> mmap.mmap:
    try:
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        why = "it is empty" if isinstance(error, ValueError) else reason(error)
        raise DeepNetsError(f"Cannot read {path}: {why}.") from None


class _Brackets(NamedTuple):
    """The brackets of a JSON text that are not deep inside others, in order.

    Args:
        places: where they stand in the text.
        levels: how many brackets enclose what is directly inside of them, they included.
        opens: whether it is an opening one.
    """

    places: NDArray[np.int64]
    levels: NDArray[np.int64]
    opens: NDArray[np.bool_]


def _brackets(buffer: mmap.mmap, path: Path) -> _Brackets:
    """The brackets around the file, its splits, their lists and the nets."""
    found: list[_Brackets] = []
    in_string, depth, escape = 0, 0, -2  # the parity of the quotes so far, the open brackets, the last escaping place
    for offset in range(0, len(buffer), _CHUNK):
        chunk = np.frombuffer(buffer, dtype=np.uint8, count=min(_CHUNK, len(buffer) - offset), offset=offset)
        noted = np.flatnonzero(_NOTED[chunk])
        chars = chunk[noted]
        quotes = chars == ord('"')
        if len(noted) and noted[0] + offset == escape + 1:
            quotes[0] = False
        for i in np.flatnonzero(chars == ord("\\")).tolist():  # there are none in files as they are written
            if noted[i] + offset != escape + 1:
                escape = int(noted[i]) + offset
                quotes[i + 1 : i + 2] &= noted[i + 1 : i + 2] != noted[i] + 1
        strings = in_string + np.cumsum(quotes)
        steps = np.where(strings % 2, 0, _DEPTH[chars])
        depths = depth + np.cumsum(steps, dtype=np.int64)
        if len(noted):
            in_string, depth = int(strings[-1]) % 2, int(depths[-1])
        levels = np.maximum(depths, depths - steps)
        shallow = (steps != 0) & (levels <= _NET_LEVEL)
        found.append(_Brackets(noted[shallow] + offset, levels[shallow], steps[shallow] > 0))
        if (depths < 0).any():
            raise DeepNetsError(f"{path} is no JSON file: it closes more brackets than it opens.")
    if in_string or depth:
        unclosed = "a string" if in_string else f"{depth} brackets"
        raise DeepNetsError(f"{path} is no complete JSON file: it ends with {unclosed} open.")
    return _Brackets(*map(np.concatenate, zip(*found, strict=True)))


def _net_lists(buffer: mmap.mmap, path: Path) -> dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Where the nets of each split start and end."""
    places, levels, opens = _brackets(buffer, path)
    split_opens = places[opens & (levels == _NET_LEVEL - 2)]
    lists: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
    for start in places[opens & (levels == _NET_LEVEL - 1)].tolist():
        before = split_opens[split_opens < start]
        if buffer[start] == ord("[") and len(before) and _key(buffer, start) == "nets":
            ends = places[~opens & (levels == _NET_LEVEL - 1)]
            end = int(ends[np.searchsorted(ends, start)])
            inside = (places > start) & (places < end) & (levels == _NET_LEVEL)
            nets = places[inside & opens], places[inside & ~opens] + 1
            split = _key(buffer, int(before[-1]))
            _check_list(buffer, f"{path}: {split}/nets", start, end, *nets)
            lists[split] = nets
    return lists


def _key(buffer: mmap.mmap, place: int) -> str:
    """The key of the value that starts at a place of an object."""
    match = _KEY.search(buffer[max(0, place - _LONGEST_KEY) : place])
    return match[1].decode(errors="replace") if match else ""


def _check_list(
    buffer: mmap.mmap, name: str, start: int, end: int, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> None:
    """Checks that a list of objects holds nothing else."""
    text = np.frombuffer(buffer, dtype=np.uint8)
    usual = (starts[1:] - ends[:-1] == 2) & (text[ends[:-1]] == ord(",")) & (text[ends[:-1] + 1] == ord(" "))
    gaps = [(ends[i], starts[i + 1], _SEPARATOR) for i in np.flatnonzero(~usual)]
    gaps += [(start + 1, starts[0], _SPACE), (ends[-1], end, _SPACE)] if len(starts) else [(start + 1, end, _SPACE)]
    for begin, stop, expected in gaps:
        if not expected.fullmatch(buffer[begin:stop]):
            raise DeepNetsError(
                f"{name} must hold nothing but {{...}}, but has {buffer[begin : min(stop, begin + 20)]!r}."
            )


def _skeleton(
    buffer: mmap.mmap, path: Path, lists: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]]
) -> dict[str, Any]:
    """The file's content, but without the nets."""
    pieces, place = [], 0
    for starts, ends in sorted(lists.values(), key=lambda nets: nets[0][:1].tolist()):
        if len(starts):
            pieces.append(buffer[place : starts[0]])
            place = ends[-1]
    try:
        # Small enough to be parsed at once, as the nets are cut out.
        content = json.loads(b"".join([*pieces, buffer[place:]]).decode())
    except (ValueError, RecursionError) as error:
        raise DeepNetsError(f"{path} is no JSON file: {reason(error)}.") from None
    if not isinstance(content, dict):
        raise DeepNetsError(f"{path} must hold {{split: {{'nets': [...], 'meta': {{...}}}}}}, but is no object.")
    return content
