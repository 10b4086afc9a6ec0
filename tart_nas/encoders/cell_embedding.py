"""Cell tokens as vectors, and what relates them: the input of the encoder."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn
from torch.nn import functional

from tart_nas.operations import CELL_OPS
from tart_nas.tokens import MAX_CELL_NODES, SETTINGS, CellTokens
from tart_nas.tokens.structure import EdgeStructure
from tart_nas.tokens.tensors import CellTensors

__all__ = ["RELATIONS", "CellEmbedding", "CellInputs"]

RELATIONS: tuple[str, ...] = (
    "itself",
    "same target",
    "feeds",
    "fed by",
    "same source",
    "same cell",
    "same place in the other cell",
    "other cell",
    "settings",
)
"""What the second of two tokens can be to the first; where several hold, the first of this list counts."""

_NODES = MAX_CELL_NODES + 2
_OPS = len(CELL_OPS)
_USES = 2 * MAX_CELL_NODES  # more edges cannot leave a node of the largest cell


@dataclass(frozen=True, eq=False)
class CellInputs:
    """Cell tokens as tensors for :class:`CellEmbedding`, made once for all members of an ensemble.

    Attributes:
        op: ``(B, E)`` int32, operation by cell and by whether the input is an intermediate node.
        source: ``(B, E)`` int32, by cell, like ``target``.
        target: ``(B, E)`` int32.
        concat: ``(B, E)`` int32.
        depth: ``(B, E)`` int32, like ``weighted_depth`` and ``uses`` of :class:`tart_nas.tokens.EdgeStructure`.
        weighted_depth: ``(B, E)`` int32.
        uses: ``(B, E)`` int32.
        settings: ``(B, len(SETTINGS))`` float32, log2(1 + value): a doubling is the same step anywhere.
        relation: ``(B, 1 + E, 1 + E)`` int32, indices into :data:`RELATIONS`.
        mask: ``(B, 1 + E)`` bool.
    """

    op: Tensor
    source: Tensor
    target: Tensor
    concat: Tensor
    depth: Tensor
    weighted_depth: Tensor
    uses: Tensor
    settings: Tensor
    relation: Tensor
    mask: Tensor

    @classmethod
    def of(cls, tokens: CellTokens, device: torch.device | str = "cpu") -> "CellInputs":
        """The inputs of B architectures of up to E edges, on a device."""
        cells = CellTensors.of(tokens, device)
        structure = EdgeStructure.of(cells)
        numbers = {
            "op": cells.op + _OPS * ((cells.source >= 2) + 2 * cells.cell),
            "source": cells.source + _NODES * cells.cell,
            "target": cells.target + _NODES * cells.cell,
            "concat": cells.concat,
            "depth": structure.depth,
            "weighted_depth": structure.weighted_depth,
            "uses": structure.uses,
        }
        return cls(
            **{name: tensor.int() for name, tensor in numbers.items()},
            settings=torch.log2(1 + cells.settings.float()),
            relation=_relations(cells.source.int(), cells.target.int(), cells.cell.int()),
            mask=functional.pad(cells.mask, (1, 0), value=True),
        )

    def take(self, rows: Tensor) -> "CellInputs":
        """The inputs of some rows ``(n,)``."""
        return CellInputs(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


class CellEmbedding(nn.Module):
    """Edges and settings to vectors: an edge is the sum of one trainable vector per feature.

    The vector of its operation is one for each cell and for inputs of a previous cell and of an intermediate node: the
    counts of these tell most of an architecture's quality, so that the encoder finds them ready.

    Args:
        width: channels D of a token.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.op = nn.Embedding(4 * _OPS, width)
        self.source = nn.Embedding(2 * _NODES, width)
        self.target = nn.Embedding(2 * _NODES, width)
        self.concat = nn.Embedding(2, width)
        self.depth = nn.Embedding(_NODES, width)
        self.weighted_depth = nn.Embedding(_NODES, width)
        self.uses = nn.Embedding(_USES + 1, width)
        self.settings = nn.Linear(len(SETTINGS), width)
        for table in self.children():
            if isinstance(table, nn.Embedding):
                nn.init.normal_(table.weight, std=0.1)  # a larger one overfits: members memorise labels

    def forward(self, inputs: CellInputs) -> Tensor:
        """Vectors ``(B, 1 + E, D)``, of which the first tells the settings."""
        edges = (
            self.op(inputs.op)
            + self.source(inputs.source)
            + self.target(inputs.target)
            + self.concat(inputs.concat)
            + self.depth(inputs.depth)
            + self.weighted_depth(inputs.weighted_depth)
            + self.uses(inputs.uses)
        )
        return torch.cat((self.settings(inputs.settings)[:, None], edges), dim=1)


def _relations(source: Tensor, target: Tensor, cell: Tensor) -> Tensor:
    """``(B, 1 + E, 1 + E)`` indices into RELATIONS from the ``(B, E)`` features of the edges."""
    B, E = source.shape
    first = {"source": source[:, :, None], "target": target[:, :, None], "cell": cell[:, :, None]}
    second = {"source": source[:, None, :], "target": target[:, None, :], "cell": cell[:, None, :]}
    same_cell = first["cell"] == second["cell"]
    same_source = first["source"] == second["source"]
    same_target = first["target"] == second["target"]
    relation = torch.full((B, 1 + E, 1 + E), RELATIONS.index("settings"), dtype=torch.int32, device=source.device)
    edges = torch.where(same_cell, RELATIONS.index("same cell"), RELATIONS.index("other cell"))
    # From the last to the first of RELATIONS, so that the first one that holds is what stays.
    for name, holds in (
        ("same place in the other cell", ~same_cell & same_source & same_target),
        ("same source", same_cell & same_source),
        ("fed by", same_cell & (first["source"] == second["target"])),
        ("feeds", same_cell & (first["target"] == second["source"])),
        ("same target", same_cell & same_target),
    ):
        edges = edges.masked_fill(holds, RELATIONS.index(name))
    edges.diagonal(dim1=1, dim2=2).fill_(RELATIONS.index("itself"))
    relation[:, 1:, 1:] = edges
    return relation
