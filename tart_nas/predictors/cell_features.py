"""Architectures as rows of numbers: how often each operation, edge and path occurs in the cells, and the size.

The classical regressors read these. None of the numbers depends on the order of a node's two edges, and only the edges
depend on how the nodes are numbered. Several tell the same in other words, such as the operations and what they have in
common: a regressor with few labels learns at once what holds for all separable convolutions. Counting paths follows the
path encodings of White et al., "BANANAS: Bayesian Optimization with Neural Architectures for Neural Architecture
Search", AAAI 2021; here their lengths are counted, not their sequences of operations, of which larger cells have
millions.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import CELL_OPS
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.tokens import HAS_WEIGHTS, MAX_CELL_NODES, PATH_LENGTHS, SETTINGS, CellTokens, PathCounts

__all__ = [
    "ATTRIBUTES",
    "BLOCKS",
    "CELLS",
    "COLUMNS",
    "FEATURE_CHUNK",
    "block_scales",
    "cell_features",
    "feature_chunks",
    "operation_counts",
]

Floats = npt.NDArray[np.float64]

CELLS = ("normal", "reduce")

_OPS = len(CELL_OPS)
_NODES = MAX_CELL_NODES + 2
_EDGES = _NODES * (_NODES - 1) // 2 - 1  # pairs of an input and a later node that it may feed
FEATURE_CHUNK = 512
"""Architectures whose features are made at once: 12 MB."""

ATTRIBUTES: dict[str, npt.NDArray[np.bool_]] = {
    "pooling": np.array([op.endswith("pool_3x3") for op in CELL_OPS]),
    "identity": np.array([op == "skip_connect" for op in CELL_OPS]),
    "separable": np.array([op.startswith("sep_conv") for op in CELL_OPS]),
    "dilated": np.array([op.startswith("dil_conv") for op in CELL_OPS]),
    "global": np.array([op in ("msa", "cse") for op in CELL_OPS]),
    "wide": np.array([op.endswith(("5x5", "7x7", "1x7")) for op in CELL_OPS]),
    "weights": HAS_WEIGHTS,
}
"""What operations have in common: (15,) for each attribute, whether each of them has it."""

_ATTRIBUTES = np.stack(list(ATTRIBUTES.values()), axis=1).astype(np.float64)  # (15, 7)
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
    named = [(f"{cell} {name}", width) for name, width in widths.items() for cell in CELLS]
    blocks, first = {}, 0
    for name, width in [*named, ("settings", len(SETTINGS)), ("size", 1)]:
        blocks[name] = slice(first, first + width)
        first += width
    return blocks


BLOCKS = _blocks()
"""The columns of :func:`cell_features` by what they tell; the first six are there for each of :data:`CELLS`.

