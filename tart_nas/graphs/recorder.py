"""What is known of a network while it is watched: which node of its graph each tensor comes from."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tart_nas.errors import GraphError
from tart_nas.graphs.blocks import COLUMNS
from tart_nas.graphs.primitives import PRIMITIVE_IDS
from tart_nas.networks import Network

__all__ = ["GraphArrays", "Recorder", "Value"]

GraphArrays = tuple[
    NDArray[np.int32], NDArray[np.int32], list[str], NDArray[np.int32], list[tuple[tuple[str, tuple[int, ...]], ...]]
]
"""Nodes (n, COLUMNS), cell indices (n,), names, edges (m, 2), and the names and shapes of each node's parameters."""


@dataclass(frozen=True)
class Value:
    """Where a tensor comes from.

    Attributes:
        sources: the nodes that it is made from; none if it depends on parameters only.
        parameters: the parameters it is made from, if on these only.
        channels: of the tensor.
        is_attention: whether it is, up to reshapes, the result of a softmax.
    """

    sources: frozenset[int] = frozenset()
    parameters: tuple[str, ...] = ()
    channels: int = 1
    is_attention: bool = False


class Recorder:
    """Collects nodes in the order in which they are computed, and the value of every tensor.

    Args:
        module: the network.
        parameters: its parameters by name, as it sees them.
        image: its input.
    """

    def __init__(self, module: nn.Module, parameters: Mapping[str, Tensor], image: Tensor) -> None:
        self._module = module
        self._n_cells = len(module.cells) if isinstance(module, Network) else 0
        self._stack = [""]
        self._values: dict[int, Value | None] = {}  # by the tensor's id
        self._alive: list[Tensor] = []  # so that no id is used twice
        self._rows: list[tuple[int, ...]] = []
        self._names: list[str] = []
        self._cells: list[int] = []
        self._parameters: list[tuple[str, ...]] = []
        self._sources: list[frozenset[int]] = []
        self._squeezes: set[int] = set()
        self._encodings: dict[tuple[str, ...], Value] = {}
        self.shapes = {name: tuple(parameter.shape) for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            self.set_value(parameter, Value(parameters=(name,)))
        self.set_value(image, self.node("input", (), image, channels=image.shape[1]))

    @contextmanager
    def following(self, module: nn.Module) -> Iterator[None]:
        """Keeps track of which part of the network is running."""
        hooks: list[torch.utils.hooks.RemovableHandle] = []
        for name, part in module.named_modules():
            if isinstance(part, torch.jit.ScriptModule):  # takes no hooks
                continue
            hooks.append(part.register_forward_pre_hook(lambda part, args, name=name: self._stack.append(name)))
            hooks.append(part.register_forward_hook(lambda part, args, result: _discard(self._stack.pop())))
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def where(self) -> str:
        """The part of the network that is running."""
        return f"module '{self._stack[-1]}'" if self._stack[-1] else "the network itself"

    def error(self, what: str) -> GraphError:
        """What a graph cannot show."""
        return GraphError(f"No computational graph can show what {self.where()} does: {what}.")

    def owner(self, parameter: str) -> nn.Module:
        """The part of the network that has a parameter."""
        return self._module.get_submodule(parameter.rpartition(".")[0])

    def value(self, tensor: Any) -> Value | None:
        """Where a tensor comes from; None for a constant, and for what is no tensor.

        Raises:
            GraphError: if it was made by something that could not be watched.
        """
        if not isinstance(tensor, Tensor):
            return None
        if id(tensor) in self._values:
            return self._values[id(tensor)]
        if tensor.requires_grad:
            raise self.error(
                "it uses a tensor that no torch function made (a scripted module, an extension's operator)"
            )
        return None

    def note_constants(self, tensors: Iterable[Tensor]) -> None:
        """Remembers of tensors that nobody made that they are constants, even if a tensor is then added to one."""
        for tensor in tensors:
            if self.value(tensor) is None:
                self.set_value(tensor, None)

    def set_value(self, tensor: Tensor, value: Value | None) -> None:
        """Notes where a tensor comes from."""
        self._values[id(tensor)] = value
        self._alive.append(tensor)

    def data(self, tensor: Tensor) -> Value | None:
        """As :meth:`value`; what is made from parameters only becomes a node, a positional encoding."""
        value = self.value(tensor)
        if value is None or not value.parameters:
            return value
        if value.parameters not in self._encodings:
            shape = self.shapes[value.parameters[0]]
            channels = shape[1] if len(shape) == 4 else shape[-1] if shape else 1
            node = self.node("pos_enc", (), tensor, channels=channels, parameters=value.parameters)
            self._encodings[value.parameters] = node
        return self._encodings[value.parameters]

    def node(
        self,
        primitive: str,
        values: Iterable[Value],
        result: Tensor,
        *,
        channels: int,
        parameters: Sequence[str] = (),
        others: Sequence[str] = (),
        kernel: Sequence[int] = (),
        resolution: tuple[int, int] | None = None,
    ) -> Value:
        """Adds a node.

        Args:
            primitive: its kind.
            values: what it is computed from.
            result: what it computes.
            channels: of the result.
            parameters: those that it stands for; the first gives the node its name and its shape.
            others: parameters that it stands for without being named by them.
            kernel: size of the kernel, if it has one.
            resolution: of the result, by default that of the tensor.
        """
        name = parameters[0] if parameters else ""
        shape = self.shapes[name] if parameters else ()
        if len(shape) > 4:
            raise self.error(f"its parameter '{name}' has {len(shape)} dimensions, and a graph knows at most 4")
        height, width = resolution or _resolution(result, channels)
        kernel = (*kernel, 1, 1)[:2] if kernel else (0, 0)
        row = (PRIMITIVE_IDS[primitive], *kernel, channels, height, width, *shape, *[0] * (4 - len(shape)))
        cell, in_cell = self._cell(name or self._stack[-1] + ".")
        self._rows.append(row)
        self._names.append(in_cell if name else primitive)
        self._cells.append(cell)
        self._parameters.append((*parameters, *others))
        self._sources.append(frozenset().union(*(value.sources for value in values)))
        return Value(frozenset({len(self._rows) - 1}), channels=channels)

    def _cell(self, name: str) -> tuple[int, str]:
        """The cell of a part or parameter, and its name in it; without our networks' cells all is in cell 0."""
        if self._n_cells:
            if match := re.fullmatch(r"cells\.(\d+)\.(.*)", name):
                return int(match[1]), match[2]
            if name.startswith(("classifier.", "global_pooling.")):
                return self._n_cells - 1, name
        return 0, name

    def join(self, primitive: str, values: Sequence[Value], result: Tensor, channels: int) -> Value:
        """Adds a sum or concatenation, if more than one edge comes in."""
        sources = frozenset().union(*(value.sources for value in values))
        if len(sources) == 1:
            return Value(sources, channels=channels)
        return self.node(primitive, values, result, channels=channels)

    def excite(self, x: Value, gate: Value, result: Tensor) -> Value:
        """Adds the product of channels and their gates; the pooling that the gates come from is no node."""
        reached = set(gate.sources)
        while len(reached) == 1 and not reached & x.sources:
            (node,) = reached
            if self._rows[node][0] == PRIMITIVE_IDS["glob_avg"]:
                self._squeezes.add(node)
                break
            reached = set(self._sources[node])
        return self.node("cse", (x, gate), result, channels=x.channels)

    def arrays(self, output: Tensor | None) -> GraphArrays:
        """The nodes that the output depends on.

        A parameter that several nodes use (tied weights, a layer that is applied twice) belongs to the first.

        Raises:
            GraphError: if the output does not depend on the image.
        """
        value = self.value(output)
        sources = [self._without_squeezes(before) for before in self._sources]
        live = set() if value is None else set(value.sources)
        for node in reversed(range(len(sources))):
            if node in live:
                live |= sources[node]
        if 0 not in live:
            raise GraphError("The network has no computational graph: its output does not depend on the image.")
        order = sorted(live)
        place = {node: i for i, node in enumerate(order)}
        edges = [(place[before], place[node]) for node in order for before in sources[node]]
        table = np.array([self._rows[node] for node in order], dtype=np.int32).reshape(-1, COLUMNS)
        cells = np.array([self._cells[node] for node in order], dtype=np.int32)
        names = [self._names[node] for node in order]
        owner: dict[str, int] = {}
        for node in order:
            for parameter in self._parameters[node]:
                owner.setdefault(parameter, node)
        parameters = [
            tuple((p, self.shapes[p]) for p in dict.fromkeys(self._parameters[node]) if owner[p] == node)
            for node in order
        ]
        return table, cells, names, np.array(edges, dtype=np.int32).reshape(-1, 2), parameters

    def _without_squeezes(self, sources: frozenset[int]) -> frozenset[int]:
        for node in sources & self._squeezes:
            sources = sources - {node} | self._sources[node]
        return sources


def _resolution(tensor: Tensor, channels: int) -> tuple[int, int]:
    """Height and width of an image, (tokens, 1) of a sequence, (1, 1) of a vector, wherever the channels stand."""
    shape = tuple(tensor.shape)
    if len(shape) == 4:
        positions = shape[1:3] if shape[1] != channels == shape[3] else shape[2:]
        return positions[0], positions[1]
    if len(shape) == 3:
        return (shape[2] if shape[2] != channels == shape[1] else shape[1]), 1
    return 1, 1


def _discard(_: Any) -> None:
    """A forward hook that returns something would replace the result."""
