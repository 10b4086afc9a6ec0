"""Shortest directed paths between all nodes of a graph without cycles."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["shortest_paths"]

_NONE = np.iinfo(np.uint16).max // 2  # longer than any path, and stays so when 1 is added once per node


def shortest_paths(edges: NDArray[np.int32], num_nodes: int) -> NDArray[np.uint16]:
    """The number of edges of the shortest directed path from each node to each other.

    A path from u goes through one of u's successors, so one pass over the nodes from the last to the first suffices.

    Args:
        edges: (m, 2), (source, target) pairs with source < target.
        num_nodes: n, less than 32,767.

    Returns:
        (n, n); 0 where there is no path, and on the diagonal.
    """
    successors: list[list[int]] = [[] for _ in range(num_nodes)]
    for source, target in edges.tolist():
        successors[source].append(target)
    distances = np.full((num_nodes, num_nodes), _NONE, dtype=np.uint16)
    for node in range(num_nodes - 1, -1, -1):
        row, after = distances[node], successors[node]
        if after:
            if len(after) == 1:
                np.add(distances[after[0]], 1, out=row)
            else:
                np.minimum(distances[after[0]], distances[after[1]], out=row)
                for other in after[2:]:
                    np.minimum(row, distances[other], out=row)
                row += 1
        row[node] = 0
    distances[distances >= _NONE] = 0
    return distances
