"""Every size in the network of an architecture, what of it reaches the output, and how many parameters it has.

All of it is worked out before a module is made, and needs no PyTorch.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from tart_nas.architecture import Architecture
from tart_nas.checks import whole
from tart_nas.errors import ArchitectureError
from tart_nas.operations import ATTENTION_HEADS, CELL_OPS, NONE, OPERATIONS, Operation

__all__ = [
    "IMAGENET_IMAGE_SIZE",
    "MIN_IMAGE_SIZE",
    "PARAMETERS",
    "CellLayout",
    "CellPlan",
    "NetworkLayout",
    "StemLayout",
    "network_layout",
    "operation_parameters",
    "parameter_count",
]

MIN_IMAGE_SIZE = 8  # pixels, the most that the form for small images divides the resolution by: stem and two reductions
# DeepNets-1M has networks for 32 and for 224 pixels only; from the middle of these on, the form for large images.
IMAGENET_IMAGE_SIZE = 128


@dataclass(frozen=True)
class StemLayout:
    """What stands before the cells.

    Attributes:
        kind: ``simple`` and ``imagenet`` are the stem types 0 and 1, ``patches`` is that of a vision transformer.
        imagenet: whether it has the strides for large images.
        C: channels of its outputs.
        kernel_size: of the first convolution.
        pool: whether a simple stem ends with a max-pooling.
        size: resolution of its (second) output.
    """

    kind: Literal["simple", "imagenet", "patches"]
    imagenet: bool
    C: int
    kernel_size: int
    pool: bool
    size: int


class CellPlan(NamedTuple):
    """What of a cell reaches its output: ``none`` and operations on zeros give zeros, and some results go unused.

    Attributes:
        nodes: each intermediate node with its one or two (index of the pair, operation, input), in order.
        reads: the inputs in use, of 0 and 1.
        concat: the concatenated nodes that are not zero.
    """

    nodes: list[tuple[int, list[tuple[int, str, int]]]]
    reads: list[int]
    concat: list[int]


@dataclass(frozen=True)
class CellLayout:
    """A cell in its place.

    Attributes:
        pairs: (operation, input) pairs, two for each intermediate node, as in a genotype.
        concat: the nodes concatenated.
        channels_in: channels of the two inputs.
        C: channels of every node, and of the inputs too where there is no ``preproc``.
        stride: of the operations on the two inputs.
        halve_first: whether input 0 has twice the resolution of input 1.
        preproc: whether the inputs pass through a convolution.
        live: for each input, whether it is something else than zeros.
    """

    pairs: tuple[tuple[str, int], ...]
    concat: tuple[int, ...]
    channels_in: tuple[int, int]
    C: int
    stride: int
    halve_first: bool
    preproc: bool
    live: tuple[bool, bool]

    @property
    def operations(self) -> list[tuple[int, str, int]]:
        """(index of the pair, operation, stride) of every pair but the ``none``."""
        strides = [self.stride if source < 2 else 1 for _, source in self.pairs]
        return [(j, name, strides[j]) for j, (name, _) in enumerate(self.pairs) if name != NONE]

    @property
    def C_out(self) -> int:
        """Channels of the output."""
        return len(self.concat) * self.C

    @property
    def plan(self) -> CellPlan:
        """What of the cell reaches its output."""
        return _plan(self.pairs, self.concat, self.live)


@dataclass(frozen=True)
class NetworkLayout:
    """A whole network.

    Attributes:
        stem: what stands before the cells.
        cells: the cells, in order.
        features: inputs of the classifier.
        auxiliary_cell: the cell behind which DARTS puts its auxiliary head.
    """

    stem: StemLayout
    cells: tuple[CellLayout, ...]
    features: int
    auxiliary_cell: int

    def needed(self, heads: Iterable[int] = ()) -> frozenset[int]:
        """The cells on which the output depends; -1 and -2 are the second and the first output of the stem.

        Args:
            heads: cells with a head of their own, on which an output depends too.
        """
        needed = {len(self.cells) - 1, *heads}
        for index in range(len(self.cells) - 1, -1, -1):
            if index in needed:
                needed.update(index - 2 + k for k in self.cells[index].plan.reads)
        return frozenset(needed)


def network_layout(architecture: Architecture, num_classes: int, image_size: int) -> NetworkLayout:
    """The layout of an architecture's network; arguments and errors are those of ``build_network``."""
    _check(architecture, num_classes, image_size)
    stem = _stem_layout(architecture, image_size)
    cells = _cell_layouts(architecture, stem.C)
    features, size = cells[-1].C_out, stem.size
    if not architecture.glob_avg:
        for cell in cells:
            size = _divided(size, cell.stride)
        features *= size**2
    return NetworkLayout(stem, cells, features, auxiliary_cell=2 * architecture.n_cells // 3)


def parameter_count(architecture: Architecture, num_classes: int = 10, image_size: int = 32) -> int:
    """The number of parameters of an architecture's network, in closed form: no network, some 20 microseconds.

    It leaves out the auxiliary head, as papers do. DeepNets-1M rejects architectures by this number, so drawing one
    needs it.

    Args:
        architecture: the architecture; its ``C`` at least 2.
        num_classes: number of logits, at least 1.
        image_size: height and width of the images, in pixels, at least 8.

    Raises:
        ArchitectureError: if the architecture has one channel only.
        SettingError: if another argument is out of range.
    """
    _check(architecture, num_classes, image_size)
    a, norm = architecture, architecture.norm is not None
    stem = _stem_layout(a, image_size)
    count, size = _stem_parameters(stem, norm), stem.size
    before = last = stem.C
    for C, reduction, stride in _cells(a):
        size = _divided(size, stride)
        count += _cell_parameters(a.genotype.reduce if reduction else a.genotype.normal, C, stride, norm)
        C_out = C * len(a.genotype.reduce_concat if reduction else a.genotype.normal_concat)
        if a.preproc:
            count += (before + last) * C + 4 * C * norm
        before, last = last, C_out
    widths = [last if a.glob_avg else last * size**2, *[a.fc_dim] * (a.fc_layers - 1), num_classes]
    return count + sum((widths[i] + 1) * widths[i + 1] for i in range(a.fc_layers))


def operation_parameters(architecture: Architecture) -> list[list[list[int]]]:
    """How many parameters an operation adds to a network with the architecture's settings, whatever its cells are.

    Args:
        architecture: of which the operations do not count, but for attention, which makes it a vision transformer.

    Returns:
        2 x 2 x 15 numbers: by cell (normal, reduction), by whether the operation's input is an intermediate node, and
        in the order of :data:`~tart_nas.operations.CELL_OPS`.
    """
    added = [[[0] * len(CELL_OPS) for _ in range(2)] for _ in range(2)]
    for C, reduction, stride in _cells(architecture):
        for row, its_stride in zip(added[reduction], (stride, 1), strict=True):
            for index, op in enumerate(CELL_OPS):
                row[index] += _operation_parameters(op, C, its_stride, architecture.norm is not None)
    return added


def _check(architecture: Architecture, num_classes: int, image_size: int) -> None:
    for name, value, least in (("num_classes", num_classes, 1), ("image_size", image_size, MIN_IMAGE_SIZE)):
        whole(name, value, least)
    if architecture.C < 2:
        raise ArchitectureError(f"`C` must be at least 2 to build a network, but got {architecture.C}.")


def _cells(a: Architecture) -> Iterator[tuple[int, bool, int]]:
    """Of each cell its channels, whether it is a reduction cell, and the stride of operations on its inputs."""
    reductions, C = a.reductions, a.C
    for index in range(a.n_cells):
        reduction = index in reductions
        C *= a.C_mult if reduction else 1
        yield C, reduction, 2 if reduction and not a.is_vit else 1


def _stem_layout(a: Architecture, image_size: int) -> StemLayout:
    imagenet = image_size >= IMAGENET_IMAGE_SIZE
    if a.is_vit:
        patches = image_size // 16 if imagenet else _divided(image_size, 3)
        return StemLayout("patches", imagenet, a.C, 16 if imagenet else 3, False, patches)
    if a.stem_type == 1:
        return StemLayout("imagenet", imagenet, a.C, a.ks, False, _divided(image_size, 8 if imagenet else 2))
    C = 3 * a.C if a.preproc and not imagenet else a.C  # as in DARTS, three times the channels on CIFAR-10
    stride = (4 if imagenet else 1) * (2 if a.stem_pool else 1)
    return StemLayout("simple", imagenet, C, a.ks, a.stem_pool, _divided(image_size, stride))


def _cell_layouts(a: Architecture, C_stem: int) -> tuple[CellLayout, ...]:
    cells: list[CellLayout] = []
    channels = [C_stem, C_stem]  # of the stem's outputs, then of each cell's
    live = [True, True, *a.live_cells()]  # likewise
    halve_first = a.stem_type == 1 and not a.is_vit
    for index, (C, reduction, stride) in enumerate(_cells(a)):
        cell = CellLayout(
            pairs=a.genotype.reduce if reduction else a.genotype.normal,
            concat=a.genotype.reduce_concat if reduction else a.genotype.normal_concat,
            channels_in=(channels[index], channels[index + 1]),
            C=C,
            stride=stride,
            halve_first=halve_first,
            preproc=a.preproc,
            live=(live[index], live[index + 1]),
        )
        cells.append(cell)
        channels.append(cell.C_out)
        halve_first = cell.stride == 2
    return tuple(cells)


def _divided(size: int, stride: int) -> int:
    """The resolution after a layer of that stride, or after several whose strides multiply to it."""
    return (size - 1) // stride + 1


@lru_cache(64)  # the cells of a network are of few kinds
def _plan(pairs: tuple[tuple[str, int], ...], concat: tuple[int, ...], live: tuple[bool, bool]) -> CellPlan:
    states = {k for k in (0, 1) if live[k]}  # what is not zero
    nodes = []
    for node in range(2, len(pairs) // 2 + 2):
        pair = [(j, *pairs[j]) for j in (2 * node - 4, 2 * node - 3)]
        operations = [(j, op, source) for j, op, source in pair if op != NONE and source in states]
        if operations:
            states.add(node)
            nodes.append((node, operations))
    wanted = set(concat) & states
    for node, operations in reversed(nodes):
        if node in wanted:
            wanted.update(source for _, _, source in operations)
    kept = [(node, operations) for node, operations in nodes if node in wanted]
    return CellPlan(kept, [k for k in (0, 1) if k in wanted], [k for k in concat if k in states])


def _stem_parameters(stem: StemLayout, norm: bool) -> int:
    C, k = stem.C, stem.kernel_size
    if stem.kind == "patches":
        return 3 * C * k**2 + C * stem.size**2  # the patches' convolution and the positional encoding
    if stem.kind == "simple":
        return 3 * C * k**2 + 2 * norm * C
    half = C // 2
    return 3 * half * k**2 + 9 * half * C + 9 * C**2 + 2 * norm * (half + 2 * C)


@lru_cache(1 << 10)  # a sampler rejects by the count, and its candidates at 32 and 224 pixels have the same cells
def _cell_parameters(pairs: tuple[tuple[str, int], ...], C: int, stride: int, norm: bool) -> int:
    """The parameters of a cell's operations; the stride is that of those on the cell's inputs."""
    return sum(_operation_parameters(op, C, stride if source < 2 else 1, norm) for op, source in pairs)


@lru_cache(1 << 14)  # 15 operations, two strides, with a norm and without, at some 270 numbers of channels
def _operation_parameters(op: str, C: int, stride: int, norm: bool) -> int:
    operation = OPERATIONS[op]
    return PARAMETERS[operation.kind](operation, C, stride, 2 * C * norm)


def _separable(op: Operation, C: int, bn: int) -> int:
    return C * op.kernel**2 + C**2 + bn


def _attention(C: int) -> int:
    width = C // ATTENTION_HEADS * ATTENTION_HEADS
    return 4 * C + 4 * C * width + C + 2 * (C**2 + C)  # two layer norms, attention, feed-forward


PARAMETERS: dict[str, Callable[[Operation, int, int, int], int]] = {
    "none": lambda op, C, stride, bn: 0,
    "max_pool": lambda op, C, stride, bn: 0,
    "avg_pool": lambda op, C, stride, bn: 0,
    "skip": lambda op, C, stride, bn: 0 if stride == 1 else C**2 + bn,
    "sep_conv": lambda op, C, stride, bn: 2 * _separable(op, C, bn),
    "dil_conv": lambda op, C, stride, bn: _separable(op, C, bn),
    "conv": lambda op, C, stride, bn: (C * op.kernel) ** 2 + bn,
    "factorized_conv": lambda op, C, stride, bn: 2 * op.kernel * C**2 + bn,
    "attention": lambda op, C, stride, bn: _attention(C),
    "excitation": lambda op, C, stride, bn: 2 * C * (C // 2) + C // 2 + C,
}
"""The parameters of each kind of operation, from its row in the table, channels, stride and those of a normalisation
(2 C, or 0 without)."""
