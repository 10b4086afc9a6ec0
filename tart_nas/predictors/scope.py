"""The scope of a predictor: the ranges that its training architectures span, outside which it refuses to predict."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.operations import CELL_OPS
from tart_nas.tokens import SETTINGS, CellTokens

__all__ = ["Scope"]

_CELLS = ("normal", "reduce")


@dataclass(frozen=True)
class Scope:
    """The operations and the ranges of numbers seen in training.

    Attributes:
        ops: names of the operations seen, in the order of :data:`tart_nas.operations.CELL_OPS`.
        ranges: smallest and largest value seen of each number: the settings around the cells, and per cell its number
            of nodes (``normal nodes``) and how many of them are not concatenated (``normal nodes not concatenated``).
    """

    ops: tuple[str, ...]
    ranges: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, tokens: CellTokens) -> "Scope":
        """The scope of a training set of at least one architecture."""
        seen = np.bincount(tokens.op[tokens.mask], minlength=len(CELL_OPS)) > 0
        numbers = _numbers(tokens)
        return cls(
            tuple(op for op, is_seen in zip(CELL_OPS, seen, strict=True) if is_seen),
            {name: (int(values.min()), int(values.max())) for name, values in numbers.items()},
        )

    def contains(self, tokens: CellTokens) -> npt.NDArray[np.bool_]:
        """Which of n architectures are within the scope, (n,)."""
        is_seen = np.isin(np.arange(len(CELL_OPS)), [CELL_OPS.index(op) for op in self.ops])
        # The padding behind an architecture's last edge has an operation too, which does not count.
        outside = (tokens.mask & ~is_seen[tokens.op]).any(axis=1)
        numbers = _numbers(tokens)
        for name, (low, high) in self.ranges.items():
            outside |= (numbers[name] < low) | (numbers[name] > high)
        return np.asarray(~outside)

    def differences(self, tokens: CellTokens) -> list[str]:
        """What puts one architecture outside the scope, each with what was seen instead; [] within."""
        present = {CELL_OPS[op] for op in tokens.op[tokens.mask]}
        unseen = present - {*self.ops}
        differences = [f"operation {op} (seen: {', '.join(self.ops)})" for op in CELL_OPS if op in unseen]
        numbers = _numbers(tokens)
        for name, (low, high) in self.ranges.items():
            value = int(numbers[name][0])
            if not low <= value <= high:
                differences.append(f"{name} {value} (seen: {low if low == high else f'{low} to {high}'})")
        return differences

    def to_dict(self) -> dict[str, Any]:
        """The scope as JSON values."""
        return {"ops": list(self.ops), "ranges": {name: list(pair) for name, pair in self.ranges.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Scope":
        """Reads :meth:`to_dict`'s result.

        Raises:
            ValueError: if it is none.
        """
        ranges = {name: (int(low), int(high)) for name, (low, high) in data["ranges"].items()}
        if not set(data["ops"]) <= set(CELL_OPS) or not set(ranges) <= {*SETTINGS, *_CELL_NUMBERS}:
            raise ValueError("unknown operation or number in the scope")
        return cls(tuple(data["ops"]), ranges)


_CELL_NUMBERS = [f"{cell} {what}" for cell in _CELLS for what in ("nodes", "nodes not concatenated")]


def _numbers(tokens: CellTokens) -> dict[str, npt.NDArray[np.int64]]:
    """(B,) values of each number that a scope has a range of."""
    numbers = {name: tokens.settings[:, column].astype(np.int64) for column, name in enumerate(SETTINGS)}
    for index, cell in enumerate(_CELLS):
        edges = tokens.mask & (tokens.cell == index)
        # Each node has two edges.
        numbers[f"{cell} nodes"] = edges.sum(axis=1) // 2
        numbers[f"{cell} nodes not concatenated"] = (edges & ~tokens.concat).sum(axis=1) // 2
    return numbers
