"""Graph tokens as vectors: what nodes and edges are, and the identifiers by which they find each other."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tart_nas.graphs import PRIMITIVES
from tart_nas.tokens.graph import GraphTokens
from tart_nas.tokens.identifiers import laplacian_eigenvectors, orthogonal_features
from tart_nas.tokens.ragged import row_numbers, row_starts, rows_taken

__all__ = [
    "FEATURES",
    "IDENTIFIERS",
    "EdgeEmbedding",
    "GraphInputs",
    "NodeEmbedding",
    "RaggedGraphs",
    "node_numbers",
    "node_places",
]

FEATURES = ("structural", "full", "primitive")
"""What is told of a node: all that a graph knows of it and its place among the others; without the latter; or its
primitive alone as in the paper."""

IDENTIFIERS = ("orf", "lap", "none")
"""Orthogonal random features, Laplacian eigenvectors, or nothing."""

_STEPS = 4  # kinds of edges: within a cell, to the next one, to the one after, further


@dataclass(frozen=True, eq=False)
class GraphInputs:
    """B graphs as tensors, padded to the N nodes and M edges of the largest.

    Attributes:
        primitive: ``(B, N)`` int64.
        numbers: ``(B, N, 11)`` float32, see :func:`node_numbers` and :func:`node_places`.
        identifiers: ``(B, N, P)`` float32.
        node_mask: ``(B, N)`` bool, False where there is padding.
        edges: ``(B, M, 2)`` int64, 0 where there is padding.
        step: ``(B, M)`` int64, cells from source to target, at most 3.
        edge_mask: ``(B, M)`` bool.
    """

    primitive: Tensor
    numbers: Tensor
    identifiers: Tensor
    node_mask: Tensor
    edges: Tensor
    step: Tensor
    edge_mask: Tensor


class RaggedGraphs:
    """Graph tokens that become padded tensors some at a time.

    Args:
        tokens: the graphs.
        identifiers: one of :data:`IDENTIFIERS`.
        width: columns P of the identifiers.
        rng: draws identifiers anew for each batch, as in training; without it a graph's are always the same.
        device: where the tensors are.
    """

    def __init__(
        self,
        tokens: GraphTokens,
        identifiers: str,
        width: int,
        rng: np.random.Generator | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.device = device
        self.tokens, self._identifiers, self._width, self._rng = tokens, identifiers, width, rng
        self._numbers = np.concatenate([node_numbers(tokens), node_places(tokens)], axis=1)
        self._eigenvectors = self._lap(tokens) if identifiers == "lap" and rng is not None else None

    def take(self, rows: Tensor) -> GraphInputs:
        """The inputs of some graphs ``(k,)``."""
        chosen = rows.numpy()
        tokens = self.tokens.take(chosen)
        n_nodes, n_edges = tokens.sizes[:, 0], tokens.sizes[:, 1]
        node_mask, edge_mask = (np.arange(sizes.max(initial=0)) < sizes[:, None] for sizes in (n_nodes, n_edges))

        def padded(values: npt.NDArray[np.generic], mask: npt.NDArray[np.bool_]) -> Tensor:
            full = np.zeros((*mask.shape, *values.shape[1:]), dtype=values.dtype)
            full[mask] = values
            return torch.from_numpy(full).to(self.device)

        starts = np.repeat(row_starts(n_nodes), n_edges)
        step = tokens.cells[tokens.edges[:, 1] + starts] - tokens.cells[tokens.edges[:, 0] + starts]
        return GraphInputs(
            primitive=padded(tokens.nodes[:, 0].astype(np.int64), node_mask),
            numbers=padded(self._numbers[rows_taken(self.tokens.sizes[:, 0], chosen)], node_mask),
            identifiers=padded(self._identifiers_of(tokens, chosen), node_mask),
            node_mask=torch.from_numpy(node_mask).to(self.device),
            edges=padded(tokens.edges.astype(np.int64), edge_mask),
            step=padded(step.clip(0, _STEPS - 1).astype(np.int64), edge_mask),
            edge_mask=torch.from_numpy(edge_mask).to(self.device),
        )

    def _identifiers_of(self, tokens: GraphTokens, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        if self._identifiers == "none":
            return np.zeros((len(tokens.nodes), 0), dtype=np.float32)
        if self._identifiers == "orf":
            return orthogonal_features(tokens.sizes[:, 0], tokens.positions, self._width, self._rng)
        if self._eigenvectors is None or self._rng is None:
            return self._lap(tokens)
        vectors = self._eigenvectors[rows_taken(self.tokens.sizes[:, 0], rows)]
        # An eigenvector has no sign of its own: in training each graph gets others in each batch.
        signs = self._rng.choice(np.array([-1.0, 1.0], dtype=np.float32), size=(len(rows), self._width))
        vectors *= signs[row_numbers(tokens.sizes[:, 0])]
        return vectors

    def _lap(self, tokens: GraphTokens) -> npt.NDArray[np.float32]:
        sizes = tokens.sizes[:, 0]
        vectors = laplacian_eigenvectors(tokens.edges, tokens.sizes, tokens.positions, self._width)
        scale = np.sqrt(np.repeat(sizes, sizes), dtype=np.float32)  # entries of size 1 in a graph of any size
        vectors *= scale[:, None]
        return vectors


def node_numbers(tokens: GraphTokens) -> npt.NDArray[np.float32]:
    """What a node is besides its primitive, each of a size of about 1.

    Returns:
        ``(n, 7)``: logarithms of kernel height and width, channels, output height and width and parameters, and how
        deep in the network the node's cell lies, from 0 to 1.
    """
    parameters = np.where(tokens.nodes[:, 6:] > 0, tokens.nodes[:, 6:], 1).astype(np.float64).prod(axis=1)
    sizes = np.column_stack([tokens.nodes[:, 1:6], np.where(tokens.nodes[:, 6] > 0, parameters, 0)])
    # A kernel of 3, some 256 channels, 16 pixels and 65,536 parameters become 1.
    logs = np.log2(1 + sizes) / np.array([2, 2, 8, 4, 4, 16])
    counts = tokens.sizes[:, 0]
    graphs = row_numbers(counts)
    last = np.zeros(len(counts))
    np.maximum.at(last, graphs, tokens.cells)
    depth = tokens.cells / np.maximum(last, 1)[graphs]
    return np.column_stack([logs, depth]).astype(np.float32)


def node_places(tokens: GraphTokens) -> npt.NDArray[np.float32]:
    """Where a node stands among the others, each of a size of about 1.

    A transformer can find that out by the identifiers, but takes many more labels for it than there are.

    Returns:
        ``(n, 4)``: logarithms of the numbers of edges that come in and go out, and of the nodes on the longest paths
        to it and from it within its cell.
    """
    counts = tokens.sizes[:, 0]
    source, target = (tokens.edges + np.repeat(row_starts(counts), tokens.sizes[:, 1])[:, None]).T
    n = len(tokens.nodes)
    inside = tokens.cells[source] == tokens.cells[target]
    places = [
        np.bincount(target, minlength=n),
        np.bincount(source, minlength=n),
        _longest_paths(source[inside], target[inside], n),
        _longest_paths(target[inside], source[inside], n),
    ]
    logs: npt.NDArray[np.float32] = (np.log2(1 + np.column_stack(places)) / 2).astype(np.float32)
    return logs


def _longest_paths(source: npt.NDArray[np.int64], target: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    """Edges of the longest path to each of n nodes, along edges ``(m,)`` that make no cycle."""
    lengths = np.zeros(n, dtype=np.int64)
    for _ in range(n):
        longer = lengths.copy()
        np.maximum.at(longer, target, lengths[source] + 1)
        if np.array_equal(longer, lengths):
            break
        lengths = longer
    return lengths


class NodeEmbedding(nn.Module):
    """What nodes are, as vectors.

    Args:
        width: channels D.
        features: one of :data:`FEATURES`.
    """

    def __init__(self, width: int, features: str) -> None:
        super().__init__()
        self.primitive = nn.Embedding(len(PRIMITIVES), width)
        numbers = {"structural": 11, "full": 7, "primitive": 0}[features]
        self.numbers = nn.Linear(numbers, width) if numbers else None
        nn.init.normal_(self.primitive.weight, std=0.3)

    def forward(self, primitive: Tensor, numbers: Tensor) -> Tensor:
        """``(..., D)`` from primitives ``(...)`` and numbers ``(..., 11)``."""
        vectors: Tensor = self.primitive(primitive)
        return vectors if self.numbers is None else vectors + self.numbers(numbers[..., : self.numbers.in_features])


class EdgeEmbedding(nn.Module):
    """What edges are, as vectors: the number of cells they cross.

    Args:
        width: channels D.
        features: one of :data:`FEATURES`; with ``"primitive"`` all edges are alike.
    """

    def __init__(self, width: int, features: str) -> None:
        super().__init__()
        self.step = nn.Embedding(1 if features == "primitive" else _STEPS, width)
        nn.init.normal_(self.step.weight, std=0.3)

    def forward(self, step: Tensor) -> Tensor:
        """``(..., D)`` from the cells crossed ``(...)``."""
        vectors: Tensor = self.step(step.clamp(max=self.step.num_embeddings - 1))
        return vectors
