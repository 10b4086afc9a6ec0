"""Message passing of GHN-1 and GHN-2: one pass over the graph forwards, one backwards, level by level.

The reference updates one node after the other. All nodes of a topological level can be updated at once with the same
result, as neither edges nor shortest paths connect nodes of one level: of 196 nodes, 111 levels remain on average.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from tart_nas.hypernetworks.graph_inputs import GraphInputs
from tart_nas.hypernetworks.sweep import Sweep

__all__ = ["GatedGraphNetwork", "Schedule"]


@dataclass(frozen=True)
class Schedule:
    """In which order the nodes of several graphs are updated, and by what their messages are multiplied.

    Args:
        order: the nodes sorted by level, those of all graphs in one row (n,).
        sizes: number of nodes in each level.
        forwards: in that order (n, n * kinds): the weight of each kind of message to a node (row) from its ancestors. 1
            for each edge and, as a second kind with virtual edges, the inverse length of each shortest path. Real edges
            are among the latter too, as in the published code.
        backwards: in the reverse order, likewise, to a node from its descendants.
    """

    order: Tensor
    sizes: list[int]
    forwards: Tensor
    backwards: Tensor

    @classmethod
    def of(cls, graphs: Sequence[GraphInputs], virtual_edges: bool, like: Tensor) -> "Schedule":
        """The schedule of several graphs, which exchange nothing, on the device and in the precision of a tensor."""
        levels = np.concatenate([_levels(graph.distances == 1) for graph in graphs])
        order = np.argsort(levels, kind="stable")
        n, kinds = len(order), 2 if virtual_edges else 1
        place = np.empty_like(order)
        place[order] = np.arange(n)
        precision = np.float64 if like.dtype == torch.float64 else np.float32
        forwards = np.zeros((n, n, kinds), dtype=precision)  # [receiving node, sending node, kind]
        first = 0
        for graph in graphs:
            rows = place[first : first + graph.num_nodes]
            first += graph.num_nodes
            lengths: NDArray[Any] = graph.distances.T.astype(precision)
            weights = [lengths == 1]
            if virtual_edges:
                weights.append(np.divide(1, lengths, where=lengths > 0, out=np.zeros_like(lengths)))
            forwards[np.ix_(rows, rows)] = np.stack(weights, 2)
        matrix = torch.from_numpy(forwards).to(like)
        backwards = matrix.transpose(0, 1).flip(0, 1).reshape(n, -1)
        sizes = np.bincount(levels).tolist()
        return cls(torch.from_numpy(order).to(like.device), sizes, matrix.view(n, -1), backwards)


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
        weights = (self.gru.weight_ih, self.gru.weight_hh, self.gru.bias_ih, self.gru.bias_hh, *self._messages())
        with torch.autocast(x.device.type, enabled=False):  # sums over hundreds of nodes need float32
            h = Sweep.apply(x[schedule.order], schedule.forwards, schedule.sizes, *weights)
            h = Sweep.apply(h.flip(0), schedule.backwards, schedule.sizes[::-1], *weights).flip(0)
        return torch.empty_like(x).index_copy(0, schedule.order, h)

    def _messages(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The two layers that make the messages of all kinds at once."""
        senders = (self.mlp, self.mlp_ve) if self.virtual_edges else (self.mlp,)
        inner = [_linear(sender.fc[0]) for sender in senders]
        outer = [_linear(sender.fc[2]) for sender in senders]
        return (
            torch.cat([layer.weight for layer in inner]),
            torch.cat([layer.bias for layer in inner]),
            torch.block_diag(*[layer.weight for layer in outer]),  # type: ignore[no-untyped-call]
            torch.cat([layer.bias for layer in outer]),
        )


class Message(nn.Module):
    """The layers of one kind of message that a node sends, under their published names."""

    def __init__(self, hid: int, inner: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(hid, inner), nn.ReLU(), nn.Linear(inner, hid), nn.ReLU())


def _linear(layer: nn.Module) -> nn.Linear:
    assert isinstance(layer, nn.Linear)
    return layer


def _levels(edges: NDArray[np.bool_]) -> NDArray[np.int64]:
    """The length of the longest path to each node (n,), of edges [source, target]."""
    levels = [0] * len(edges)
    for source, target in np.argwhere(edges).tolist():  # sorted by source, and sources come before targets
        levels[target] = max(levels[target], levels[source] + 1)
    return np.array(levels)
