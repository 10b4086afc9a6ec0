"""Architectures as cell tokens: one token per edge of a cell, and the settings of the network around the cells.

A cell-based network is told by its genotype, so a few tens of small integers hold all that a predictor needs, and a
batch of any size is made of numpy arrays without a Python loop over nodes or edges.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.genotype import Genotype
from tart_nas.operations import ATTENTION_OPS, CELL_OPS
from tart_nas.tokens.ragged import row_numbers, row_places

__all__ = ["MAX_CELL_NODES", "SETTINGS", "TOKEN_SCHEME", "CellTokens"]

TOKEN_SCHEME = "cell/1"
"""Name and version of this tokenization; a checkpoint made for another one is refused."""

MAX_CELL_NODES = 10
"""Intermediate nodes that a cell may have: DeepNets-1M's ``dense`` split goes up to 10."""

SETTINGS: tuple[str, ...] = (
    "n_cells",
    "C",
    "C_mult",
    "is_vit",
    "stem_type",
    "stem_pool",
    "ks",
    "norm",
    "preproc",
    "glob_avg",
    "fc_layers",
    "fc_dim",
)
"""The columns of :attr:`CellTokens.settings`."""

_NUMBERS = ("n_cells", "C", "C_mult", "stem_type", "stem_pool", "ks", "preproc", "glob_avg", "fc_layers", "fc_dim")
_OP_INDEX = {op: index for index, op in enumerate(CELL_OPS)}
_IS_ATTENTION = np.array([op in ATTENTION_OPS for op in CELL_OPS])


