"""NAS-Bench-201's space (Dong and Yang, ICLR 2020): cells of 4 nodes and 6 edges, each edge one of 5 operations.

``TrialSpace(nas_bench_201)`` searches it. Of its 15,625 cells, 341 let nothing through, and are no candidates.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["EDGES", "OPERATIONS", "nas_bench_201", "unique_cell"]

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The operations, by the names of the benchmark."""

EDGES = tuple((source, target) for target in range(1, 4) for source in range(target))
"""The edges (source, target) in the benchmark's order; node 0 is the cell's input, node 3 its output."""


def nas_bench_201(trial: Any, num_classes: int = 10, channels: int = 16, cells: int = 5) -> nn.Module:
    """A network of the benchmark, of the operations that a trial suggests: ``0-1``, ``0-2``, ``1-2``, ...

    Args:
        trial: suggests.
        num_classes: number of logits.
        channels: of the first of three stages; each later one has twice as many.
        cells: of each stage.
    """
    ops = [trial.suggest_categorical(f"{source}-{target}", OPERATIONS) for source, target in EDGES]
    layers: list[nn.Module] = [nn.Conv2d(3, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)]
    for stage in range(3):
        width = channels * 2**stage
        layers += [_Reduction(width // 2, width)] if stage else []
        layers += [_Cell(ops, width) for _ in range(cells)]
    head = [nn.BatchNorm2d(4 * channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *head, nn.Linear(4 * channels, num_classes))


def unique_cell(ops: Sequence[str]) -> str:
    """A text that is equal for cells which the benchmark counts once: 6,466 of the 15,625 are different.

    Nodes are what they sum up, in any order; a skip connection is the node that it starts from. What ``none`` comes to
    is a summand of its own, as in the benchmark.

    Args:
        ops: the operations of the 6 edges, in the order of :data:`EDGES`.
    """
    nodes = {0: "0"}
    for node in range(1, 4):
        summands = []
        for (source, target), op in zip(EDGES, ops, strict=True):
            if target == node:
                is_zero = op == "none" or nodes[source] == "#"
                summands.append("#" if is_zero else nodes[source] if op == OPERATIONS[1] else f"({nodes[source]}){op}")
        nodes[node] = "+".join(sorted(summands))
    return nodes[3]


class _Cell(nn.Module):
    """The sum of operations at each node; an edge of ``none`` is left out."""

    def __init__(self, ops: Sequence[str], channels: int) -> None:
        super().__init__()
        named = {
            f"{source}-{target}": _operation(op, channels) for (source, target), op in zip(EDGES, ops, strict=True)
        }
        self.edges = nn.ModuleDict({name: module for name, module in named.items() if module is not None})

    def forward(self, x: Tensor) -> Tensor:
        nodes: list[Tensor | None] = [x]
        for node in range(1, 4):
            summands = [
                self.edges[f"{source}-{node}"](value)
                for source, value in enumerate(nodes)
                if value is not None and f"{source}-{node}" in self.edges
            ]
            nodes.append(sum(summands[1:], summands[0]) if summands else None)
        return torch.zeros_like(x) if nodes[3] is None else nodes[3]


class _Reduction(nn.Module):
    """The residual block between stages, which halves the resolution."""

    def __init__(self, C_in: int, C: int) -> None:
        super().__init__()
        self.block = nn.Sequential(_convolution(C_in, C, 3, stride=2), _convolution(C, C, 3))
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(C_in, C, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.block(x) + self.shortcut(x)
        return result


def _operation(op: str, channels: int) -> nn.Module | None:
    match op:
        case "skip_connect":
            return nn.Identity()
        case "nor_conv_1x1":
            return _convolution(channels, channels, 1)
        case "nor_conv_3x3":
            return _convolution(channels, channels, 3)
        case "avg_pool_3x3":
            return nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
    return None


def _convolution(C_in: int, C: int, kernel: int, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(C_in, C, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(nn.ReLU(), conv, nn.BatchNorm2d(C))
