"""Architectures as rows of numbers: how often each operation, edge and path occurs in the cells, and the size.

The classical regressors read these. None of the numbers depends on the order of a node's two edges, and only the edges
depend on how the nodes are numbered. Several tell the same in other words, such as the operations and what they have in
common: a regressor with few labels learns at once what holds for all separable convolutions. Counting paths follows the
path encodings of White et al., "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search", AAAI 2021; here their lengths are counted, not their sequences of operations, of which larger cells have
millions.

They are computed in PyTorch, so that CPU and GPU share one implementation, and are whole numbers but for logarithms of
settings and size, so that they are the same on both.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tart_nas.errors import PredictorError
from tart_nas.operations import OPERATIONS
from tart_nas.predictors.inputs import PredictorInputs, row_chunks
from tart_nas.tokens import MAX_CELL_NODES, SETTINGS, CellTokens
from tart_nas.tokens.input_paths import CLASSES, InputPaths
from tart_nas.tokens.paths import PATH_LENGTHS, PathCounts
from tart_nas.tokens.structure import HAS_WEIGHTS
from tart_nas.tokens.tensors import CellTensors

__all__ = [
    "ATTRIBUTES",
    "BLOCKS",
    "CELLS",
    "COLUMNS",
    "FEATURE_CHUNK",
    "block_scales",
    "cell_features",
    "differing_columns",
    "differs",
    "feature_chunks",
    "operation_counts",
]

Floats = npt.NDArray[np.float64]

CELLS = ("normal", "reduce")

_OPS = len(OPERATIONS)
_NODES = MAX_CELL_NODES + 2
_EDGES = _NODES * (_NODES - 1) // 2 - 1  # pairs of an input and a later node that it may feed
FEATURE_CHUNK = 512
"""Architectures whose features are made at once: 12 MB."""

ATTRIBUTES: dict[str, tuple[bool, ...]] = {
    "pooling": tuple(op.is_pooling for op in OPERATIONS.values()),
    "identity": tuple(op.kind == "skip" for op in OPERATIONS.values()),
    "separable": tuple(op.separable and not op.dilated for op in OPERATIONS.values()),
    "dilated": tuple(op.dilated for op in OPERATIONS.values()),
    "global": tuple(op.is_global for op in OPERATIONS.values()),
    "wide": tuple(op.kernel >= 5 for op in OPERATIONS.values()),
    "weights": HAS_WEIGHTS,
}
"""What operations have in common: (15,) for each attribute, whether each of them has it."""

_FEEDERS = 2 + _OPS  # what an edge can follow: one of the cell's inputs or an operation


def _blocks() -> dict[str, slice]:
    widths = {
        "counts": 2 * _OPS,
        "flow": 2 * _OPS,
        "paths": 2 * PATH_LENGTHS,
        "edges": _EDGES * _OPS,
        "attributes": 3 * len(ATTRIBUTES),
        "pairs": _FEEDERS * _OPS,
    }
    by_input = {"inputs": 2, "minima": 2 * len(CLASSES), "readers": 2 * len(CLASSES)}
    named, late = (
        [(f"{cell} {name}", width) for name, width in group.items() for cell in CELLS] for group in (widths, by_input)
    )
    blocks, first = {}, 0
    # The last three came later: what earlier versions fitted finds its columns where they were.
    for name, width in [*named, ("settings", len(SETTINGS)), ("size", 1), *late]:
        blocks[name] = slice(first, first + width)
        first += width
    return blocks


BLOCKS = _blocks()
"""The columns of :func:`cell_features` by what they tell; all but two are there for each of :data:`CELLS`.

