"""Message passing of GHN-1 and GHN-2: one pass over the graph forwards, one backwards, level by level.

The reference updates one node after the other. All nodes of a topological level can be updated at once with the same
result, as neither edges nor shortest paths connect nodes of one level: of 196 nodes, 111 levels remain on average.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tart_nas.hypernetworks.graph_inputs import GraphInputs

__all__ = ["GatedGraphNetwork", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """In which order the nodes of several graphs are updated, and by what their messages are multiplied.

    Args:
        order: the nodes sorted by level, those of all graphs in one row (n,).
        sizes: number of nodes in each level.
        edges: in that order, matrices [source, target] (n, n): 1 for each edge and, with virtual edges, the inverse
            length of each shortest path. Real edges are among the latter too, as in the published code.
    """

    order: Tensor
    sizes: list[int]
    edges: tuple[Tensor, ...]

    @classmethod
    def of(cls, graphs: Sequence[GraphInputs], virtual_edges: bool, like: Tensor) -> "Schedule":
        """The schedule of several graphs, which exchange nothing, on the device and in the precision of a tensor."""
        levels = np.concatenate([_levels(graph.distances == 1) for graph in graphs])
        order = np.argsort(levels, kind="stable")
        place = np.empty_like(order)
        place[order] = np.arange(len(order))
        precision = np.float64 if like.dtype == torch.float64 else np.float32
        edges = np.zeros((2 if virtual_edges else 1, len(order), len(order)), dtype=precision)
        first = 0
        for graph in graphs:
            rows = place[first : first + graph.num_nodes]
            first += graph.num_nodes
            lengths: NDArray[Any] = graph.distances.astype(precision)
            edges[0][np.ix_(rows, rows)] = lengths == 1
            if virtual_edges:
                edges[1][np.ix_(rows, rows)] = np.divide(1, lengths, where=lengths > 0, out=np.zeros_like(lengths))
        matrices = torch.from_numpy(edges).to(like)
        return cls(torch.from_numpy(order).to(like.device), np.bincount(levels).tolist(), tuple(matrices))


class GatedGraphNetwork(nn.Module):
    """The gated graph network.

    Args:
        hid: length of node vectors.
        virtual_edges: whether messages also go along shortest paths, divided by their length.
    """

    def __init__(self, hid: int, virtual_edges: bool) -> None:
        super().__init__()
        self.mlp = Message(hid, hid // 2 if virtual_edges else hid)
        if virtual_edges:
            self.mlp_ve = Message(hid, hid // 2)
        self.virtual_edges = virtual_edges
        self.gru = nn.GRUCell(hid, hid)

    def forward(self, x: Tensor, graphs: Sequence[GraphInputs]) -> Tensor:
        """New node vectors (n, hid) from old ones, the nodes of all graphs in one row."""
        schedule = Schedule.of(graphs, self.virtual_edges, x)
        levels = list(torch.split(x[schedule.order], schedule.sizes))
        waiting = torch.zeros_like(x)  # sums of messages to the nodes that were not updated yet
        end = 0
        for i, level in enumerate(levels):
            begin, end = end, end + len(level)
            received, waiting = torch.split(waiting, [len(level), len(x) - end])
            levels[i] = self.gru(received, level)
            if len(waiting):
                weights = (edges[begin:end, end:].T for edges in schedule.edges)
                waiting = self._send(levels[i], weights, waiting)
        waiting = torch.zeros_like(x)
        for i, level in reversed(list(enumerate(levels))):
            end = len(waiting)
            begin = end - len(level)
            waiting, received = torch.split(waiting, [begin, len(level)])
            levels[i] = self.gru(received, level)
            if begin:
                waiting = self._send(levels[i], (edges[:begin, begin:end] for edges in schedule.edges), waiting)
        return torch.empty_like(x).index_copy(0, schedule.order, torch.cat(levels))

    def _send(self, level: Tensor, weights: Iterable[Tensor], waiting: Tensor) -> Tensor:
        """What nodes have waiting (m, hid) after messages from a level (k, hid), by weights (m, k) of each kind."""
        senders = (self.mlp, self.mlp_ve) if self.virtual_edges else (self.mlp,)
        for sender, weight in zip(senders, weights, strict=True):
            waiting = torch.addmm(waiting, weight, sender(level))
        return waiting


class Message(nn.Module):
    """The message that a node sends: two linear layers, a ReLU behind each."""

    def __init__(self, hid: int, inner: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(hid, inner), nn.ReLU(), nn.Linear(inner, hid), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        """The messages (n, hid) of nodes (n, hid)."""
        message: Tensor = self.fc(x)
        return message


def _levels(edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The length of the longest path to each node (n,), of edges [source, target]."""
    levels = [0] * len(edges)
    for source, target in np.argwhere(edges).tolist():  # sorted by source, and sources come before targets
        levels[target] = max(levels[target], levels[source] + 1)
    return np.array(levels)