``counts``: how often each operation stands on a previous cell and on an intermediate node; ``flow``: the same, each
weighted by the number of paths from it to the cell's output; ``paths``: the number of paths from the cell's inputs to
its output by how many operations, and by how many operations with weights, are on them; ``edges``: which operation
stands on which edge (one-hot); ``attributes``: how often each of :data:`ATTRIBUTES` occurs on a previous cell, on an
intermediate node, and in all; ``pairs``: how often each operation follows each of the cell's inputs and each other
operation; ``settings``: log2(1 + value) of :data:`tart_nas.tokens.SETTINGS`; ``size``: log2 of the number of the
network's parameters.
"""

COLUMNS = BLOCKS["size"].stop
"""Number of columns of :func:`cell_features`."""


def operation_counts(tokens: CellTokens) -> Floats:
    """How often each operation stands in each cell, on the output of a previous cell and on an intermediate node.

    Args:
        tokens: B architectures.

    Returns:
        (B, 4 * 15): (cell, is the input an intermediate node, operation), of which the DARTS space uses 28.
    """
    return _sums(tokens, _kind(tokens), 2 * _OPS).reshape(-1, 4 * _OPS)


def cell_features(tokens: CellTokens, sizes: Floats) -> Floats:
    """Everything that :data:`BLOCKS` lists.

    Args:
        tokens: B architectures.
        sizes: (B,) of :attr:`PredictorInputs.sizes`.

    Returns:
        (B, :data:`COLUMNS`).
    """
    kind, source, target = _kind(tokens), tokens.source.astype(np.int64), tokens.target.astype(np.int64)
    edge = (target * (target - 1) // 2 - 1 + source) * _OPS + tokens.op
    paths = PathCounts.of(tokens)
    counts = _sums(tokens, kind, 2 * _OPS)
    parts = (
        counts,
        _sums(tokens, kind, 2 * _OPS, paths.onwards),
        paths.lengths,
        _sums(tokens, edge, _EDGES * _OPS),
        _attributes(counts),
        _pairs(tokens),
    )
    cells = [part.reshape(len(tokens), 2 * part.shape[2]) for part in parts]
    return np.concatenate([*cells, np.log2(1.0 + tokens.settings), sizes[:, None]], axis=1)


def feature_chunks(inputs: PredictorInputs) -> Iterator[Floats]:
    """:func:`cell_features` a few rows at a time, which bounds the memory; at least one chunk, which may be empty."""
    for first in range(0, max(1, len(inputs)), FEATURE_CHUNK):
        rows = np.arange(first, min(first + FEATURE_CHUNK, len(inputs)))
        yield cell_features(inputs.tokens.take(rows), inputs.sizes[rows])


def block_scales(features: Floats, blocks: Mapping[str, slice] = BLOCKS) -> Floats:
    """What to divide each column by, so that the variances of a block's columns sum to 1, or to 0 where all are equal.

    Args:
        features: (n, columns).
        blocks: the columns of each block, every column in one of them.

    Returns:
        (columns,), above 0.
    """
    scales = np.ones(features.shape[1])
    for block in blocks.values():
        scales[block] = np.sqrt(features[:, block].var(axis=0).sum()) or 1.0
    return scales


def _kind(tokens: CellTokens) -> npt.NDArray[np.int64]:
    """(B, E) operation and whether it stands on an intermediate node, as one number below 30."""
    return np.asarray(tokens.op + _OPS * (tokens.source >= 2).astype(np.int64))


def _attributes(counts: Floats) -> Floats:
    """(B, 2, 3 * attributes) from operation counts (B, 2, 2 * 15)."""
    by_source = counts.reshape(len(counts), 2, 2, _OPS) @ _ATTRIBUTES
    return np.concatenate([by_source, by_source.sum(axis=2, keepdims=True)], axis=2).reshape(
        len(counts), 2, 3 * len(ATTRIBUTES)
    )


def _pairs(tokens: CellTokens) -> Floats:
    """(B, 2, (2 + 15) * 15): per cell, how often each operation follows each input and each other operation."""
    rows, columns = np.nonzero(tokens.mask)
    cell, source, target, op = (
        array[rows, columns].astype(np.int64) for array in (tokens.cell, tokens.source, tokens.target, tokens.op)
    )
    feeders = np.zeros((len(tokens), 2, _NODES, _FEEDERS), dtype=np.float32)  # what comes into each node
    feeders[:, :, [0, 1], [0, 1]] = 1
    np.add.at(feeders, (rows, cell, target, 2 + op), 1)
    pairs = np.zeros((len(tokens), 2, _OPS, _FEEDERS))
    np.add.at(pairs, (rows, cell, op), feeders[rows, cell, source])
    return pairs.swapaxes(2, 3).reshape(len(tokens), 2, _FEEDERS * _OPS)


def _sums(tokens: CellTokens, column: npt.NDArray[np.int64], width: int, weights: Floats | None = None) -> Floats:
    """(B, 2, width): per cell the sum of the weights (B, E), or the number, of the edges of each column (B, E)."""
    rows = np.arange(len(tokens))[:, None]
    places = ((2 * rows + tokens.cell) * width + column)[tokens.mask]
    values = None if weights is None else weights[tokens.mask]
    sums = np.bincount(places, values, minlength=2 * len(tokens) * width)
    return sums.reshape(-1, 2, width).astype(np.float64)
