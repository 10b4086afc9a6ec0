"""NNI's NASNet-series model spaces: a sample of the space to an :class:`Architecture`, and back.

The spaces are ``nni.nas.hub.pytorch.nasnet.NDS`` and its subclasses ``DARTS``, ``ENAS``, ``PNAS``, ``NASNet`` and
``AmoebaNet`` (after Radosavovic et al., "On Network Design Spaces for Visual Recognition", ICCV 2019). A sample is a
dict: ``normal/op_2_0`` is the first operation of node 2 of the normal cell, ``normal/input_2_0`` the list of its one
input; ``width`` and ``depth`` are there where the space leaves them open. NNI's network of a sample and ours of the
architecture have the same number of parameters.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, NniError
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS
from tart_nas.strategies.nni_plugin.availability import require_nni

__all__ = ["HubSpace", "Sample", "input_pairs", "is_hub_space"]

Sample = dict[str, Any]
"""A choice for every label of a model space."""

_CELLS = ("normal", "reduce")


@dataclass(frozen=True)
class HubSpace:
    """A NASNet-series space of NNI: its operations, sizes and labels; :meth:`of` reads them from a model space.

    Example:
        >>> from nni.nas.hub.pytorch import DARTS
        >>> space = HubSpace.of(DARTS(width=16, num_cells=8, dataset="cifar"))
        >>> architecture = space.architecture(sample)
        >>> space.sample(architecture) == sample
        True

    Attributes:
        ops: the operations to choose from.
        num_nodes: nodes of each cell.
        loose_end: whether only the nodes that no other node reads are concatenated, instead of all.
        imagenet: whether it has the stem for large images.
        widths: channels of the first cells, one or several to choose from (``width`` of the sample).
        depths: number of cells, likewise (``depth``).
        choosing: which of ``width`` and ``depth`` a sample must have.
    """

    ops: tuple[str, ...]
    num_nodes: int
    loose_end: bool
    imagenet: bool
    widths: tuple[int, ...]
    depths: tuple[int, ...]
    choosing: frozenset[str]

    @classmethod
    def of(cls, model_space: Any) -> "HubSpace":
        """Reads a space.

        Args:
            model_space: a NASNet-series space, or the ``ExecutableModelSpace`` that NNI makes of one for a strategy.

        Raises:
            NniError: if it is another space, or has operations that TART-NAS does not know.
        """
        if not is_hub_space(model_space):
            raise NniError(
                f"{_class_of(model_space).__name__} is not one of NNI's NASNet-series spaces: give `convert`, a "
                "function from a sample (dict) to an Architecture or a ComputationalGraph, or `input_size`, by which "
                "networks are built and traced."
            )
        space = _original(model_space)
        if unknown := _unknown_ops(space):
            known = [op for op in space.op_candidates if op in CELL_OPS]
            raise NniError(
                f"{type(space).__name__} has operations that TART-NAS does not know: {', '.join(unknown)}. Leave them "
                f"out, with NDS({known}, ...), or give `convert`, a function from a sample to a ComputationalGraph, or "
                "`input_size`, by which networks are built and traced."
            )
        choosing = {"width": space.width, "depth": _depth(space)}
        return cls(
            ops=tuple(space.op_candidates),
            num_nodes=space.num_nodes_per_cell,
            loose_end=space.merge_op == "loose_end",
            imagenet=space.dataset == "imagenet",
            widths=_several(space.width),
            depths=_several(_depth(space)),
            choosing=frozenset(name for name, value in choosing.items() if not isinstance(value, int)),
        )

    @staticmethod
    def can_read(model_space: Any) -> bool:
        """Whether TART-NAS knows all operations of a NASNet-series space."""
        return not _unknown_ops(_original(model_space))

    def architecture(self, sample: Mapping[str, Any]) -> Architecture:
        """The architecture of a sample; what belongs to an evaluator (learning rates, ...) is passed over.

        Raises:
            ArchitectureError: if a label is missing, or a choice is none of the space.
        """
        cells: dict[str, Any] = {}
        for cell in _CELLS:
            pairs = []
            for node in range(2, 2 + self.num_nodes):
                for k in (0, 1):
                    op = _choice(sample, f"{cell}/op_{node}_{k}")
                    if op not in self.ops:
                        expected = f"one of {', '.join(self.ops)}"
                        raise ArchitectureError(f"'{cell}/op_{node}_{k}' must be {expected}, but got {op!r}.")
                    source = _choice(sample, f"{cell}/input_{node}_{k}")
                    # NNI's spaces give a list of one input; a JSON search space gives the number itself.
                    if isinstance(source, list | tuple) and len(source) == 1:
                        source = source[0]
                    pairs.append((op, source))
            cells[cell] = pairs
            cells[f"{cell}_concat"] = self._concat(pairs)
        return Architecture(
            Genotype(**cells),
            n_cells=self._macro(sample, "depth", self.depths),
            C=self._macro(sample, "width", self.widths),
            stem_type=int(self.imagenet),
        )

    def sample(self, architecture: Architecture) -> Sample:
        """The sample of an architecture of the space.

        Raises:
            ArchitectureError: naming what puts the architecture outside the space.
        """
        genotype = architecture.genotype
        sample: Sample = {}
        for cell in _CELLS:
            pairs, concat = getattr(genotype, cell), getattr(genotype, f"{cell}_concat")
            if len(pairs) != 2 * self.num_nodes:
                raise ArchitectureError(
                    f"The {cell} cell has {len(pairs) // 2} nodes; NNI's space has {self.num_nodes}."
                )
            if concat != self._concat(pairs):
                which = "exactly those that no other reads" if self.loose_end else "all nodes"
                raise ArchitectureError(f"NNI's space concatenates {which}, but the {cell} cell {list(concat)}.")
            for j, (op, source) in enumerate(pairs):
                node, k = 2 + j // 2, j % 2
                sample |= {f"{cell}/op_{node}_{k}": op, f"{cell}/input_{node}_{k}": [source]}
        for label, name, value, values in (
            ("depth", "n_cells", architecture.n_cells, self.depths),
            ("width", "C", architecture.C, self.widths),
        ):
            if value not in values:
                raise ArchitectureError(f"NNI's space has `{name}` in {list(values)}, but the architecture {value}.")
            if label in self.choosing:
                sample[label] = value
        # Settings that a sample cannot tell show by what it is turned back into.
        if self.architecture(sample) != architecture:
            raise ArchitectureError(
                "NNI's space has `C_mult` 2, `ks` 3, batch normalisation, preprocessing, global pooling, one linear "
                f"layer and `stem_type` {int(self.imagenet)}; the architecture has other settings: {architecture}."
            )
        return sample

    def _concat(self, pairs: Any) -> tuple[int, ...]:
        read = {source for _, source in pairs} if self.loose_end else set()
        return tuple(node for node in range(2, 2 + self.num_nodes) if node not in read)

    def _macro(self, sample: Mapping[str, Any], label: str, values: tuple[int, ...]) -> int:
        if label not in self.choosing:
            return values[0]
        value = _choice(sample, label)
        if value not in values:
            raise ArchitectureError(f"'{label}' must be one of {list(values)}, but got {value!r}.")
        return int(value)


def is_hub_space(model_space: Any) -> bool:
    """Whether it is a NASNet-series space, or what NNI makes of one for a strategy."""
    require_nni()
    from nni.nas.hub.pytorch.nasnet import NDS

    return issubclass(_class_of(model_space), NDS)


def input_pairs(model_space: Any) -> list[tuple[str, str]]:
    """In a NASNet-series space, whatever its operations, the labels of each node's two inputs; in others none."""
    if not is_hub_space(model_space):
        return []
    nodes = range(2, 2 + _original(model_space).num_nodes_per_cell)
    return [(f"{cell}/input_{node}_0", f"{cell}/input_{node}_1") for cell in _CELLS for node in nodes]


