"""The graph of an architecture exactly as the generator of DeepNets-1M writes it, faults included.

The generator walks PyTorch's autograd graph backwards, puts what it finds into ``networkx``' topological order and
then removes what is no node (facebookresearch/ppuda, ``graph.py``; written down here for PyTorch 2 and networkx >= 2.6,
where that order goes level by level). Three things in its files depend on that order, and are not as one would expect:

1. An attention node stays only if it stands 11 places behind its softmax, a channel excitation only if 2 places behind
   its hard swish. Where other branches lie in between, it is removed like a reshape.
2. A node without a parameter (sum, concat, pooling) gets the cell index of the last parameter before it.
3. The rows of ``nodes`` are written cell by cell, but ``adj`` stays in topological order: row k of the one is not
   row k of the other. :func:`stored_rows` gives the rows' order.

:meth:`ComputationalGraph.from_architecture` gives the graph without these faults; this module is there to recognise
such files, and to read them right.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from tart_nas.architecture import Architecture
from tart_nas.graphs.computational_graph import ComputationalGraph
from tart_nas.graphs.primitives import PRIMITIVE_IDS
from tart_nas.layout import CellLayout, network_layout
from tart_nas.operations import NONE, OPERATIONS

__all__ = ["generator_graph", "stored_rows"]


def generator_graph(architecture: Architecture) -> ComputationalGraph:
    """The graph as the generator makes it, on 32x32 images, in its order of nodes; sizes are 0.

    Args:
        architecture: the architecture; with attention, one with ``glob_avg``, as the generator's own.
    """
    tape = _Tape()
    order = tape.topological_order(_record(tape, architecture))
    order = tape.without(order, ("multiply",), lambda order, i: tape.kinds[order[i - 2]] == "hardswish")
    order = tape.without(order, ("clone",), lambda order, i: tape.kinds[order[i - 11]] == "softmax")
    # Only now, since these steps count among the 2 and the 11 places.
    order = tape.without(order, ("other", "slice", "hardswish", "softmax"), lambda order, i: False)
    for join in ("sum", "concat"):
        order = tape.without(order, (join,), lambda order, i: len(tape.sources[order[i]]) > 1)
    return tape.graph(order, architecture.n_cells)


def stored_rows(graph: ComputationalGraph) -> NDArray[np.int64]:
    """For each row of ``nodes`` in the generator's file, the node of :func:`generator_graph` that it describes (n,)."""
    return np.argsort(graph.cells, kind="stable")


