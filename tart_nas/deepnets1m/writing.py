"""Writing a split in the released layout, into new files or beside the splits that files already have."""

import io
import json
import shutil
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tart_nas.deepnets1m.layout import TITLE
from tart_nas.deepnets1m.part_file import LEVEL, Record
from tart_nas.errors import DeepNetsError
from tart_nas.files import replacing
from tart_nas.graphs import PRIMITIVE_IDS, PRIMITIVES

__all__ = ["group_names", "stored_checksums", "write_split"]

_PRIMITIVES = (*PRIMITIVES, "conv_1x1")  # the released files tell these convolutions from others
_FORM = {"libver": ("v110", "v110")}  # of the HDF5 format; its metadata have check sums from there on


def write_split(graphs: Path, meta: Path, split: str, records: Iterable[Record], compress: bool) -> None:
    """Adds a split to a pair of files, or makes them.

    Both are replaced when the new ones are complete, the meta file last. What they hold already stays as it is, but for
    graphs of the same split, which are replaced: whoever calls has made sure that an interrupted run left them.

    Args:
        graphs: the HDF5 file.
        meta: the meta file, which must not have the split.
        split: the name of the split.
        records: its networks, in order.
        compress: whether to store the graphs compressed, in about a tenth of the space.

    Raises:
        DeepNetsError: if a file that is there cannot be read.
        OSError: if the new ones cannot be written.
    """
    tables, checksums = _Tables(), []
    with replacing(meta) as new_meta, replacing(graphs) as new_graphs, new_meta.open("w", encoding="utf-8") as text:
        text.writelines(_opening(meta, split))
        with (
            _opened(graphs, new_graphs) as target,
            h5py.File(target, "r+" if graphs.exists() else "w", **_FORM) as file,
        ):
            file.attrs["title"] = TITLE
            for name in (split, f"checksums/{split}"):
                if name in file:  # of a run that was interrupted before it wrote the meta file
                    del file[name]
            group = file.create_group(split)
            for i, record in enumerate(records):
                text.write((", " if i else "") + record.net)
                _write_graph(group.id, i, record, tables.nodes(record), compress)
                checksums.append(record.checksum)
                if target.error is not None:
                    break
            file.require_group("checksums").create_dataset(split, data=np.array(checksums, dtype=np.uint32))
        if target.error is not None:
            raise OSError(target.error.errno, target.error.strerror, str(graphs))
        text.write(f'], "meta": {json.dumps(tables.to_dict())}}}}}')


def group_names(graphs: Path) -> list[str]:
    """The names of the groups in a HDF5 file, which are splits and checksums.

    Raises:
        DeepNetsError: if it is none.
    """
    try:
        with h5py.File(graphs, "r") as file:
            return list(file)
    except Exception as error:  # h5py raises nearly every kind
        raise DeepNetsError(f"{graphs} is no complete HDF5 file: {' '.join(str(error).split())}.") from None


def stored_checksums(graphs: Path, split: str) -> list[int]:
    """The checksums of a split's networks in a HDF5 file; none where it has none, such as a released one.

    Raises:
        DeepNetsError: if it is no HDF5 file.
    """
    if "checksums" not in group_names(graphs):
        return []
    try:
        with h5py.File(graphs, "r") as file:
            stored = file.get(f"checksums/{split}")
            return [] if stored is None else [int(checksum) for checksum in stored[()]]
    except Exception as error:  # h5py raises nearly every kind
        raise DeepNetsError(f"{graphs} is no complete HDF5 file: {' '.join(str(error).split())}.") from None


class _Tables:
    """The tables that ``nodes`` points into; op names get their ids as they come."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}

    def nodes(self, record: Record) -> NDArray[np.uint16]:
        """``nodes`` (n, 3) of a network."""
        ids = self._names
        names = [ids.setdefault(name, len(ids)) for name in record.names]
        is_conv = record.primitives == PRIMITIVE_IDS["conv"]
        primitives = np.where(is_conv & record.pointwise, len(PRIMITIVES), record.primitives)
        return np.stack([primitives, record.cells, np.array(names)], axis=1).astype(np.uint16)

    def to_dict(self) -> dict[str, dict[int, str]]:
        return {
            "primitives_ext": dict(enumerate(_PRIMITIVES)),
            "unique_op_names": {i: name for name, i in self._names.items()},
        }


def _opening(meta: Path, split: str) -> Iterator[str]:
    """The text of the new meta file up to the split's first net."""
    text = meta.read_text(encoding="utf-8").rstrip() if meta.exists() else "{}"
    rest = text[:-1].rstrip()  # without the bracket that closes it
    yield rest
    yield f'{"" if rest == "{" else ", "}{json.dumps(split)}: {{"nets": ['


class _Target(io.FileIO):
    """A file for HDF5 in which no write fails: on a full disk HDF5 ends the process by a segmentation fault.

    After the first error nothing is written any more, and ``error`` is it.
    """

    error: OSError | None = None

    def write(self, data: Any) -> int:
        """Writes all of the bytes, or notes why not."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left and self.error is None:
                left = left[super().write(left) :]
        except OSError as error:
            self.error = error
        return size

    def truncate(self, size: int | None = None) -> int:
        """Sets the size, or notes why not."""
        try:
            return super().truncate(size)
        except OSError as error:
            self.error = self.error or error
        return size or 0


def _opened(graphs: Path, new_graphs: Path) -> _Target:
    """The new file, with what the one that is there holds."""
    if not graphs.exists():
        return _Target(new_graphs, "w+b")
    group_names(graphs)  # refuses what is no HDF5 file
    shutil.copyfile(graphs, new_graphs)
    return _Target(new_graphs, "r+b")


def _write_graph(split: Any, index: int, record: Record, nodes: NDArray[np.uint16], compress: bool) -> None:
    """Writes one network, by the low-level interface, which is several times as fast."""
    n = len(nodes)
    properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    properties.set_obj_track_times(False)  # so that the same networks make the same file
    group = h5py.h5g.create(split, str(index).encode(), gcpl=properties)
    adj = np.frombuffer(zlib.decompress(record.adj), dtype=np.uint8).reshape(n, n)
    for name, array, stream in ((b"adj", adj, record.adj), (b"nodes", nodes, None)):
        properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        properties.set_obj_track_times(False)
        if compress:
            properties.set_chunk(array.shape)
            properties.set_deflate(LEVEL)
        dtype = h5py.h5t.py_create(array.dtype)
        dataset = h5py.h5d.create(group, name, dtype, h5py.h5s.create_simple(array.shape), properties)
        if compress:
            dataset.write_direct_chunk((0, 0), stream or zlib.compress(array.tobytes(), LEVEL))
        else:
            dataset.write(h5py.h5s.ALL, h5py.h5s.ALL, array)