@dataclass(frozen=True, eq=False, repr=False)
class CellTokens:
    """A batch of B architectures as integer arrays, padded to the E edges of its largest member.

    The edges of the normal cell come first, then those of the reduction cell, then padding (all zeros). Equal
    architectures give equal tokens up to the order of a node's two edges: what has no effect is left out (the reduction
    cell of a network of one cell) or zero (the stem of a vision transformer, ``fc_dim`` with one linear layer).

    Attributes:
        op: (B, E) uint8, index into :data:`tart_nas.operations.CELL_OPS`.
        source: (B, E) uint8, the edge's input: 0 and 1 are the cells before, k >= 2 an intermediate node.
        target: (B, E) uint8, the node that the edge feeds, from 2 on.
        cell: (B, E) uint8, 0 in the normal cell and 1 in the reduction cell.
        concat: (B, E) bool, whether the target is concatenated into the cell's output.
        mask: (B, E) bool, False where there is padding.
        settings: (B, len(SETTINGS)) int32, the settings around the cells; True is 1, ``norm`` is 1 for ``"bnorm"``.
    """

    op: npt.NDArray[np.uint8]
    source: npt.NDArray[np.uint8]
    target: npt.NDArray[np.uint8]
    cell: npt.NDArray[np.uint8]
    concat: npt.NDArray[np.bool_]
    mask: npt.NDArray[np.bool_]
    settings: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.settings)

    def __repr__(self) -> str:
        """How many there are, of how many edges."""
        return f"<CellTokens, {len(self)} architectures of up to {self.op.shape[1]} edges>"

    def take(self, rows: npt.NDArray[np.integer]) -> "CellTokens":
        """The architectures of some rows (n,), padded as the batch they come from."""
        return CellTokens(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def joined(self, other: "CellTokens") -> "CellTokens":
        """These architectures and then the others, padded to the larger number of edges."""
        edges = max(self.op.shape[1], other.op.shape[1])

        def padded(array: npt.NDArray[Any], name: str) -> npt.NDArray[Any]:
            return array if name == "settings" else np.pad(array, ((0, 0), (0, edges - array.shape[1])))

        names = [field.name for field in fields(self)]
        return CellTokens(**{n: np.concatenate([padded(getattr(t, n), n) for t in (self, other)]) for n in names})

    @classmethod
    def encode(cls, architectures: Sequence[Architecture]) -> "CellTokens":
        """Tokenizes architectures.

        Args:
            architectures: B of them; the batch may mix any number of nodes and any settings.

        Raises:
            PredictorError: if a cell has more than :data:`MAX_CELL_NODES` nodes or a setting is no 32-bit number.
        """
        settings = _settings(architectures)
        genotypes = [architecture.genotype for architecture in architectures]
        has_reduction = settings[:, 0] > 1  # the first reduction cell stands at 2 * n_cells // 3, never at 0
        cells: list[list[Sequence[tuple[str, int]]]] = [
            [genotype.normal for genotype in genotypes],
            [g.reduce if has else () for g, has in zip(genotypes, has_reduction.tolist(), strict=True)],
        ]
        lengths = np.array([[len(pairs) for pairs in cell] for cell in cells], dtype=np.int64).reshape(2, -1)
        if lengths.size and lengths.max() > 2 * MAX_CELL_NODES:
            where = int(lengths.max(axis=0).argmax())
            raise PredictorError(
                f"Cell tokens hold at most {MAX_CELL_NODES} nodes a cell, but architecture {where} has "
                f"{lengths[:, where].max() // 2}."
            )
        shape = (len(genotypes), int(lengths.sum(axis=0).max(initial=0)))
        op, source, target, cell_index = (np.zeros(shape, dtype=np.uint8) for _ in range(4))
        mask, concat = (np.zeros(shape, dtype=np.bool_) for _ in range(2))
        for index, pairs in enumerate(cells):
            rows, columns = row_numbers(lengths[index]), row_places(lengths[index])
            ops, inputs = _flat_pairs(pairs)
            nodes = columns // 2 + 2
            in_concat = _in_concat([g.reduce_concat if index else g.normal_concat for g in genotypes])[rows, nodes]
            columns = columns + (lengths[0][rows] if index else 0)
            op[rows, columns] = ops
            source[rows, columns] = inputs
            target[rows, columns] = nodes
            cell_index[rows, columns] = index
            concat[rows, columns] = in_concat
            mask[rows, columns] = True
        settings[:, SETTINGS.index("is_vit")] = _IS_ATTENTION[op].any(axis=1)
        for row in np.flatnonzero(~has_reduction).tolist():  # a cell that is left out still counts
            settings[row, SETTINGS.index("is_vit")] = architectures[row].is_vit
        return cls(op, source, target, cell_index, concat, mask, _without_idle(settings))

    def genotypes(self) -> list[Genotype]:
        """The genotypes that the tokens were made from; a reduction cell that was left out becomes the normal cell."""
        return [self._genotype(row) for row in range(len(self))]

    def architectures(self) -> list[Architecture]:
        """Architectures equal to those that the tokens were made from; what has no effect may differ."""
        return [
            _architecture(genotype, row) for genotype, row in zip(self.genotypes(), self.settings.tolist(), strict=True)
        ]

    def _genotype(self, row: int) -> Genotype:
        cells: list[tuple[list[tuple[str, int]], list[int]]] = []
        for index in (0, 1):
            edges = self.mask[row] & (self.cell[row] == index)
            ops = [CELL_OPS[op] for op in self.op[row, edges]]
            pairs = list(zip(ops, self.source[row, edges].tolist(), strict=True))
            cells.append((pairs, np.unique(self.target[row, edges & self.concat[row]]).tolist()))
        normal, reduce = cells if cells[1][0] else (cells[0], cells[0])
        return Genotype(tuple(normal[0]), tuple(normal[1]), tuple(reduce[0]), tuple(reduce[1]))


def _settings(architectures: Sequence[Architecture]) -> npt.NDArray[np.int32]:
    """(B, len(SETTINGS)), with the column of ``is_vit`` left at 0."""
    # An Architecture bounds its settings far below what 32 bits hold.
    numbers = np.array(list(map(attrgetter(*_NUMBERS), architectures)), dtype=np.int32).reshape(-1, len(_NUMBERS))
    settings = np.zeros((len(architectures), len(SETTINGS)), dtype=np.int32)
    settings[:, [SETTINGS.index(name) for name in _NUMBERS]] = numbers
    settings[:, SETTINGS.index("norm")] = [architecture.norm is not None for architecture in architectures]
    return settings


def _architecture(genotype: Genotype, row: list[int]) -> Architecture:
    """The architecture of a genotype and a row of settings."""
    settings: dict[str, Any] = dict(zip(SETTINGS, row, strict=True))
    if settings.pop("is_vit") and ATTENTION_OPS.isdisjoint(genotype.ops):
        # The attention stood in a reduction cell that was left out: any that has one makes the same network.
        genotype = replace(genotype, reduce=(("msa", 0), ("msa", 1)), reduce_concat=(2,))
    flags: dict[str, Any] = {name: bool(settings.pop(name)) for name in ("stem_pool", "preproc", "glob_avg")}
    norm = "bnorm" if settings.pop("norm") else None
    numbers: dict[str, Any] = {name: value if value or name == "stem_type" else 1 for name, value in settings.items()}
    return Architecture(genotype, norm=norm, **flags, **numbers)


def _without_idle(settings: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
    """Zeroes what has no effect, as the equality of architectures does."""
    column = {name: settings[:, index] for index, name in enumerate(SETTINGS)}
    column["stem_pool"][column["stem_type"] == 1] = 0
    for name in ("stem_type", "stem_pool", "ks"):
        column[name][column["is_vit"] == 1] = 0
    column["C_mult"][column["n_cells"] == 1] = 0
    column["fc_dim"][column["fc_layers"] == 1] = 0
    return settings


def _flat_pairs(cells: Iterable[Sequence[tuple[str, int]]]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Op indices and inputs of all pairs of all cells, one after the other."""
    flat = list(chain.from_iterable(chain.from_iterable(cells)))  # op, input, op, input, ...
    return np.array(list(map(_OP_INDEX.__getitem__, flat[::2])), np.uint8), np.array(flat[1::2], np.uint8)  # type: ignore[arg-type]


def _in_concat(concats: Sequence[tuple[int, ...]]) -> npt.NDArray[np.bool_]:
    """(B, MAX_CELL_NODES + 2): whether each node is concatenated."""
    rows = row_numbers(np.array([len(concat) for concat in concats], dtype=np.int64))
    in_concat = np.zeros((len(concats), MAX_CELL_NODES + 2), dtype=np.bool_)
    nodes = np.array(list(chain.from_iterable(concats)), dtype=np.int64)
    kept = nodes < MAX_CELL_NODES + 2  # an idle reduction cell may be of any size
    in_concat[rows[kept], nodes[kept]] = True
    return in_concat