class _Tape:
    """The steps of a network's autograd graph, in the order of the forward pass.

    A step is known by its number. Its kind is a primitive, or what it is to the generator: "multiply" and "clone" may
    become ``cse`` and ``msa`` nodes, "other" never becomes a node.
    """

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.names: list[str] = []  # of the parameter, with ``cells.<i>.``; empty where there is none
        self.visits: list[tuple[int, ...]] = []  # the steps before, in the order in which the backward walk visits them
        self.sources: list[set[int]] = []
        self.targets: list[set[int]] = []

    def step(self, kind: str, *inputs: int, name: str = "", sources: tuple[int, ...] | None = None) -> int:
        """Records a step; its edges come from ``sources``, by default its inputs."""
        self.kinds.append(kind)
        self.names.append(name)
        self.visits.append(inputs)
        self.sources.append(set(inputs if sources is None else sources))
        self.targets.append(set())
        return len(self.kinds) - 1

    def others(self, x: int, number: int) -> int:
        """Records some steps one after the other that are no nodes."""
        for _ in range(number):
            x = self.step("other", x)
        return x

    def linear(self, name: str, x: int, bias: bool = True) -> int:
        """Records a linear layer: the data go through the weight, then the bias, which is visited first."""
        weight = self.step("conv", name=f"{name}.weight", sources=(x,))
        if bias:
            return self.step("bias", x, weight, name=f"{name}.bias", sources=(weight,))
        return self.step("other", x, weight, sources=(weight,))

    def norm(self, name: str, x: int, norm: bool, kind: str = "bn") -> int:
        """Records a normalisation layer, if there is one."""
        return self.step(kind, x, name=f"{name}.weight") if norm else x

    def topological_order(self, output: int) -> list[int]:
        """The order of ``networkx.topological_sort``, of what the output depends on."""
        number: dict[int, int] = {}  # in the order of the first visit
        stack = [output]
        while stack:
            step = stack.pop()
            if step not in number:
                number[step] = len(number)
                stack.extend(reversed(self.visits[step]))  # the first of them is taken next
        for step in number:
            self.sources[step] &= number.keys()  # without what the output does not depend on
            for source in self.sources[step]:
                self.targets[source].add(step)
        missing = {step: len(self.sources[step]) for step in number}
        order: list[int] = []
        level = [step for step in number if not missing[step]]
        while level:
            order += level
            following = []
            for step in level:
                for target in sorted(self.targets[step], key=number.__getitem__):
                    missing[target] -= 1
                    if not missing[target]:
                        following.append(target)
            level = following
        return self._with_position_sum(order)

    def _with_position_sum(self, order: list[int]) -> list[int]:
        """Adds the sum after a positional encoding, which has taken its place in the walk."""
        encodings = [step for step in order if self.kinds[step] == "pos_enc"]
        for encoding in encodings:
            total = self.step("sum")
            for before in self.sources[encoding]:
                self.targets[before] = {total}
            for after in self.targets[encoding]:
                self.sources[after] = self.sources[after] - {encoding} | {total}
            self.sources[total] = self.sources[encoding] | {encoding}
            self.targets[total] = self.targets[encoding]
            self.sources[encoding], self.targets[encoding] = set(), {total}
            place = order.index(encoding) + 1
            order = [*order[:place], total, *order[place:]]
        return order

    def without(self, order: list[int], kinds: tuple[str, ...], keep: Callable[[list[int], int], bool]) -> list[int]:
        """Removes steps of these kinds, joining what is before to what is after each.

        The steps removed still count as sources until the end of the pass.
        """
        removed = []
        for i, step in enumerate(order):
            if self.kinds[step] not in kinds or keep(order, i):
                continue
            removed.append(step)
            for target in self.targets[step]:
                self.sources[target] |= self.sources[step]
            for source in self.sources[step]:
                self.targets[source] |= self.targets[step]
        gone = set(removed)
        order = [step for step in order if step not in gone]
        for step in order:
            self.sources[step] -= gone
            self.targets[step] -= gone
        return order

    def graph(self, order: list[int], n_cells: int) -> ComputationalGraph:
        """The graph of what is left, with the generator's labels."""
        primitives, cells, names = [], [], []
        cell = 0
        for step in order:
            kind, name = self.kinds[step], self.names[step]
            kind = {"multiply": "cse", "clone": "msa"}.get(kind, kind)
            if name.startswith("cells."):
                _, index, name = name.split(".", 2)
                cell = int(index)
            elif name.startswith("classifier."):
                cell = n_cells - 1
            elif name:
                cell = 0
            primitives.append(PRIMITIVE_IDS[kind])
            cells.append(cell)
            names.append(name or kind)
        place = {step: i for i, step in enumerate(order)}
        edges = [(place[source], place[step]) for step in order for source in self.sources[step]]
        return ComputationalGraph.from_labels(np.array(primitives), np.array(cells), names, np.array(edges))


def _record(tape: _Tape, a: Architecture) -> int:
    layout = network_layout(a, num_classes=10, image_size=32)
    norm = a.norm is not None
    image = tape.step("input")
    first: int | None
    second: int | None
    if a.is_vit:
        first = second = tape.step("pos_enc", _conv(tape, "stem0", image), name="pos_enc.weight")
    elif a.stem_type == 0:
        first = tape.norm("stem.1", _conv(tape, "stem.0", image), norm)
        first = second = tape.step("max_pool", first) if a.stem_pool else first
    else:
        x = tape.norm("stem0.1", _conv(tape, "stem0.0", image), norm)
        x = tape.norm("stem0.4", _conv(tape, "stem0.3", tape.others(x, 1)), norm)
        first = tape.others(x, 1)  # the ReLU of the second part works in place, so the first input passes it too
        second = tape.norm("stem1.2", _conv(tape, "stem1.1", first), norm)
    for i, cell in enumerate(layout.cells):
        first, second = second, _record_cell(tape, f"cells.{i}", cell, first, second, norm)
    assert second is not None  # an architecture's output is not zero
    x = tape.step("glob_avg", second) if a.glob_avg else second
    x = _reshaped(tape, x)
    for i in range(a.fc_layers):
        x = tape.linear(f"classifier.{3 * i}", x if i == 0 else tape.others(x, 2))
    return x


