"""The computational graph of an architecture, from its genotype alone: no PyTorch network is made."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tart_nas.architecture import Architecture
from tart_nas.graphs.blocks import (
    Block,
    cell_block,
    classifier_block,
    node_block,
    positions_block,
    preprocess_block,
    stem_block,
)
from tart_nas.graphs.primitives import PRIMITIVE_IDS
from tart_nas.layout import CellLayout, StemLayout, network_layout

__all__ = ["architecture_nodes", "node_parameter_count", "node_parameters"]

_NORMS = (PRIMITIVE_IDS["bn"], PRIMITIVE_IDS["ln"])  # which have a weight and a bias
_ABSENT = 1 << 30  # the value of what nothing reads: a wrong edge to it would be no node of any graph


def architecture_nodes(
    architecture: Architecture, num_classes: int, image_size: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], list[str], NDArray[np.int32]]:
    """The nodes and edges of an architecture's graph.

    Args:
        architecture: the architecture.
        num_classes: number of logits.
        image_size: height and width of the images.

    Returns:
        The nodes' table (n, COLUMNS), their cell indices (n,) and names, and the edges (m, 2). The nodes are in
        topological order.

    Raises:
        ArchitectureError: if the architecture has one channel only, which no network can have.
        SettingError: if another argument is out of range.
    """
    layout = network_layout(architecture, num_classes, image_size)
    norm, last = architecture.norm is not None, architecture.n_cells - 1
    needed = layout.needed()

    assembly = _Assembly()
    image = assembly.add(node_block("input", "input", 3, image_size, image_size), 0)
    values, first_size = _add_stem(assembly, layout.stem, image, image_size, norm, -1 in needed)
    sizes = (first_size, layout.stem.size)  # of the values
    for i, cell in enumerate(layout.cells):
        size = (sizes[1] - 1) // cell.stride + 1
        value = _add_cell(assembly, cell, i, values, sizes, size, norm) if i in needed else _ABSENT
        values, sizes = (values[1], value), (sizes[1], size)
    value = values[1]
    if architecture.glob_avg:
        value = assembly.add(node_block("glob_avg", "glob_avg", layout.features, 1, 1), last, value)
    widths = (layout.features, *[architecture.fc_dim] * (architecture.fc_layers - 1), num_classes)
    assembly.add(classifier_block(widths), last, value)
    return assembly.arrays()


def node_parameters(
    nodes: NDArray[np.int32], cells: NDArray[np.int32], names: Sequence[str]
) -> list[tuple[tuple[str, tuple[int, ...]], ...]]:
    """The full names and the shapes of the parameters of each node, from what :func:`architecture_nodes` returns."""
    parameters: list[tuple[tuple[str, tuple[int, ...]], ...]] = []
    for (primitive, *sizes), cell, name in zip(nodes.tolist(), cells.tolist(), names, strict=True):
        # Filled up with 0 at the end.
        shape = tuple(n for n in sizes[5:] if n)
        full = f"cells.{cell}.{name}" if name.startswith(("_ops.", "preprocess")) else name
        if not shape:
            parameters.append(())
        elif primitive in _NORMS:
            parameters.append(((full, shape), (full.removesuffix("weight") + "bias", shape)))
        else:
            parameters.append(((full, shape),))
    return parameters


def node_parameter_count(nodes: NDArray[np.int32]) -> int:
    """How many numbers the parameters of :func:`node_parameters` have in all."""
    shapes = nodes[:, 6:].astype(np.int64)
    numbers = np.where(shapes > 0, shapes, 1).prod(axis=1) * shapes.any(axis=1)
    return int(numbers.sum() + numbers[np.isin(nodes[:, 0], _NORMS)].sum())


def _add_stem(
    assembly: "_Assembly", stem: StemLayout, image: int, image_size: int, norm: bool, second_is_read: bool
) -> tuple[tuple[int, int], int]:
    """Adds the stem; returns the values of its two outputs, and the size of the first."""
    C, k, size = stem.C, stem.kernel_size, stem.size
    if stem.kind == "patches":
        value = assembly.add(stem_block("stem0", ((-1, 3, C, k, size),), False), 0, image)
        value = assembly.add(positions_block(C, size), 0, value)
        return (value, value), size
    if stem.kind == "simple":
        before_pool = (image_size - 1) // (4 if stem.imagenet else 1) + 1
        pool = size if stem.pool else 0
        value = assembly.add(stem_block("stem", ((0, 3, C, k, before_pool),), norm, pool), 0, image)
        return (value, value), size
    once, twice = [(image_size - 1) // stride + 1 for stride in ((2, 4) if stem.imagenet else (1, 1))]
    layers = ((0, 3, C // 2, k, once), (3, C // 2, C, 3, twice))
    first = assembly.add(stem_block("stem0", layers, norm), 0, image)
    if not second_is_read:
        return (first, _ABSENT), twice
    return (first, assembly.add(stem_block("stem1", ((1, C, C, 3, size),), norm), 0, first)), twice


def _add_cell(
    assembly: "_Assembly",
    cell: CellLayout,
    index: int,
    values: tuple[int, int],
    sizes: tuple[int, int],
    size: int,
    norm: bool,
) -> int:
    """Adds a cell whose inputs and nodes have the given sizes; returns the value of its output."""
    C, plan = cell.C, cell.plan
    states = {k: values[k] for k in plan.reads}
    if cell.preproc:
        for k in plan.reads:
            halve = cell.halve_first and k == 0
            block = preprocess_block(k, cell.channels_in[k], C, sizes[k], halve, norm)
            states[k] = assembly.add(block, index, values[k])
    for node, operations in plan.nodes:
        terms = []
        for j, op, source in operations:
            # Both inputs have the second one's size by now.
            stride, read = (cell.stride, sizes[1]) if source < 2 else (1, size)
            block = cell_block(op, j, stride, C, read, norm)
            terms.append(assembly.add(block, index, states[source]))
        states[node] = terms[0]
        if len(terms) == 2:
            states[node] = assembly.join(node_block("sum", "sum", C, size, size), index, terms)
    # A node that is zero adds no edge: zeros are made from one of the other nodes.
    block = node_block("concat", "concat", cell.C_out, size, size)
    return assembly.join(block, index, [states[node] for node in plan.concat])


class _Assembly:
    """Strings blocks together. A value is the number of the node that makes it."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self.cells: list[int] = []
        self.offsets: list[int] = []
        self.edges: list[tuple[int, int]] = []  # between blocks
        self.n_nodes = 0

    def add(self, block: Block, cell: int, *values: int) -> int:
        """Adds a block that takes the values, and returns its value."""
        if block.output < 0:
            return values[0]
        offset = self.n_nodes
        for value in values:
            self.edges += [(value, node + offset) for node in block.inputs]
        self.blocks.append(block)
        self.cells.append(cell)
        self.offsets.append(offset)
        self.n_nodes = offset + len(block.names)
        return offset + block.output

    def join(self, block: Block, cell: int, values: Sequence[int]) -> int:
        """Adds a sum or concatenation of the values, if more than one edge comes in."""
        # Two edges from the same node are one edge.
        distinct = set(values)
        return values[0] if len(distinct) == 1 else self.add(block, cell, *distinct)

    def arrays(self) -> tuple[NDArray[np.int32], NDArray[np.int32], list[str], NDArray[np.int32]]:
        """As :func:`architecture_nodes` returns them."""
        sizes = [len(block.names) for block in self.blocks]
        table = np.concatenate([block.table for block in self.blocks])
        cells = np.repeat(np.array(self.cells, dtype=np.int32), sizes)
        names: list[str] = []
        for block in self.blocks:
            names += block.names
        inner = np.concatenate([block.edges for block in self.blocks])
        # Edges within a block count its nodes from 0.
        inner += np.repeat(np.array(self.offsets, dtype=np.int32), [len(block.edges) for block in self.blocks])[:, None]
        edges = np.concatenate([inner, np.array(self.edges, dtype=np.int32)])
        return table, cells, names, edges
