"""The pieces that the graph of an architecture is put together from: the nodes of one operation each.

Names are those of the parameters in DeepNets-1M's networks, without the ``cells.<i>.`` in front. ReLU, dropout,
reshapes, identities and zeros are no nodes. Pieces do not change, so each is made once and used again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tart_nas.graphs.primitives import PRIMITIVE_IDS
from tart_nas.operations import ATTENTION_HEADS, OPERATIONS, Operation

__all__ = [
    "COLUMNS",
    "NODES",
    "Block",
    "BlockNodes",
    "cell_block",
    "classifier_block",
    "node_block",
    "positions_block",
    "preprocess_block",
    "stem_block",
]

COLUMNS = 10
"""Numbers per node: primitive, kernel height and width, channels, height and width of the output, parameter shape."""

_CACHED = 1 << 14  # blocks are small; a generated split needs some thousand


@dataclass(frozen=True)
class Block:
    """Some nodes of a graph, in topological order.

    Args:
        table: one row per node, (k, COLUMNS).
        names: the nodes' names, k of them.
        edges: (source, target) pairs between them, (m, 2).
        inputs: the nodes that take the block's input.
        output: the node whose output is the block's; -1 if the block has no nodes, that is, passes its input on.
    """

    table: NDArray[np.int32]
    names: tuple[str, ...]
    edges: NDArray[np.int32]
    inputs: tuple[int, ...]
    output: int


class BlockNodes:
    """Collects the nodes of a block, of ``C`` channels and ``height`` x ``width`` unless said otherwise.

    Args:
        C: channels of its nodes.
        height: of their outputs, in pixels.
        width: likewise.
        input_size: height and width of the block's input, in pixels, which those of the output do not tell: a stride of
            2 makes 8 of 15 and of 16. 0 if no node's size depends on it.
    """

    def __init__(self, C: int, height: int, width: int, input_size: int = 0) -> None:
        self.C, self.height, self.width, self.input_size = C, height, width, input_size
        self.rows: list[tuple[int, ...]] = []
        self.names: list[str] = []
        self.edges: list[tuple[int, int]] = []
        self.inputs: list[int] = []

    def add(
        self,
        primitive: str,
        name: str,
        *sources: int,
        kernel: tuple[int, int] = (0, 0),
        shape: tuple[int, ...] = (),
        C: int | None = None,
    ) -> int:
        """Adds a node that takes the outputs of ``sources``; -1 is the block's input."""
        node = len(self.rows)
        shape = (*shape, 0, 0, 0, 0)[:4]
        channels = self.C if C is None else C
        self.rows.append((PRIMITIVE_IDS[primitive], *kernel, channels, self.height, self.width, *shape))
        self.names.append(name)
        self.edges += [(source, node) for source in sources if source >= 0]
        if -1 in sources:
            self.inputs.append(node)
        return node

    def conv(self, name: str, source: int, C_in: int, k: tuple[int, int], C: int | None = None, kind: str = "") -> int:
        """Adds a convolution; a depthwise one has ``kind`` "sep_conv" or "dil_conv"."""
        C_out = self.C if C is None else C
        shape = (C_out, 1 if kind else C_in, *k)
        return self.add(kind or "conv", f"{name}.weight", source, kernel=k, shape=shape, C=C_out)

    def linear(self, name: str, source: int, C_in: int, C_out: int, bias: bool = True) -> int:
        """Adds a linear layer's weight and, after it, its bias."""
        node = self.add("conv", f"{name}.weight", source, kernel=(1, 1), shape=(C_out, C_in), C=C_out)
        return self.add("bias", f"{name}.bias", node, shape=(C_out,), C=C_out) if bias else node

    def norm(self, name: str, source: int, norm: bool, primitive: str = "bn", C: int | None = None) -> int:
        """Adds a normalisation layer, if there is one."""
        if not norm:
            return source
        C = self.C if C is None else C
        return self.add(primitive, f"{name}.weight", source, shape=(C,), C=C)

    def block(self, output: int) -> Block:
        """The block of the nodes so far, whose output is that of one of them, or -1."""
        table = np.array(self.rows, dtype=np.int32).reshape(-1, COLUMNS)
        edges = np.array(self.edges, dtype=np.int32).reshape(-1, 2)
        return Block(table, tuple(self.names), edges, tuple(self.inputs), output)


