"""How many parameters an architecture's network has, in closed form: no network, no PyTorch, some 20 microseconds.

DeepNets-1M rejects architectures by this number, so drawing one needs it, and it stands before all that makes networks.
:func:`tart_nas.networks.parameter_count` counts the parameters of the modules themselves; the two are always equal.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache

from tart_nas.architecture import Architecture
from tart_nas.layout import IMAGENET_IMAGE_SIZE
from tart_nas.operations import ATTENTION_HEADS, CELL_OPS, OPERATIONS, Operation

__all__ = ["PARAMETERS", "operation_parameters", "parameter_formula"]


def parameter_formula(architecture: Architecture, num_classes: int = 10, image_size: int = 32) -> int:
    """The number of parameters of an architecture's network.

    Args:
        architecture: the architecture; its ``C`` at least 2.
        num_classes: number of logits.
        image_size: height and width of the images, in pixels, at least 8.
    """
    a, norm = architecture, architecture.norm is not None
    count, C_stem, size = _stem(a, image_size, norm)
    before, last = C_stem, C_stem
    for C, reduction, stride in _cells(a):
        size = -(-size // stride)
        count += _operations(a.genotype.reduce if reduction else a.genotype.normal, C, stride, norm)
        C_out = C * len(a.genotype.reduce_concat if reduction else a.genotype.normal_concat)
        if a.preproc:
            count += (before + last) * C + 4 * C * norm
        before, last = last, C_out
    widths = [last if a.glob_avg else last * size**2, *[a.fc_dim] * (a.fc_layers - 1), num_classes]
    return count + sum((widths[i] + 1) * widths[i + 1] for i in range(a.fc_layers))


def operation_parameters(architecture: Architecture) -> list[list[list[int]]]:
    """How many parameters an operation adds to a network with the architecture's settings, whatever its cells are.

    Args:
        architecture: of which the operations do not count, but for ``msa``, which makes it a vision transformer.

    Returns:
        2 x 2 x 15 numbers: by cell (normal, reduction), by whether the operation's input is an intermediate node, and
        in the order of :data:`~tart_nas.operations.CELL_OPS`.
    """
    added = [[[0] * len(CELL_OPS) for _ in range(2)] for _ in range(2)]
    for C, reduction, stride in _cells(architecture):
        for row, own_stride in zip(added[reduction], (stride, 1), strict=True):
            for index, op in enumerate(CELL_OPS):
                row[index] += _operation(op, C, own_stride, architecture.norm is not None)
    return added


def _cells(a: Architecture) -> Iterator[tuple[int, bool, int]]:
    """Of each cell its channels, whether it is a reduction cell, and the stride of operations on its inputs."""
    reductions, C = a.reductions, a.C
    for index in range(a.n_cells):
        reduction = index in reductions
        C *= a.C_mult if reduction else 1
        yield C, reduction, 2 if reduction and not a.is_vit else 1


def _stem(a: Architecture, image_size: int, norm: bool) -> tuple[int, int, int]:
    """The parameters of the stem, its channels and the resolution after it."""
    imagenet = image_size >= IMAGENET_IMAGE_SIZE
    C, k = a.C, a.ks
    if a.is_vit:
        patch, size = (16, image_size // 16) if imagenet else (3, -(-image_size // 3))
        return 3 * C * patch**2 + C * size**2, C, size
    if a.stem_type == 1:
        half = C // 2
        count = 3 * half * k**2 + 9 * half * C + 9 * C**2 + 2 * norm * (half + 2 * C)
        return count, C, -(-image_size // (8 if imagenet else 2))
    C = 3 * C if a.preproc and not imagenet else C
    stride = (4 if imagenet else 1) * (2 if a.stem_pool else 1)
    return 3 * C * k**2 + 2 * norm * C, C, -(-image_size // stride)


@lru_cache(1 << 10)
def _operations(pairs: tuple[tuple[str, int], ...], C: int, stride: int, norm: bool) -> int:
    """The parameters of a cell's operations; the stride is that of those on the cell's inputs."""
    return sum(_operation(op, C, stride if source < 2 else 1, norm) for op, source in pairs)


@lru_cache(1 << 14)
def _operation(op: str, C: int, stride: int, norm: bool) -> int:
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