def _record_cell(
    tape: _Tape, name: str, cell: CellLayout, first: int | None, second: int | None, norm: bool
) -> int | None:
    """Records all of a cell, used or not; None stands for zeros."""
    states = [first, second]
    for k, state in enumerate(states):
        if state is None:
            continue
        halve = cell.halve_first and k == 0
        if cell.preproc:
            preprocess = _factorized_reduction if halve else _pointwise
            states[k] = preprocess(tape, f"{name}.preprocess{k}", state, norm)
        elif halve:
            states[k] = tape.step("slice", tape.others(state, 1))
    for j in range(0, len(cell.pairs), 2):
        terms = []
        for index, (op, source) in enumerate(cell.pairs[j : j + 2], j):
            state = states[source]
            if op != NONE and state is not None:
                stride = cell.stride if source < 2 else 1
                terms.append(_record_operation(tape, f"{name}._ops.{index}", op, stride, state, norm))
        states.append(tape.step("sum", *terms) if len(terms) == 2 else (terms[0] if terms else None))
    slots = [states[node] for node in cell.concat]
    live = [state for state in slots if state is not None]
    if not live:
        return None
    zeros = tape.step("multiply", live[0]) if len(live) < len(slots) else live[0]
    return tape.step("concat", *[zeros if state is None else state for state in slots])


def _record_operation(tape: _Tape, name: str, op: str, stride: int, x: int, norm: bool) -> int:
    row = OPERATIONS[op]
    if row.kind == "skip":
        return x if stride == 1 else _factorized_reduction(tape, name, x, norm)
    if row.is_pooling:
        return tape.step(row.kind, x)
    if row.kind == "attention":
        return _self_attention(tape, name, x)
    if row.kind == "excitation":
        return _channel_excitation(tape, name, x, stride)
    x = tape.others(x, 1)
    if row.separable:
        for layer in (1,) if row.dilated else (1, 5):
            x = _conv(tape, f"{name}.op.{layer}", tape.others(x, 1) if layer == 5 else x, row.kind)
            x = tape.norm(f"{name}.op.{layer + 2}", _conv(tape, f"{name}.op.{layer + 1}", x), norm)
        return x
    layers = 2 if row.kind == "factorized_conv" else 1
    for layer in range(1, layers + 1):
        x = _conv(tape, f"{name}.op.{layer}", x)
    return tape.norm(f"{name}.op.{layers + 1}", x, norm)


def _conv(tape: _Tape, name: str, x: int, kind: str = "conv") -> int:
    return tape.step(kind, x, name=f"{name}.weight")


def _pointwise(tape: _Tape, name: str, x: int, norm: bool) -> int:
    return tape.norm(f"{name}.op.2", _conv(tape, f"{name}.op.1", tape.others(x, 1)), norm)


def _factorized_reduction(tape: _Tape, name: str, x: int, norm: bool) -> int:
    x = tape.others(x, 1)
    parts = _conv(tape, f"{name}.conv_1", x), _conv(tape, f"{name}.conv_2", tape.others(x, 2))
    return tape.norm(f"{name}.bn", tape.step("concat", *parts), norm)


def _channel_excitation(tape: _Tape, name: str, x: int, stride: int) -> int:
    gate = tape.linear(f"{name}.fc1", tape.others(_reshaped(tape, x), 1))
    gate = tape.linear(f"{name}.fc2", tape.others(gate, 1))
    x = tape.step("multiply", x, tape.others(tape.step("hardswish", gate), 1))
    return x if stride == 1 else tape.step("slice", tape.others(x, 1))


def _self_attention(tape: _Tape, name: str, x: int) -> int:
    x = tape.others(x, 2)
    qkv = tape.linear(f"{name}.to_qkv", tape.others(_layer_norm(tape, f"{name}.ln1", x), 1), bias=False)
    split = tape.others(qkv, 2)
    query, key, value = (tape.others(split, 6) for _ in range(3))
    scaled = tape.step("multiply", tape.others(tape.step("other", query, key), 3))
    weights = tape.others(tape.step("softmax", scaled), 4)
    heads = tape.step("clone", tape.others(tape.step("other", weights, value), 4))
    x = tape.step("sum", _token_linear(tape, f"{name}.to_out.0", tape.others(heads, 1)), x)
    hidden = _token_linear(tape, f"{name}.ff.net.0", _layer_norm(tape, f"{name}.ln2", x))
    x = tape.step("sum", _token_linear(tape, f"{name}.ff.net.3", tape.others(hidden, 1)), x)
    return tape.others(x, 2)


def _layer_norm(tape: _Tape, name: str, x: int) -> int:
    return tape.norm(name, x, True, "ln")


def _token_linear(tape: _Tape, name: str, x: int) -> int:
    return tape.others(tape.linear(name, tape.others(x, 1)), 1)


def _reshaped(tape: _Tape, x: int) -> int:
    """Flattened: where only some pixels of a larger image are used, their copy takes a step more."""
    return tape.others(tape.step("clone", x) if tape.kinds[x] == "slice" else x, 1)