@lru_cache(_CACHED)
def node_block(primitive: str, name: str, C: int, height: int, width: int) -> Block:
    """One node without parameters: the input, a sum, a concatenation, a pooling to one pixel."""
    nodes = BlockNodes(C, height, width)
    return nodes.block(nodes.add(primitive, name, -1))


@lru_cache(_CACHED)
def preprocess_block(index: int, C_in: int, C: int, input_size: int, halve: bool, norm: bool) -> Block:
    """The convolution that input 0 or 1 of a cell passes through; ``input_size`` is the input's, before ``halve``."""
    size = (input_size + 1) // 2 if halve else input_size
    nodes = BlockNodes(C, size, size, input_size)
    name = f"preprocess{index}"
    if halve:
        return nodes.block(_factorized_reduction(nodes, name, C_in, norm))
    return nodes.block(nodes.norm(f"{name}.op.2", nodes.conv(f"{name}.op.1", -1, C_in, (1, 1)), norm))


@lru_cache(_CACHED)
def cell_block(op: str, index: int, stride: int, C: int, input_size: int, norm: bool) -> Block:
    """A cell operation but ``none``.

    Args:
        op: one of :data:`tart_nas.operations.CELL_OPS`.
        index: the operation's number in its cell.
        stride: 1 or 2.
        C: channels of its input and output.
        input_size: height and width of its input, in pixels.
        norm: whether there is batch normalisation.
    """
    operation = OPERATIONS[op]
    size = (input_size - 1) // stride + 1
    nodes = BlockNodes(C, size, size, input_size)
    return nodes.block(NODES[operation.kind](nodes, f"_ops.{index}", operation, stride, norm))


@lru_cache(_CACHED)
def stem_block(name: str, layers: tuple[tuple[int, int, int, int, int], ...], norm: bool, pool: int = 0) -> Block:
    """Convolutions of a stem one after the other, each with its normalisation.

    Args:
        name: of the stem; nothing is added to it if ``layers`` has one layer at position -1 (a patch convolution).
        layers: position in the stem, input channels, channels, kernel size, size of the output of each convolution.
        norm: whether there is batch normalisation.
        pool: size of the output of the max-pooling at the end, 0 if there is none.
    """
    node = -1
    nodes = BlockNodes(layers[-1][2], 0, 0)
    for position, C_in, C, k, size in layers:
        nodes.height = nodes.width = size
        prefix = name if position < 0 else f"{name}.{position}"
        node = nodes.norm(f"{name}.{position + 1}", nodes.conv(prefix, node, C_in, (k, k), C), norm, C=C)
    if pool:
        nodes.height = nodes.width = pool
        node = nodes.add("max_pool", "max_pool", node, kernel=(3, 3))
    return nodes.block(node)


@lru_cache(_CACHED)
def positions_block(C: int, size: int) -> Block:
    """The learned positional encoding and its sum with the block's input."""
    nodes = BlockNodes(C, size, size)
    encoding = nodes.add("pos_enc", "pos_enc.weight", shape=(1, C, size, size))
    return nodes.block(nodes.add("sum", "sum", -1, encoding))


@lru_cache(_CACHED)
def classifier_block(widths: tuple[int, ...]) -> Block:
    """The linear layers at the end, of ``widths[0]`` features to ``widths[-1]`` classes."""
    nodes = BlockNodes(0, 1, 1)
    node = -1
    for i, (C_in, C_out) in enumerate(pairwise(widths)):
        # Between two linear layers stand a ReLU and a dropout, which have numbers too.
        node = nodes.linear(f"classifier.{3 * i}", node, C_in, C_out)
    return nodes.block(node)


def _factorized_reduction(nodes: BlockNodes, name: str, C_in: int, norm: bool) -> int:
    half, size = nodes.C // 2, nodes.height
    even = nodes.conv(f"{name}.conv_1", -1, C_in, (1, 1), nodes.C - half)
    nodes.height = nodes.width = nodes.input_size // 2  # of an odd size, the last odd pixel is only added behind it
    odd = nodes.conv(f"{name}.conv_2", -1, C_in, (1, 1), half)
    nodes.height = nodes.width = size
    return nodes.norm(f"{name}.bn", nodes.add("concat", "concat", even, odd), norm)


