"""Cells that are told in a JSON search space of NNI's classic experiments, without NNI.

They are told by the labels of NNI's own DARTS space: ``normal/op_2_0`` is the first operation of node 2 of the normal
cell, ``normal/input_2_0`` its input.
"""

import re
from collections.abc import Mapping
from typing import Any

from tart_nas.architecture import Architecture
from tart_nas.errors import NniError
from tart_nas.operations import CELL_OPS
from tart_nas.strategies.nni_plugin.spaces import HubSpace, Sample

__all__ = ["cell_architecture", "cells_of"]

_OP = re.compile(r"(normal|reduce)/op_(\d+)_[01]")


def cells_of(search_space: Mapping[str, Any], n_cells: int, C: int) -> HubSpace:
    """The cells that a JSON search space tells; all their nodes are concatenated.

    Args:
        search_space: with choices ``normal/op_2_0``, ``normal/input_2_0``, ...; it may have ``width`` and ``depth``.
        n_cells: number of cells where there is no ``depth``.
        C: channels where there is no ``width``.

    Raises:
        NniError: if it tells none, or operations that TART-NAS does not know.
    """
    nodes, ops = set(), set()
    for label, spec in search_space.items():
        if found := _OP.fullmatch(label):
            nodes.add(int(found[2]))
            ops |= set(spec["_value"])
    if not nodes:
        raise NniError(
            "The search space tells no cells (`normal/op_2_0`, `normal/input_2_0`, ...): give `convert`, the dotted "
            "name of a function from a sample to an Architecture."
        )
    if unknown := sorted(str(op) for op in ops - set(CELL_OPS)):
        raise NniError(f"The search space has operations that TART-NAS does not know: {', '.join(unknown)}.")
    macro = {
        label: tuple(search_space[label]["_value"]) if label in search_space else (value,)
        for label, value in (("width", C), ("depth", n_cells))
    }
    choosing = frozenset(label for label in macro if label in search_space)
    return HubSpace(
        tuple(op for op in CELL_OPS if op in ops),
        max(nodes) - 1,  # nodes count from 2
        False,
        False,
        macro["width"],
        macro["depth"],
        choosing,
    )


def cell_architecture(sample: Sample, n_cells: int = 8, C: int = 32) -> Architecture:
    """The architecture of a sample that tells cells, for trials: ``cell_architecture(nni.get_next_parameter())``.

    Args:
        sample: what the tuner handed out.
        n_cells: number of cells where the sample has no ``depth``.
        C: channels where it has no ``width``.

    Raises:
        NniError: if the sample tells no cells.
        ArchitectureError: if its cells are not complete.
    """
    space = {label: {"_type": "choice", "_value": [value]} for label, value in sample.items()}
    return cells_of(space, n_cells, C).architecture(sample)
