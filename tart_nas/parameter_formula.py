"""How many parameters an architecture's network has, in closed form: no network, no PyTorch, some 20 microseconds.

DeepNets-1M rejects architectures by this number, so drawing one needs it, and it stands before all that makes networks.
:func:`tart_nas.networks.parameter_count` counts the parameters of the modules themselves; the two are always equal.
"""

from collections.abc import Iterator
from functools import lru_cache

from tart_nas.architecture import Architecture
from tart_nas.operations import CELL_OPS

__all__ = ["operation_parameters", "parameter_formula"]

_IMAGENET_SIZE = 128  # from here on, the form for large images, as in `tart_nas.networks`
_HEADS = 8


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
    imagenet = image_size >= _IMAGENET_SIZE
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
    bn = 2 * C * norm
    if op == "none" or op.endswith("pool_3x3"):
        return 0
    if op == "skip_connect":
        return 0 if stride == 1 else C**2 + bn
    if op == "conv_7x1_1x7":
        return 14 * C**2 + bn
    if op == "msa":
        width = C // _HEADS * _HEADS
        return 4 * C + 4 * C * width + C + 2 * (C**2 + C)  # two layer norms, attention, feed-forward
    if op == "cse":
        return 2 * C * (C // 2) + C // 2 + C
    k = int(op[-1])
    if op.startswith("conv"):
        return (C * k) ** 2 + bn
    separable = C * k**2 + C**2 + bn
    return 2 * separable if op.startswith("sep") else separable