def _unknown_ops(space: Any) -> list[str]:
    return sorted(set(space.op_candidates) - set(CELL_OPS))


def _class_of(model_space: Any) -> type:
    """The class of the user's space, behind what NNI wraps around it."""
    inner = getattr(model_space, "model_space", getattr(model_space, "model", model_space))
    symbol = getattr(inner, "trace_symbol", None)
    return symbol if isinstance(symbol, type) else type(inner)


def _original(model_space: Any) -> Any:
    """The user's space: NNI's simplified form has only its class and arguments, so it is made anew, without weights."""
    from nni.nas.nn.pytorch import ModelSpace

    inner = getattr(model_space, "model_space", model_space)
    if isinstance(inner, ModelSpace):
        return inner
    import torch

    # Only its attributes are read: weights would take memory, and random numbers.
    with torch.device("meta"):
        return model_space.model.trace_copy().get(traceable=False)


def _depth(space: Any) -> Any:
    """The argument ``num_cells``: its attribute has become a mutable where there are several."""
    values = getattr(space.num_cells, "values", None)
    return space.num_cells if values is None else tuple(values)


def _several(value: Any) -> tuple[int, ...]:
    return (value,) if isinstance(value, int) else tuple(value)


def _choice(sample: Mapping[str, Any], label: str) -> Any:
    if label not in sample:
        raise ArchitectureError(f"The sample lacks {label!r}: its labels are {', '.join(sorted(sample))}.")
    return sample[label]
