"""The layout of DeepNets-1M's files, and the names that differ between versions of them.

``<split>/<i>/adj`` (uint8, n x n) and ``<split>/<i>/nodes`` (uint16, n x 3) of a HDF5 file hold the graph of network i;
a JSON file beside it, ``<name>_meta.json``, holds for each split the networks' settings (``nets``) and the tables that
the columns of ``nodes`` point into (``meta``). ``adj[u, v]`` is the length of the shortest directed path from u to v up
to 250 and 0 where there is none or no shorter one; a row of ``nodes`` is (primitive, cell index, op name).

Files written by this package also hold ``/checksums/<split>`` (uint32, one per network), see :func:`checksum`.
"""

import json
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tart_nas.architecture import Architecture
from tart_nas.checks import one_of
from tart_nas.choices import EVAL_SPLITS, SPLITS
from tart_nas.graphs import PRIMITIVE_IDS

__all__ = [
    "MAX_DISTANCE",
    "TITLE",
    "checked_split",
    "checksum",
    "node_name",
    "primitive_id",
    "split_files",
]

MAX_DISTANCE = 250
"""The longest path that ``adj`` tells of."""

TITLE = "DeepNets-1M"

_NUMBERED_LAYER = re.compile(r"^(_ops\.\d+|preprocess[01])\.(?=\d)")
_KERNEL_SIZE = re.compile(r"(_\d+x\d+)+$")


def checked_split(split: str) -> str:
    """The split.

    Raises:
        SettingError: if there is none of that name.
    """
    one_of("split", split, SPLITS)
    return split


def split_files(root: Path, split: str) -> tuple[Path, Path]:
    """The HDF5 and the meta file of a split as released; neither need exist."""
    name = f"deepnets1m_{'eval' if split in EVAL_SPLITS else split}"
    return root / f"{name}.hdf5", root / f"{name}_meta.json"


def primitive_id(name: str) -> int | None:
    """The index into :data:`tart_nas.graphs.PRIMITIVES` of a name of any version, None if it is unknown.

    Some versions put the kernel size at the end, and all mark convolutions of 1x1 and linear layers so.
    """
    return PRIMITIVE_IDS.get("bias" if name == "fc-b" else _KERNEL_SIZE.sub("", name))


def node_name(name: str) -> str:
    """An op name of any version as :class:`tart_nas.graphs.ComputationalGraph` has it."""
    if not name:
        return "input"
    if name.endswith("to_out.0."):
        return name + "weight"
    # Some versions leave out the `op` between an operation and the number of its layer.
    return _NUMBERED_LAYER.sub(r"\1.op.", name)


def checksum(
    architecture: Architecture,
    adj: NDArray[np.uint8],
    primitives: NDArray[np.integer[Any]],
    cells: NDArray[np.integer[Any]],
    names: Sequence[str],
) -> int:
    """The CRC-32 of a network's settings and graph, which says that both are as they were written.

    Args:
        architecture: with the channels that the file states.
        adj: as in the file (n, n).
        primitives: index into :data:`tart_nas.graphs.PRIMITIVES` of each row of ``nodes`` (n,).
        cells: cell index of each row (n,).
        names: op name of each row, as :func:`node_name` gives it.
    """
    settings = json.dumps(architecture.to_dict(), sort_keys=True, separators=(",", ":"))
    labels = np.concatenate([primitives, cells]).astype("<u2")
    names_checked = zlib.crc32("\n".join([settings, *names]).encode())
    return zlib.crc32(adj.tobytes(), zlib.crc32(labels.tobytes(), names_checked))
