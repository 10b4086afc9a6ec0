"""Node identifiers of TokenGT (Kim et al., NeurIPS 2022): vectors by which edge tokens name the nodes they join.

Both kinds are made in the canonical order of the nodes (:mod:`tart_nas.tokens.canonical_order`), so that without
randomness they depend on the graph alone, not on how its nodes are numbered or what else is in the batch.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.tokens.ragged import row_numbers, row_starts

__all__ = ["laplacian_eigenvectors", "orthogonal_features"]

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

_SEED = 0  # of the features at prediction, fixed: another seed makes other predictions
_DENSE = 2048  # nodes up to which all eigenvectors are computed: fast, and sure to find those of equal eigenvalues
_SHIFT = 1e-6  # makes the Laplacian, whose smallest eigenvalue is 0, invertible, as the shift-and-invert mode needs


def orthogonal_features(sizes: Ints, positions: Ints, width: int, rng: np.random.Generator | None = None) -> Floats:
    """Orthogonal random features (ORF): rows of a random matrix with orthonormal columns, scaled to length 1.

    The rows of a graph with at most ``width`` nodes are orthonormal; drawn anew, only where no graph of the batch has
    more. Those of a larger one cannot be; they are the first columns of an orthogonal matrix, as in TokenGT.

    Args:
        sizes: (B,) number of nodes of each graph.
        positions: (n,) place of each node in its graph's canonical order.
        width: columns.
        rng: draws the features anew; without it a graph's are always the same.

    Returns:
        (n, width).
    """
    graphs = row_numbers(sizes)
    features = np.empty((len(positions), width), dtype=np.float32)
    if not len(positions):
        return features
    if rng is not None:  # one matrix a batch; each graph takes other rows and signs of it
        rows = max(int(sizes.max()), width)
        matrix = _orthonormal(rows, width, rng)
        shuffled = rng.random((len(sizes), rows)).argsort(axis=1)
        signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), size=(len(sizes), width))
        features = matrix[shuffled[graphs, positions]] * signs[graphs]
    else:
        powers = 2 ** np.ceil(np.log2(np.maximum(sizes, 1))).astype(np.int64)  # so that few matrices serve all sizes
        rows_of = np.where(sizes <= width, width, powers)
        for rows in np.unique(rows_of).tolist():
            chosen = (rows_of == rows)[graphs]
            features[chosen] = _fixed(rows, width)[positions[chosen]]
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features


def _orthonormal(rows: int, width: int, rng: np.random.Generator) -> Floats:
    q, r = np.linalg.qr(rng.standard_normal((rows, width)))
    matrix: Floats = (q * np.sign(np.diagonal(r))).astype(np.float32)  # so that all directions are equally likely
    return matrix


@lru_cache(maxsize=32)
def _fixed(rows: int, width: int) -> Floats:
    return _orthonormal(rows, width, np.random.default_rng(_SEED))


def laplacian_eigenvectors(
    edges: npt.NDArray[np.integer],
    sizes: Ints,
    positions: Ints,
    width: int,
    rng: np.random.Generator | None = None,
) -> Floats:
    """Eigenvectors of the normalised Laplacian (LAP) for its smallest eigenvalues but the first.

    The edges' directions are left out: the Laplacian of a directed adjacency, which is strictly triangular, has no
    eigenvalue but 1.

    Args:
        edges: (m, 2) those of each graph one after the other, indices into the graph's own nodes.
        sizes: (B, 2) number of nodes and of edges of each graph.
        positions: (n,) place of each node in its graph's canonical order.
        width: eigenvectors; where a graph has fewer, the rest is 0.
        rng: draws the sign of each; without it, its entry of largest size is positive.

    Returns:
        (n, width).
    """
    vectors = np.zeros((len(positions), width), dtype=np.float32)
    ends = np.cumsum(sizes, axis=0)
    firsts = np.repeat(row_starts(sizes[:, 0]), sizes[:, 1])[:, None]
    places = np.sort(positions[edges + firsts], axis=1)  # of both ends of each edge
    weights, diagonal = _laplacian_entries(places + firsts, len(positions))
    for (node, edge), (n, m) in zip(ends.tolist(), sizes.tolist(), strict=True):
        if n > 1:
            last = min(width, n - 1)
            is_large = n > _DENSE and last < n // 4  # else most of its eigenvectors are asked for
            own = slice(edge - m, edge)
            found = (_sparse_eigenvectors if is_large else _dense_eigenvectors)(
                places[own], weights[own], diagonal[node - n : node], last
            )
            largest = found[np.abs(found).argmax(axis=0), np.arange(last)]
            vectors[node - n : node, :last] = (found * np.sign(largest))[positions[node - n : node]]
    if rng is not None:
        signs = rng.choice(np.array([-1.0, 1.0], dtype=np.float32), size=(len(sizes), width))
        vectors *= signs[row_numbers(sizes[:, 0])]
    return vectors


def _laplacian_entries(edges: Ints, n: int) -> tuple[Floats, Floats]:
    """The entries of the normalised Laplacian at each edge (m,), and its diagonal (n,), 0 where a node has no edge."""
    degrees = np.bincount(edges.ravel(), minlength=n)
    scale = 1 / np.sqrt(np.maximum(degrees, 1))
    return (-scale[edges].prod(axis=1)).astype(np.float32), (degrees > 0).astype(np.float32)


def _dense_eigenvectors(edges: Ints, weights: Floats, diagonal: Floats, count: int) -> Floats:
    """The eigenvectors (n, count) after the first. PyTorch computes them, which lets other threads run meanwhile."""
    n = len(diagonal)
    laplacian = np.zeros(n * n, dtype=np.float32)  # twice as fast as float64, and exact enough
    laplacian[edges[:, 1] * n + edges[:, 0]] = weights
    laplacian[:: n + 1] = diagonal
    found: Floats = torch.linalg.eigh(torch.from_numpy(laplacian).view(n, n))[1][:, 1 : 1 + count].numpy()
    return found  # of the lower triangle, the only one that is read


def _sparse_eigenvectors(edges: Ints, weights: Floats, diagonal: Floats, count: int) -> Floats:
    """The same of a large graph, of which all eigenvectors would take the cube of the nodes."""
    from scipy.sparse import csr_array, diags_array  # here, since importing them takes a third of a second
    from scipy.sparse.linalg import eigsh

    n = len(diagonal)
    lower = csr_array((weights.astype(np.float64), (edges[:, 1], edges[:, 0])), shape=(n, n))
    laplacian = (lower + lower.T + diags_array(diagonal.astype(np.float64))).tocsc()
    start = np.random.default_rng(_SEED).standard_normal(n)  # so that the result is always the same
    values, vectors = eigsh(laplacian, count + 1, sigma=-_SHIFT, v0=start)
    found: Floats = vectors[:, np.argsort(values)[1:]].astype(np.float32)
    return found
