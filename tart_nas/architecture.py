"""A whole network (:class:`Architecture`): its two cells and the settings around them.

The settings are those of DeepNets-1M (Knyazev et al., NeurIPS 2021). An architecture is frozen and hashable, checks
itself when it is made, and goes to and from JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

from tart_nas.checks import short
from tart_nas.errors import ArchitectureError
from tart_nas.genotype import Genotype
from tart_nas.operations import ATTENTION_HEADS, ATTENTION_OPS, CELL_OPS, NASBENCH301_OPS, NONE
from tart_nas.symbols import spelled

__all__ = ["CELL_OPS", "MOST", "NASBENCH301_OPS", "Architecture", "Genotype", "is_live"]


# A file may hold any number, and a list of 10^12 cells ends the process.
MOST = {"n_cells": 1000, "C": 100_000, "C_mult": 100, "ks": 1001, "fc_layers": 1000, "fc_dim": 1_000_000}
"""The largest values of settings, far beyond every network trained so far (DeepNets-1M: 36 cells, 512 channels)."""


@dataclass(frozen=True, eq=False)
class Architecture:
    """A whole network: its cells and the settings around them. The names are those of DeepNets-1M's meta files.

    Two architectures are equal when they mean the same network: a setting without effect (``fc_dim`` with one linear
    layer, the stem of a vision transformer, ...) does not count.

    Args:
        genotype: the two cells.
        n_cells: number of cells, at least 1. Reduction cells stand at ``n_cells // 3`` and ``2 * n_cells // 3``,
            never at 0.
        C: channels of the first cells, at least 1; at least 8 (one per attention head) with ``msa``.
        C_mult: factor of the channels at each reduction cell, at least 1.
        ks: kernel size of the first convolution, odd.
        stem_type: 0, one convolution; 1, the three-convolution ImageNet stem of DARTS, which halves the resolution.
        stem_pool: with ``stem_type`` 0, whether a max-pooling follows.
        norm: ``"bnorm"`` for batch normalisation or None for no normalisation (``"bn"``, ``"none"`` and ``""`` are
            read as these).
        preproc: whether a cell's inputs pass through a 1x1 convolution (or factorized reduction). May be False only
            with one concatenated node and ``C_mult`` 1, where channels match without it.
        glob_avg: global average pooling before the classifier, else the features are flattened (VGG style).
        fc_layers: linear layers of the classifier, at least 1 (0 is read as 1).
        fc_dim: width of the linear layers but the last.

    Raises:
        ArchitectureError: if a setting is outside its range, or the network's output would be zero everywhere.
    """

    genotype: Genotype
    n_cells: int
    C: int = 32
    C_mult: int = 2
    ks: int = 3
    stem_type: int = 0
    stem_pool: bool = False
    norm: str | None = "bnorm"
    preproc: bool = True
    glob_avg: bool = True
    fc_layers: int = 1
    fc_dim: int = 256

    def __post_init__(self) -> None:
        if not isinstance(self.genotype, Genotype):
            raise ArchitectureError(f"`genotype` must be a Genotype, but got {short(self.genotype)}.")
        if not self.fc_layers:  # meta files have 0 where there is one
            object.__setattr__(self, "fc_layers", 1)
        for name, most in MOST.items():
            value = getattr(self, name)
            if type(value) is int and 1 <= value <= most:  # most values: strings are decoded by the ten thousand
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ArchitectureError(f"`{name}` must be a whole number of at least 1, but got {short(value)}.")
            if value > most:
                raise ArchitectureError(f"`{name}` must be at most {most:,}, but got {short(value)}.")
        for name in ("stem_pool", "preproc", "glob_avg"):
            if not isinstance(getattr(self, name), bool):
                raise ArchitectureError(f"`{name}` must be true or false, but got {short(getattr(self, name))}.")
        if isinstance(self.stem_type, bool) or self.stem_type not in (0, 1):
            raise ArchitectureError(f"`stem_type` must be 0 or 1, but got {short(self.stem_type)}.")
        if self.norm is not None and self.norm != "bnorm":
            if self.norm not in ("bn", "bn-track", "none", ""):
                raise ArchitectureError(f"`norm` must be 'bnorm' or None, but got {short(self.norm)}.")
            # Meta files of several versions spell it differently; architectures with the same norm must be equal.
            object.__setattr__(self, "norm", "bnorm" if self.norm.startswith("bn") else None)
        if self.ks % 2 == 0:
            raise ArchitectureError(f"`ks` must be odd, but got {self.ks}.")
        if self.is_vit and self.C < ATTENTION_HEADS:
            raise ArchitectureError(
                f"`C` must be at least {ATTENTION_HEADS} in a network with msa ({ATTENTION_HEADS} heads), "
                f"but got {self.C}."
            )
        one_node = len(self.genotype.normal_concat) == len(self.genotype.reduce_concat) == 1
        if not self.preproc and not (one_node and self.C_mult == 1):
            raise ArchitectureError(
                "`preproc` may be false only when each cell concatenates one node and `C_mult` is 1, but the cells "
                f"concatenate {self.genotype.normal_concat} and {self.genotype.reduce_concat}, C_mult is {self.C_mult}."
            )
        # Nodes that nothing reads are legal, DeepNets-1M has them; but a network of zeros has nothing to train.
        if not self.live_cells()[-1]:
            raise ArchitectureError("The network is disconnected: `none` operations make its output zero everywhere.")

    def __str__(self) -> str:
        """The architecture string, which :func:`tart_nas.strings.decode` reads; ``repr`` writes all settings out."""
        return "".join(spelled(self))

    @property
    def is_vit(self) -> bool:
        """Whether the network is a vision transformer, as attention makes it: patch stem, no loss of resolution."""
        return not ATTENTION_OPS.isdisjoint(self.genotype.ops)

    def resized(self, n_cells: int | None = None, C: int | None = None) -> "Architecture":
        """The same cells in a network of another size, itself if nothing changes.

        Args:
            n_cells: number of cells, None for its own.
            C: channels of the first cells, None for its own.

        Raises:
            ArchitectureError: if no network of these cells has this size, such as attention with fewer channels than
                heads.
        """
        n_cells, C = (self.n_cells if n_cells is None else n_cells), (self.C if C is None else C)
        return self if (n_cells, C) == (self.n_cells, self.C) else replace(self, n_cells=n_cells, C=C)

    @property
    def reductions(self) -> tuple[int, ...]:
        """The indices of the reduction cells, ascending."""
        return tuple(sorted({self.n_cells // 3, 2 * self.n_cells // 3} - {0}))

    def live_cells(self) -> list[bool]:
        """For each cell, whether its output is something else than zeros: ``none`` and zero inputs make zeros."""
        genotype = self.genotype
        normal, reduce = (genotype.normal, genotype.normal_concat), (genotype.reduce, genotype.reduce_concat)
        # Most networks: a cell that makes something else than zeros of two such inputs does so in every place.
        if NONE not in genotype.ops or (is_live(*normal, True, True) and is_live(*reduce, True, True)):
            return [True] * self.n_cells
        outputs = [True, True]  # of the stem
        for index in range(self.n_cells):
            outputs.append(is_live(*(reduce if index in self.reductions else normal), *outputs[-2:]))
        return outputs[2:]

    @cached_property
    def _meaning(self) -> tuple[Any, ...]:
        # The order of a node's two operations stays: it names the weights. `canonical_genotype` removes it.
        genotype = self.genotype
        stem = None if self.is_vit else (self.stem_type, self.ks, self.stem_type == 0 and self.stem_pool)
        head = (self.glob_avg, self.fc_layers, self.fc_dim if self.fc_layers > 1 else 0)
        reduction = (genotype.reduce, genotype.reduce_concat, self.C_mult) if self.reductions else ()
        cells = (genotype.normal, genotype.normal_concat, reduction, self.is_vit)
        return (self.n_cells, self.C, stem, self.norm, self.preproc, head, cells)

    def __eq__(self, other: object) -> bool:
        return self._meaning == other._meaning if isinstance(other, Architecture) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._meaning)

    def to_dict(self) -> dict[str, Any]:
        """The architecture as JSON values, in the layout of a net in a DeepNets-1M meta file."""
        values: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        values["genotype"] = self.genotype.to_dict()
        return values

    @classmethod
    def from_dict(cls, net: Mapping[str, Any]) -> "Architecture":
        """Reads :meth:`to_dict`'s result or a net of a DeepNets-1M meta file.

        Args:
            net: at least ``genotype`` and ``n_cells``; what is missing takes its default (``C`` 32). Other keys, such
                as ``num_nodes`` and ``num_params``, are ignored.

        Raises:
            ArchitectureError: if it is not an architecture.
        """
        if not isinstance(net, Mapping) or "genotype" not in net or "n_cells" not in net:
            raise ArchitectureError(f"An architecture needs at least 'genotype' and 'n_cells', but got {short(net)}.")
        values = {field.name: net[field.name] for field in fields(cls) if field.name in net}
        return cls(**{**values, "genotype": Genotype.from_dict(net["genotype"])})


def is_live(pairs: tuple[tuple[str, int], ...], concat: tuple[int, ...], *states: bool) -> bool:
    """Whether a cell's output is something else than zeros.

    Args:
        pairs: of the cell, as in a genotype.
        concat: its concatenated nodes.
        *states: for each of its two inputs, whether it is something else than zeros.
    """
    live = list(states)
    for first, second in zip(pairs[::2], pairs[1::2], strict=True):
        live.append((first[0] != NONE and live[first[1]]) or (second[0] != NONE and live[second[1]]))
    return any(live[node] for node in concat)
