"""What is known of a network while it is watched: which node of its graph each tensor comes from."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tart_nas.errors import GraphError
from tart_nas.graphs.blocks import COLUMNS
from tart_nas.graphs.primitives import PRIMITIVE_IDS
from tart_nas.networks import Network

__all__ = ["GraphArrays", "Recorder", "Value"]


class GraphArrays(NamedTuple):
    """A graph as arrays, as :class:`tart_nas.graphs.ComputationalGraph` takes it.

    Attributes:
        nodes: (n, COLUMNS), primitive and sizes.
        cells: (n,), indices of cells.
        names: of the nodes, n of them.
        edges: (m, 2).
        parameters: names and shapes of each node's parameters, n of them.
        node_macs: (n,), multiply-accumulate operations of each node.
    """

    nodes: NDArray[np.int32]
    cells: NDArray[np.int32]
    names: list[str]
    edges: NDArray[np.int32]
    parameters: list[tuple[tuple[str, tuple[int, ...]], ...]]
    node_macs: NDArray[np.int64]


@dataclass(frozen=True)
class Value:
    """Where a tensor comes from.

    Attributes:
        sources: the nodes that it is made from; none if it depends on parameters only.
        parameters: the parameters it is made from, if on these only.
        channels: of the tensor.
        is_attention: whether it is, up to reshapes, the result of a softmax.
        scores: the matrix products of data that it is made from by functions of elements, as attention's weights are.
    """

    sources: frozenset[int] = frozenset()
    parameters: tuple[str, ...] = ()
    channels: int = 1
    is_attention: bool = False
    scores: frozenset[int] = frozenset()


class Recorder:
    """Collects nodes in the order in which they are computed, and the value of every tensor.

    Args:
        module: the network.
        parameters: its parameters by name, as it sees them.
        inputs: the tensors that it is run on.
        prefix: what its parameters' names begin with in the user's network, of which it is a part.
    """

    def __init__(
        self, module: nn.Module, parameters: Mapping[str, Tensor], inputs: Sequence[Tensor], prefix: str = ""
    ) -> None:
        self._module, self._prefix = module, prefix
        self._n_cells = len(module.cells) if isinstance(module, Network) else 0
        self._stack = [""]
        self._values: dict[int, Value | None] = {}  # by the tensor's id
        self._alive: list[Tensor] = []  # so that no id is used twice
        self._views: dict[int, list[Tensor]] = {}  # by the id of the tensor whose memory they show
        self._rows: list[tuple[int, ...]] = []
        self._names: list[str] = []
        self._cells: list[int] = []
        self._parameters: list[tuple[str, ...]] = []
        self._sources: list[frozenset[int]] = []
        self._macs: list[int] = []
        self._macs_of_parameters: dict[str, int] = {}
        self._squeezes: set[int] = set()
        self._absorbed: dict[int, int] = {}
        self._encodings: dict[tuple[str, ...], Value] = {}
        self.shapes = {prefix + name: tuple(parameter.shape) for name, parameter in parameters.items()}
        for name, parameter in parameters.items():
            self.set_value(parameter, Value(parameters=(prefix + name,)))
        for tensor in inputs:
            channels = tensor.shape[1] if tensor.dim() > 1 and tensor.is_floating_point() else 1
            self.set_value(tensor, self.node("input", (), tensor, channels=channels))

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
        return self._module.get_submodule(parameter.removeprefix(self._prefix).rpartition(".")[0])

    def value(self, tensor: Any) -> Value | None:
        """Where a tensor comes from; None for a constant, and for what is no tensor.

        Raises:
            GraphError: if it was made by something that could not be watched.
        """
        if id(tensor) in self._values:  # all of these live, so that nothing else has their ids
            return self._values[id(tensor)]
        if not isinstance(tensor, Tensor):
            return None
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
        if tensor._base is not None:
            self._views.setdefault(id(tensor._base), []).append(tensor)

    def overwrite(self, tensor: Tensor, value: Value) -> None:
        """Notes that a tensor has changed in place, and with it what shares its memory."""
        if self.value(tensor) == value:
            return
        base = tensor if tensor._base is None else tensor._base
        whole = value if tensor.numel() == base.numel() else self.partly(base, value)
        for view in self._views.get(id(base), ()):
            self._values[id(view)] = whole
        self.set_value(base, whole)
        self.set_value(tensor, value)

    def partly(self, tensor: Tensor, value: Value) -> Value:
        """Where a tensor comes from once a value was written into a part of it."""
        before = self.data(tensor)
        return value if before is None else self.join("concat", (before, value), tensor, before.channels)

    def data(self, tensor: Tensor) -> Value | None:
        """As :meth:`value`; what is made from parameters only becomes a node, a positional encoding."""
        value = self.value(tensor)
        if value is None or not value.parameters:
            return value
        if value.parameters not in self._encodings:
            shape = self.weight_shape(tensor, value.parameters)
            channels = shape[1] if len(shape) == 4 else shape[-1] if shape else 1
            node = self.node("pos_enc", (), tensor, channels=channels, parameters=value.parameters, weight=tensor)
            self._encodings[value.parameters] = node
        return self._encodings[value.parameters]

    def weight_shape(self, weight: Tensor | None, parameters: Sequence[str]) -> tuple[int, ...]:
        """The shape of a parameter, and of what is made from several the shape of that."""
        if len(parameters) == 1 or weight is None:
            return self.shapes[parameters[0]] if parameters else ()
        return tuple(weight.shape)

    def count_for_parameters(self, parameters: Sequence[str], macs: int) -> None:
        """Counts multiplications of parameters with each other for the node that they belong to."""
        first = parameters[0]
        self._macs_of_parameters[first] = self._macs_of_parameters.get(first, 0) + macs

    def node(
        self,
        primitive: str,
        values: Iterable[Value],
        result: Tensor,
        *,
        channels: int,
        parameters: Sequence[str] = (),
        weight: Tensor | None = None,
        others: Sequence[str] = (),
        kernel: Sequence[int] = (),
        positions: int | None = None,
        macs: int = 0,
    ) -> Value:
        """Adds a node.

        Args:
            primitive: its kind.
            values: what it is computed from.
            result: what it computes.
            channels: of the result.
            parameters: those that it stands for; the largest gives the node its name.
            weight: what is made from them.
            others: parameters that it stands for without being named by them.
            kernel: size of the kernel, if it has one.
            positions: of the result, if it is a sequence of which the tensor does not tell them.
            macs: multiply-accumulate operations.
        """
        values = list(values)
        parameters = sorted(dict.fromkeys(parameters), key=lambda name: -prod(self.shapes[name]))
        shape = _folded(self.weight_shape(weight, parameters))
        height, width = (positions, 1) if positions else _resolution(tuple(result.shape), channels)
        kernel = (*_folded((1, 1, *kernel))[2:], 1, 1)[:2] if kernel else (0, 0)
        row = (PRIMITIVE_IDS[primitive], *kernel, channels, height, width, *shape, *[0] * (4 - len(shape)))
        name = parameters[0] if parameters else ""
        cell, in_cell = self._cell(name or self._stack[-1] + ".")
        self._rows.append(row)
        self._names.append(in_cell if name else primitive)
        self._cells.append(cell)
        self._parameters.append((*parameters, *others))
        self._sources.append(_sources(values))
        self._macs.append(macs)
        # A convolution or linear layer of scores gives no scores: what follows is a layer of its own.
        scores = frozenset() if primitive in ("conv", "msa") else frozenset().union(*(value.scores for value in values))
        return Value(frozenset({len(self._rows) - 1}), channels=channels, scores=scores)

    def product(self, values: Sequence[Value], result: Tensor, channels: int, macs: int) -> Value:
        """Adds a matrix product of data.

        Attention's two products are one node: the first, from which the weights come by a softmax, is left out.
        """
        value = self.node("msa", values, result, channels=channels, positions=result.numel() // channels, macs=macs)
        (node,) = value.sources
        for weights in values:
            for scores in weights.scores if weights.is_attention else ():
                self._absorbed.setdefault(scores, node)
        return replace(value, scores=value.sources)

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
        sources = _sources(values)
        if len(sources) == 1:
            return replace(values[0], channels=channels, is_attention=False)
        return self.node(primitive, values, result, channels=channels)

    def excite(self, x: Value, gate: Value, result: Tensor, either: bool) -> Value:
        """Adds the product of channels and their gates; the pooling of the channels, for the gates, is no node.

        Args:
            x: the channels.
            gate: what they are multiplied by.
            result: the product.
            either: whether they are of one size, so that either may be the gate.
        """
        squeeze = self._squeeze(x, gate)
        if squeeze is None and either and (squeeze := self._squeeze(gate, x)) is not None:
            x, gate = gate, x
        if squeeze is not None:
            self._squeezes.add(squeeze)
        return self.node("cse", (x, gate), result, channels=x.channels)

    def _squeeze(self, x: Value, gate: Value) -> int | None:
        """The global pooling of x that the gate is computed from, layer by layer."""
        reached = gate.sources
        while len(reached) == 1 and not reached & x.sources:
            (node,) = reached
            if self._rows[node][0] == PRIMITIVE_IDS["glob_avg"]:
                return node if self._sources[node] == x.sources else None
            reached = self._sources[node]
        return None

    def arrays(self, output: Tensor | None) -> GraphArrays:
        """The nodes that the output depends on.

        A parameter that several nodes use (tied weights, a layer that is applied twice) belongs to the first.

        Raises:
            GraphError: if the output does not depend on an input.
        """
        value = self.value(output)
        sources, removed = self._without_removed()
        live = set() if value is None else set(_replaced(value.sources, sources, removed))
        for node in reversed(range(len(sources))):
            if node in live:
                live |= sources[node]
        if not any(self._rows[node][0] == PRIMITIVE_IDS["input"] for node in live):
            raise GraphError("The network has no computational graph: its output does not depend on its input.")
        order = sorted(live)
        place = {node: i for i, node in enumerate(order)}
        edges = [(place[before], place[node]) for node in order for before in sources[node]]
        owner: dict[str, int] = {}
        for node in order:
            for parameter in self._parameters[node]:
                owner.setdefault(parameter, node)
        macs = np.array([self._macs[node] for node in order], dtype=np.int64)
        for node, into in self._absorbed.items():
            if into in place:
                macs[place[into]] += self._macs[node]
        for parameter, more in self._macs_of_parameters.items():
            if parameter in owner:
                macs[place[owner[parameter]]] += more
        return GraphArrays(
            np.array([self._rows[node] for node in order], dtype=np.int32).reshape(-1, COLUMNS),
            np.array([self._cells[node] for node in order], dtype=np.int32),
            [self._names[node] for node in order],
            np.array(edges, dtype=np.int32).reshape(-1, 2),
            [
                tuple((p, self.shapes[p]) for p in dict.fromkeys(self._parameters[node]) if owner[p] == node)
                for node in order
            ],
            macs,
        )

    def _without_removed(self) -> tuple[list[frozenset[int]], set[int]]:
        """The sources of each node among those that stay, and the nodes that do not."""
        joins = (PRIMITIVE_IDS["sum"], PRIMITIVE_IDS["concat"])
        removed = self._squeezes | set(self._absorbed)
        sources: list[frozenset[int]] = []
        for node, before in enumerate(self._sources):
            sources.append(_replaced(before, sources, removed))
            if self._rows[node][0] in joins and len(sources[node]) == 1:  # what it joined is one
                removed.add(node)
        return sources, removed


def _sources(values: Iterable[Value]) -> frozenset[int]:
    return frozenset().union(*(value.sources for value in values))


def _replaced(nodes: frozenset[int], sources: Sequence[frozenset[int]], removed: set[int]) -> frozenset[int]:
    """The nodes, with the sources of the removed ones in their place."""
    if not nodes & removed:
        return nodes
    return frozenset().union(*(sources[node] if node in removed else {node} for node in nodes))


def _folded(shape: tuple[int, ...]) -> tuple[int, ...]:
    """A shape in at most 4 numbers: the depth of a volume is folded into its height."""
    return shape if len(shape) <= 4 else (*shape[:2], prod(shape[2:-1]), shape[-1])


def _resolution(shape: tuple[int, ...], channels: int) -> tuple[int, int]:
    """Height and width of an image, (tokens, 1) of a sequence, (1, 1) of a vector, wherever the channels stand.

    Their product is the number of positions, each with its channels: windows in the batch dimension, and the depth of
    a volume, are folded into the height.
    """
    positions = max(1, prod(shape) // channels)
    if len(shape) < 4:
        return positions, 1
    width = shape[-2] if shape[1] != channels == shape[-1] else shape[-1]
    return (positions // width, width) if positions % width == 0 else (positions, 1)


def _discard(_: Any) -> None:
    """A forward hook that returns something would replace the result."""
