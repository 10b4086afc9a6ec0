"""The scope of a predictor that was fitted to graphs of any networks: what the graphs of its training set span."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tart_nas.graphs import ComputationalGraph

__all__ = ["GraphScope"]

_NUMBERS = ("nodes", "parameters", "operations", "input height", "input width")


@dataclass(frozen=True)
class GraphScope:
    """The primitives and the ranges of numbers seen in training.

    Attributes:
        primitives: names of the primitives seen, sorted.
        ranges: smallest and largest number seen of nodes, parameters, multiply-accumulate operations, and of the
            input's height and width.
    """

    primitives: tuple[str, ...]
    ranges: Mapping[str, tuple[int, int]]

    @classmethod
    def of(cls, graphs: Sequence["ComputationalGraph"]) -> "GraphScope":
        """The scope of a training set of at least one graph."""
        numbers = np.array([_numbers(graph) for graph in graphs])
        primitives = set().union(*map(_primitives, graphs))
        pairs = zip(numbers.min(axis=0).tolist(), numbers.max(axis=0).tolist(), strict=True)
        return cls(tuple(sorted(primitives)), dict(zip(_NUMBERS, pairs, strict=True)))

    def contains(self, graphs: Sequence["ComputationalGraph"]) -> npt.NDArray[np.bool_]:
        """Which of n graphs are within the scope, (n,)."""
        return np.array([not self.differences(graph) for graph in graphs], dtype=np.bool_)

    def differences(self, graph: "ComputationalGraph") -> list[str]:
        """What puts a graph outside the scope, each with what was seen instead; [] within."""
        unseen = sorted(_primitives(graph) - {*self.primitives})
        differences = [f"primitive {name} (seen: {', '.join(self.primitives)})" for name in unseen]
        for name, value in zip(_NUMBERS, _numbers(graph), strict=True):
            low, high = self.ranges[name]
            if not low <= value <= high:
                differences.append(f"{value:,} {name} (seen: {f'{low:,}' if low == high else f'{low:,} to {high:,}'})")
        return differences

    def to_dict(self) -> dict[str, Any]:
        """The scope as JSON values."""
        return {"primitives": list(self.primitives), "ranges": {name: list(pair) for name, pair in self.ranges.items()}}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "GraphScope":
        """Reads :meth:`to_dict`'s result.

        Raises:
            ValueError: if it is none.
        """
        ranges = {name: (int(low), int(high)) for name, (low, high) in data["ranges"].items()}
        if ranges.keys() != {*_NUMBERS} or not all(isinstance(name, str) for name in data["primitives"]):
            raise ValueError("unknown number in the scope")
        return cls(tuple(data["primitives"]), ranges)


def _primitives(graph: "ComputationalGraph") -> set[str]:
    from tart_nas.graphs import PRIMITIVES  # here, since it imports PyTorch

    return {PRIMITIVES[primitive] for primitive in np.unique(graph.primitives).tolist()}


def _numbers(graph: "ComputationalGraph") -> tuple[int, int, int, int, int]:
    height, width = graph.resolutions[0].tolist()
    return graph.num_nodes, graph.num_parameters, graph.macs, height, width
