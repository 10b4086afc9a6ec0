"""Every size in the network of an architecture, worked out before a module is made."""

from dataclasses import dataclass
from typing import Literal

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError

__all__ = ["CellLayout", "NetworkLayout", "StemLayout", "network_layout"]

MIN_IMAGE_SIZE = 8  # the most that a network of the form for small images divides the resolution by
IMAGENET_IMAGE_SIZE = 128  # from here on, the form for large images


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
        return [(j, name, strides[j]) for j, (name, _) in enumerate(self.pairs) if name != "none"]

    @property
    def C_out(self) -> int:
        """Channels of the output."""
        return len(self.concat) * self.C


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


def network_layout(architecture: Architecture, num_classes: int, image_size: int) -> NetworkLayout:
    """The layout of an architecture's network; arguments and errors are those of ``build_network``."""
    for name, value, least in (("num_classes", num_classes, 1), ("image_size", image_size, MIN_IMAGE_SIZE)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise SettingError(f"`{name}` must be a whole number of at least {least}, but got {value!r}.")
    if architecture.C < 2:
        raise ArchitectureError(f"`C` must be at least 2 to build a network, but got {architecture.C}.")
    stem = _stem_layout(architecture, image_size)
    cells = _cell_layouts(architecture, stem.C)
    features, size = cells[-1].C_out, stem.size
    if not architecture.glob_avg:
        for cell in cells:
            size = _divided(size, cell.stride)
        features *= size**2
    return NetworkLayout(stem, cells, features, auxiliary_cell=2 * architecture.n_cells // 3)


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
    C = a.C
    channels = [C_stem, C_stem]  # of the stem's outputs, then of each cell's
    live = [True, True, *a.live_cells()]  # likewise
    halve_first = a.stem_type == 1 and not a.is_vit
    for index in range(a.n_cells):
        reduction = index in a.reductions
        C *= a.C_mult if reduction else 1
        cell = CellLayout(
            pairs=a.genotype.reduce if reduction else a.genotype.normal,
            concat=a.genotype.reduce_concat if reduction else a.genotype.normal_concat,
            channels_in=(channels[index], channels[index + 1]),
            C=C,
            stride=2 if reduction and not a.is_vit else 1,
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
