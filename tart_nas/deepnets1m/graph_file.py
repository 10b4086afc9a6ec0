"""The HDF5 file of a split: the stored arrays of one network at a time."""

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from tart_nas.errors import DeepNetsError

__all__ = ["GraphFile"]


class GraphFile:
    """The graphs of one split in a HDF5 file.

    The file is opened when it is first read, and once more in every process that a copy gets to: a handle cannot be
    shared between processes.

    Args:
        path: the file.
        split: the split.
        num_nets: how many networks the split must have, those of its meta file.
    """

    def __init__(self, path: Path, split: str, num_nets: int) -> None:
        self.path, self.split, self.num_nets = path, split, num_nets
        self._process = 0
        self._file: Any = None  # kept, since the group closes with it
        self._group: Any = None
        self._checksums: NDArray[np.uint32] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_process": 0, "_file": None, "_group": None, "_checksums": None}

    def arrays(self, index: int, num_nodes: int) -> tuple[NDArray[np.uint8], NDArray[np.uint16]]:
        """``adj`` (n, n) and ``nodes`` (n, 3) of a network of n nodes.

        Raises:
            DeepNetsError: if they cannot be read or have other shapes or types.
        """
        group = self._open()
        adj = self._array(group, index, "adj", (num_nodes, num_nodes), np.dtype(np.uint8))
        nodes = self._array(group, index, "nodes", (num_nodes, 3), np.dtype(np.uint16))
        return adj, nodes

    def checksum(self, index: int) -> int | None:
        """The checksum of a network (see :func:`tart_nas.deepnets1m.layout.checksum`), None if there are none."""
        self._open()
        return None if self._checksums is None else int(self._checksums[index])

    def _array(self, group: Any, index: int, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Any:
        where = f"{self.path}: {self.split}/{index}/{name}"
        try:
            dataset = h5py.h5d.open(group, f"{index}/{name}".encode())  # the low-level interface is thrice as fast
            if dataset.shape != shape or dataset.dtype != dtype:
                raise DeepNetsError(
                    f"{where} must be {dtype} of shape {shape}, as its meta file says, "
                    f"but is {dataset.dtype} of shape {dataset.shape}."
                )
            array = np.empty(shape, dtype)
            dataset.read(h5py.h5s.ALL, h5py.h5s.ALL, array)
        except DeepNetsError:
            raise
        except Exception as error:  # h5py raises nearly every kind
            raise DeepNetsError(f"{where} cannot be read: {_line(error)}.") from None
        return array

    def _open(self) -> Any:
        if self._process != os.getpid():
            self._file, self._group, self._checksums = self._opened()
            self._process = os.getpid()
        return self._group

    def _opened(self) -> tuple[Any, Any, NDArray[np.uint32] | None]:
        if not self.path.is_file():
            raise DeepNetsError(
                f"There is no {self.path}: `tart-nas data download` fetches it, `tart-nas data generate` makes another."
            )
        file = None
        try:
            file = h5py.File(self.path, "r")
            if self.split not in file:
                raise DeepNetsError(f"{self.path} has no split {self.split!r}: it holds {', '.join(file) or 'none'}.")
            group = file[self.split].id
            count = group.get_num_objs()
            stored = file.get(f"checksums/{self.split}")
            if count != self.num_nets or (stored is not None and stored.shape != (count,)):  # before it is read
                raise DeepNetsError(
                    f"{self.path}: {self.split} must have the {self.num_nets} networks of its meta file, "
                    f"but has {count}."
                )
            checksums = None if stored is None else np.asarray(stored[()], dtype=np.uint32)
        except Exception as error:  # h5py raises nearly every kind
            if file is not None:
                file.close()
            if isinstance(error, DeepNetsError):
                raise
            raise DeepNetsError(f"{self.path} is no complete HDF5 file: {_line(error)}.") from None
        return file, group, checksums


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