def _self_attention(nodes: BlockNodes, name: str) -> int:
    """A transformer block; its nodes are those of a sequence of height * width tokens."""
    C = nodes.C
    width = C // ATTENTION_HEADS * ATTENTION_HEADS
    nodes.height, nodes.width = nodes.height * nodes.width, 1
    node = nodes.norm(f"{name}.ln1", -1, True, "ln")
    node = nodes.add("msa", "msa", nodes.linear(f"{name}.to_qkv", node, C, 3 * width, bias=False), C=width)
    attended = nodes.add("sum", "sum", -1, nodes.linear(f"{name}.to_out.0", node, width, C))
    node = nodes.linear(f"{name}.ff.net.0", nodes.norm(f"{name}.ln2", attended, True, "ln"), C, C)
    return nodes.add("sum", "sum", attended, nodes.linear(f"{name}.ff.net.3", node, C, C))


def _channel_excitation(nodes: BlockNodes, name: str) -> int:
    C, size = nodes.C, nodes.height
    nodes.height = nodes.width = 1
    # The gate is a vector: its nodes have one pixel.
    gate = nodes.linear(f"{name}.fc2", nodes.linear(f"{name}.fc1", -1, C, C // 2), C // 2, C)
    nodes.height = nodes.width = size
    return nodes.add("cse", "cse", -1, gate)


def _depthwise_pairs(nodes: BlockNodes, name: str, op: Operation, norm: bool, repeats: int) -> int:
    """Depthwise and pointwise convolution and normalisation, so many times."""
    node, C = -1, nodes.C
    for first in range(1, 1 + 4 * repeats, 4):  # a ReLU stands before each
        node = nodes.conv(f"{name}.op.{first}", node, C, (op.kernel, op.kernel), kind=op.kind)
        node = nodes.conv(f"{name}.op.{first + 1}", node, C, (1, 1))
        node = nodes.norm(f"{name}.op.{first + 2}", node, norm)
    return node


def _factorized_conv(nodes: BlockNodes, name: str, op: Operation, norm: bool) -> int:
    size, nodes.height = nodes.height, nodes.input_size  # the first one halves the width only
    row = nodes.conv(f"{name}.op.1", -1, nodes.C, (1, op.kernel))
    nodes.height = size
    return nodes.norm(f"{name}.op.3", nodes.conv(f"{name}.op.2", row, nodes.C, (op.kernel, 1)), norm)


def _conv(nodes: BlockNodes, name: str, op: Operation, norm: bool) -> int:
    return nodes.norm(f"{name}.op.2", nodes.conv(f"{name}.op.1", -1, nodes.C, (op.kernel, op.kernel)), norm)


def _pooling(nodes: BlockNodes, op: Operation) -> int:
    return nodes.add(op.kind, op.kind, -1, kernel=(op.kernel, op.kernel))


NODES: dict[str, Callable[[BlockNodes, str, Operation, int, bool], int]] = {
    "max_pool": lambda nodes, name, op, stride, norm: _pooling(nodes, op),
    "avg_pool": lambda nodes, name, op, stride, norm: _pooling(nodes, op),
    "skip": lambda nodes, name, op, stride, norm: (
        -1 if stride == 1 else _factorized_reduction(nodes, name, nodes.C, norm)
    ),
    "sep_conv": lambda nodes, name, op, stride, norm: _depthwise_pairs(nodes, name, op, norm, 2),
    "dil_conv": lambda nodes, name, op, stride, norm: _depthwise_pairs(nodes, name, op, norm, 1),
    "conv": lambda nodes, name, op, stride, norm: _conv(nodes, name, op, norm),
    "factorized_conv": lambda nodes, name, op, stride, norm: _factorized_conv(nodes, name, op, norm),
    "attention": lambda nodes, name, op, stride, norm: _self_attention(nodes, name),
    "excitation": lambda nodes, name, op, stride, norm: _channel_excitation(nodes, name),
}
"""What adds the nodes of each kind of operation, from the name of its module, its row in the table, stride and whether
there is normalisation; it returns the last node, -1 if the operation passes its input on."""
