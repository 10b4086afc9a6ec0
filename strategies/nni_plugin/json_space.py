"""A search space of NNI's classic experiments, in JSON, and the cells that may be told in it.

Format: https://nni.readthedocs.io/en/stable/hpo/search_space.html. Cells are told by the labels of NNI's own DARTS
space: ``normal/op_2_0`` is the first operation of node 2 of the normal cell, ``normal/input_2_0`` its input.
"""

import re
from collections.abc import Mapping
from typing import Any

from numpy.random import Generator

from tart_nas.architecture import Architecture
from tart_nas.errors import NniError
from tart_nas.operations import CELL_OPS
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.sampling import draw_columns
from tart_nas.strategies.nni_plugin.spaces import HubSpace, Sample

require_nni(nas=False)

from nni.algorithms.hpo.random_tuner import suggest  # noqa: E402
from nni.common.hpo_utils import deformat_parameters, format_search_space, validate_search_space  # noqa: E402

__all__ = ["JsonSpace", "cell_architecture", "cells_of"]

_OP = re.compile(r"(normal|reduce)/op_(\d+)_[01]")


class JsonSpace:
    """Draws many samples of a JSON search space at once.

    Args:
        search_space: what NNI gives a tuner.
        distinct_inputs: whether the two inputs of a cell's node must differ, where the space tells cells.

    Raises:
        NniError: if it is not a search space.
    """

    def __init__(self, search_space: Mapping[str, Any], distinct_inputs: bool) -> None:
        try:
            validate_search_space(search_space, raise_exception=True)
        except (ValueError, IndexError, TypeError) as error:
            raise NniError(f"Not a search space of NNI: {error}.") from None
        # Choices that hold no further choices are drawn as columns, many samples at once; NNI's own code draws the
        # others.
        plain = {label: spec["_value"] for label, spec in search_space.items() if _is_plain_choice(spec)}
        self._columns = {label: (list(values), None) for label, values in plain.items()}
        self._others = format_search_space({k: spec for k, spec in search_space.items() if k not in plain})
        firsts = [label for label in plain if re.fullmatch(r"(normal|reduce)/input_\d+_0", label)]
        pairs = [(label, f"{label[:-1]}1") for label in firsts if distinct_inputs]
        # Where an input has one choice only, the two cannot differ.
        self._distinct = [pair for pair in pairs if all(len(plain.get(label, ())) > 1 for label in pair)]

    def draw(self, n: int, rng: Generator) -> list[Sample]:
        """Draws n samples, each on its own, uniformly over choices."""
        samples = draw_columns(self._columns, self._distinct, n, rng)
        for sample in samples if self._others else ():
            sample |= deformat_parameters(suggest(rng, self._others), self._others)
        return samples


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


def _is_plain_choice(spec: Mapping[str, Any]) -> bool:
    return spec["_type"] == "choice" and not any(isinstance(value, dict) for value in spec["_value"])


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