``counts``: how often each operation stands on a previous cell and on an intermediate node; ``flow``: the same, each
weighted by the number of paths from it to the cell's output; ``paths``: the number of paths from the cell's inputs to
its output by how many operations, and by how many operations with weights, are on them; ``edges``: which operation
stands on which edge (one-hot); ``attributes``: how often each of :data:`ATTRIBUTES` occurs on a previous cell, on an
intermediate node, and in all; ``pairs``: how often each operation follows each of the cell's inputs and each other
operation; ``settings``: log2(1 + value) of :data:`tart_nas.tokens.SETTINGS`; ``size``: log2 of the number of the
network's parameters. The cell's two inputs apart: ``inputs``, how many operations read each; ``minima`` and
``readers``, :attr:`~tart_nas.tokens.input_paths.InputPaths.fewest` and ``readers``, for each input and class of
operations.
"""

COLUMNS = BLOCKS["reduce readers"].stop
"""Number of columns of :func:`cell_features`."""


def operation_counts(tokens: CellTokens) -> Floats:
    """How often each operation stands in each cell, on the output of a previous cell and on an intermediate node.

    Args:
        tokens: B architectures.

    Returns:
        (B, 4 * 15): (cell, is the input an intermediate node, operation), of which the DARTS space uses 28.
    """
    tensors = CellTensors.of(tokens)
    counts = torch.zeros(len(tokens), 4 * _OPS, dtype=torch.float64)
    return np.asarray(counts.scatter_add_(1, _kind(tensors), tensors.mask.double()))


def cell_features(
    tokens: CellTokens, sizes: Floats, device: torch.device | str = "cpu", *, relations: bool = True
) -> Tensor:
    """Everything that :data:`BLOCKS` lists.

    Args:
        tokens: B architectures.
        sizes: (B,) of :attr:`PredictorInputs.sizes`.
        device: where the features are made, and stay.
        relations: whether to make ``edges`` and ``pairs`` too, half of the work; else they are 0.

    Returns:
        (B, :data:`COLUMNS`) float64. All but ``settings`` and ``size`` are whole numbers, the same on any device.
    """
    cells = CellTensors.of(tokens, device)
    features = torch.zeros(len(tokens), COLUMNS, dtype=torch.float64, device=device)

    def block(name: str) -> Tensor:
        """(B, 2, width) of the block of both cells."""
        normal, reduce = BLOCKS[f"normal {name}"], BLOCKS[f"reduce {name}"]
        return features[:, normal.start : reduce.stop].view(len(features), 2, normal.stop - normal.start)

    def add(name: str, column: Tensor, weights: Tensor) -> None:
        """Adds the weights (B, E) of edges to columns (B, E) of a block of both cells."""
        features.scatter_add_(1, BLOCKS[f"normal {name}"].start + column, weights)

    is_edge, paths = cells.mask.double(), PathCounts.of(cells)
    place = cells.target * (cells.target - 1) // 2 - 1 + cells.source  # among the _EDGES
    add("counts", _kind(cells), is_edge)
    add("flow", _kind(cells), paths.onwards)
    block("paths")[:] = paths.lengths
    if relations:
        add("edges", (((cells.cell * _EDGES + place) * _OPS) + cells.op) * cells.mask, is_edge)
        block("pairs")[:] = _pairs(cells)
    block("attributes")[:] = _attributes(block("counts"))
    by_input = InputPaths.of(cells)
    block("inputs")[:] = by_input.readers[..., list(CLASSES).index("any")]
    block("minima")[:] = by_input.fewest.flatten(2)
    block("readers")[:] = by_input.readers.flatten(2)
    features[:, BLOCKS["settings"]] = torch.log2(1.0 + cells.settings.double())
    features[:, BLOCKS["size"]] = torch.from_numpy(sizes[:, None]).to(device)
    return features


def feature_chunks(inputs: PredictorInputs) -> Iterator[Floats]:
    """:func:`cell_features` a few rows at a time, which bounds the memory; at least one chunk, which may be empty."""
    for rows in row_chunks(len(inputs), FEATURE_CHUNK) or [np.arange(0)]:
        yield cell_features(inputs.tokens.take(rows), inputs.sizes[rows]).numpy()


def block_scales(features: Floats, blocks: Mapping[str, slice] = BLOCKS) -> Floats:
    """What to divide each column by, so that the variances of a block's columns sum to 1, or to 0 where all are equal.

    Args:
        features: (n, columns).
        blocks: the columns of each block, every column in one of them.

    Returns:
        (columns,), above 0.
    """
    scales = np.ones(features.shape[1])
    variances = features.var(axis=0) * differs(features)
    for block in blocks.values():
        scales[block] = np.sqrt(variances[block].sum()) or 1.0
    return scales


def differs(features: Floats) -> npt.NDArray[np.bool_]:
    """(columns,), in which of them the rows (n, columns) differ; a computed variance is not 0 where they do not."""
    return np.asarray(np.ptp(features, axis=0) > 0)


def differing_columns(features: Floats) -> npt.NDArray[np.int64]:
    """The columns in which the rows (n, columns) of labelled architectures differ: the others teach nothing.

    Raises:
        PredictorError: if there is none, as where all labels are of one network.
    """
    columns = np.flatnonzero(differs(features))
    if not len(columns):
        raise PredictorError(
            f"Labelled architectures must differ to be learned from, but all {len(features)} are the same network."
        )
    return columns


def _kind(tokens: CellTensors) -> Tensor:
    """(B, E) cell, whether the input is an intermediate node, and operation, as one number below 60."""
    return (2 * tokens.cell + (tokens.source >= 2)) * _OPS + tokens.op


def _attributes(counts: Tensor) -> Tensor:
    """(B, 2, 3 * attributes) from operation counts (B, 2, 2 * 15)."""
    has = torch.tensor(list(ATTRIBUTES.values()), dtype=counts.dtype, device=counts.device)  # (attributes, 15)
    by_source = counts.reshape(*counts.shape[:2], 2, _OPS) @ has.T
    return torch.cat([by_source, by_source.sum(dim=2, keepdim=True)], dim=2).flatten(2)


def _pairs(tokens: CellTensors) -> Tensor:
    """(B, 2, (2 + 15) * 15): per cell, how often each operation follows each input and each other operation."""
    B, N = len(tokens), tokens.last_node + 1
    is_edge, node = tokens.mask.double(), tokens.cell * N
    none = torch.zeros(B, 2 * N * _FEEDERS, dtype=torch.float64, device=is_edge.device)
    feeders = none.scatter_add(1, (node + tokens.target) * _FEEDERS + 2 + tokens.op, is_edge)
    feeders = feeders.view(B, 2, N, _FEEDERS)  # what comes into each node
    feeders[:, :, 0, 0] = feeders[:, :, 1, 1] = 1
    source = (node + tokens.source)[..., None].expand(-1, -1, _FEEDERS)
    followed = feeders.view(B, 2 * N, _FEEDERS).gather(1, source) * is_edge[..., None]  # (B, E, feeders), by each edge
    op = (tokens.cell * _OPS + tokens.op)[..., None].expand(-1, -1, _FEEDERS)
    pairs = none.new_zeros(B, 2 * _OPS, _FEEDERS).scatter_add_(1, op, followed)
    return pairs.view(B, 2, _OPS, _FEEDERS).transpose(2, 3).flatten(2)
