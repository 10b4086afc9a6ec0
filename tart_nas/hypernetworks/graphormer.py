"""Message passing of GHN-3: a transformer over the nodes, biased by the lengths of the paths between them."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tart_nas.hypernetworks.graph_inputs import GraphInputs

__all__ = ["Graphormer"]

# The largest degree and the largest distance from the input with rows of their own in the published tables.
_MAX_DEGREE = 100
_MAX_INPUT_DISTANCE = 1000
_EDGE_ROWS = 257  # of the table of distances: 0 to 254, after those rows that only padding used
_PADDING_ROWS = 2


class Graphormer(nn.ModuleList):
    """The transformer: layers that are numbered, the first of which holds the tables of degrees and distances.

    Args:
        hid: length of node vectors.
        layers: number of layers.
        heads: of the attention.
    """

    def __init__(self, hid: int, layers: int, heads: int) -> None:
        super().__init__([_FirstLayer(hid, heads), *(_Layer(hid, heads) for _ in range(layers - 1))])

    def forward(self, x: Tensor, graphs: Sequence[GraphInputs]) -> Tensor:
        """New node vectors (n, hid) from old ones, the nodes of all graphs in one row.

        One graph after the other: the reference pads them to the largest, and then decodes parameters of smaller ones
        from the vectors of other nodes.
        """
        parts = torch.split(x, [graph.num_nodes for graph in graphs])
        return torch.cat([self._one(part, graph) for part, graph in zip(parts, graphs, strict=True)])

    def _one(self, x: Tensor, graph: GraphInputs) -> Tensor:
        distances = torch.from_numpy(graph.distances).to(x.device).long()
        first = self[0]
        assert isinstance(first, _FirstLayer)
        x = x + first.places(distances)
        bias = first.attn.pair_bias(distances)
        for layer in self:
            x = layer(x, bias)
        return x


class _Layer(nn.Module):
    def __init__(self, hid: int, heads: int) -> None:
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(hid), nn.LayerNorm(hid)
        self.attn = _Attention(hid, heads)
        self.ff = _FeedForward(hid)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        x = x + self.attn(self.ln1(x), bias)
        x = x + self.ff(self.ln2(x))
        return x


class _Attention(nn.Module):
    def __init__(self, hid: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(hid, 3 * hid, bias=False)
        self.to_out = nn.Sequential(nn.Linear(hid, hid))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        # Each (heads, n, hid / heads).
        queries, keys, values = self.to_qkv(x).view(len(x), 3, self.heads, -1).permute(1, 2, 0, 3)
        attended = F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
        result: Tensor = self.to_out(attended.transpose(0, 1).flatten(1))
        return result


class _FirstLayer(_Layer):
    """The layer that holds the tables of degrees and distances."""

    def __init__(self, hid: int, heads: int) -> None:
        super().__init__(hid, heads)
        self.attn: _FirstAttention = _FirstAttention(hid, heads)
        self.centrality_embed_in = nn.Embedding(_MAX_DEGREE + 1, hid)
        self.centrality_embed_out = nn.Embedding(_MAX_DEGREE + 1, hid)
        self.input_dist_embed = nn.Embedding(_MAX_INPUT_DISTANCE + 1, hid)

    def places(self, distances: Tensor) -> Tensor:
        """What is added to the nodes' vectors (n, hid), by degrees and distances from the input."""
        edges = distances == 1
        into = self.centrality_embed_in(edges.sum(0).clamp(max=_MAX_DEGREE))
        out = self.centrality_embed_out(edges.sum(1).clamp(max=_MAX_DEGREE))
        result: Tensor = into + out + self.input_dist_embed(distances[0].clamp(max=_MAX_INPUT_DISTANCE))
        return result


class _FirstAttention(_Attention):
    """Attention that holds the table of path lengths, from which all layers' attention is biased."""

    def __init__(self, hid: int, heads: int) -> None:
        super().__init__(hid, heads)
        self.edge_embed = nn.ModuleDict({"embed": nn.Embedding(_EDGE_ROWS, hid)})
        self.proj_e = nn.Sequential(nn.Linear(2 * hid, hid), nn.ReLU(), nn.Linear(hid, heads))

    def pair_bias(self, distances: Tensor) -> Tensor:
        """What is added to the logits of attention (heads, n, n), for each pair of distances there and back.

        As a graph has no circles, one of the two distances is 0: it is worked out once for each number, not each pair.
        """
        lengths = torch.arange(int(distances.max()) + 1, device=distances.device)
        embedded: Tensor = self.edge_embed["embed"](lengths + _PADDING_ROWS)
        none = embedded[:1].expand_as(embedded)
        values: Tensor = self.proj_e(torch.cat((torch.cat((embedded, none), 1), torch.cat((none, embedded), 1))))
        # Rows of `values` are first the lengths of paths there, then of paths back.
        pairs = torch.where(distances > 0, distances, distances.T + len(lengths) * (distances.T > 0))
        return values[pairs].permute(2, 0, 1)


class _FeedForward(nn.Module):
    def __init__(self, hid: int) -> None:
        super().__init__()
        # Identities where the published network has dropout of 0, so that layers have the same numbers.
        self.net = nn.Sequential(nn.Linear(hid, 4 * hid), nn.GELU(), nn.Identity(), nn.Linear(4 * hid, hid))

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.net(x)
        return result
