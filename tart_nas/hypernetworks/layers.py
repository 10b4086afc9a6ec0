"""The layers of a graph hypernetwork, under the names that they have in published files."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from tart_nas.graphs import PRIMITIVES
from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.decoders import ConvDecoder, MlpDecoder, VectorDecoder
from tart_nas.hypernetworks.fitting import fitted, fitted_positions
from tart_nas.hypernetworks.gated_graph_network import GatedGraphNetwork
from tart_nas.hypernetworks.graph_inputs import GraphInputs, Target
from tart_nas.hypernetworks.graphormer import Graphormer
from tart_nas.hypernetworks.shape_encoding import ShapeEncoding, four_sizes, is_position_table

__all__ = ["HypernetworkLayers"]

_Key = TypeVar("_Key", bound=Hashable)

_DECODED_AT_ONCE = 1 << 22  # numbers, 16 MB: beyond, a batch gets no faster, and intermediate results cost memory


class HypernetworkLayers(nn.Module):
    """From the inputs of graphs to node vectors, from node vectors to parameters.

    Args:
        config: the hypernetwork's settings.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.config = config
        if config.layernorm:
            self.ln = nn.LayerNorm(config.hid)
        self.embed = nn.Embedding(len(PRIMITIVES), config.hid)
        self.shape_enc = ShapeEncoding(config.hid, config.num_classes, config.max_shape[2])
        if config.hypernet == "graphormer":
            self.gnn: nn.Module = Graphormer(config.hid, config.layers, config.heads)
        elif config.hypernet == "mlp":
            self.gnn = _NodesAlone(config.hid)
        else:
            self.gnn = GatedGraphNetwork(config.hid, config.ve)
        self.decoder = ConvDecoder(config) if config.decoder == "conv" else MlpDecoder(config)
        self.decoder_1d = VectorDecoder(config)
        self.bias_class = nn.Sequential(nn.ReLU(), nn.Linear(self.decoder_1d.width, config.num_classes))

    def initial_vectors(self, graphs: Sequence[GraphInputs]) -> Tensor:
        """Node vectors (n, hid) before any message, the nodes of all graphs in one row."""
        device = self.embed.weight.device
        primitives = torch.cat([graph.primitives for graph in graphs]).to(device)
        shapes = torch.cat([graph.shape_index for graph in graphs]).to(device)
        vectors: Tensor = self.embed(primitives) + self.shape_enc(shapes)
        return vectors

    def node_vectors(self, graphs: Sequence[GraphInputs]) -> Tensor:
        """Node vectors (n, hid) as they are decoded, the nodes of all graphs in one row."""
        vectors: Tensor = self.gnn(self.initial_vectors(graphs), graphs)
        return self.ln(vectors) if self.config.layernorm else vectors

    def decoded(self, vectors: Tensor, targets: Sequence[Target]) -> Iterator[tuple[int, Tensor]]:
        """Predicts parameters: the index of each target and its tensor, in no order.

        Args:
            vectors: of the nodes (n, hid).
            targets: the parameters. ``node`` is a row of ``vectors``.
        """
        yield from self._vectors(vectors, [(i, target) for i, target in enumerate(targets) if len(target.shape) == 1])
        out, into, *_ = self.config.max_shape
        groups = defaultdict(list)  # of targets that are decoded alike
        for i, target in enumerate(targets):
            if len(target.shape) > 1:
                sizes = four_sizes(target.shape)
                # No kernel has this size: class layers are a group that another part of the decoder makes. It makes one
                # position; a larger convolution that gives the logits is decoded as any other.
                kernel = (0, 0) if target.is_class_layer and sizes[2:] == (1, 1) else sizes[2:]
                groups[kernel, min(sizes[0], out), min(sizes[1], into)].append((i, target))
        for (kernel, *channels), members in groups.items():
            at_once = max(_DECODED_AT_ONCE // max(kernel[0] * kernel[1] * channels[0] * channels[1], 1), 1)
            for first in range(0, len(members), at_once):
                batch = members[first : first + at_once]
                nodes = _rows(vectors, [target.node for _, target in batch])
                if kernel == (0, 0):
                    values = self.decoder.class_layer(nodes)[..., None, None]
                else:
                    values = self.decoder(nodes, kernel, *channels)
                for shape, rows in _alike(target.shape for _, target in batch).items():
                    chosen = values if len(rows) == len(batch) else _rows(values, rows)
                    if is_position_table(shape):
                        results = [fitted_positions(value, shape) for value in chosen]
                    else:
                        results = list(fitted(chosen, shape, self.config.weight_norm).unbind())
                    yield from zip([batch[row][0] for row in rows], results, strict=True)

    def _vectors(self, vectors: Tensor, members: Sequence[tuple[int, Target]]) -> Iterator[tuple[int, Tensor]]:
        """The parameters of one dimension."""
        if not members:
            return
        values = self.decoder_1d(_rows(vectors, [target.node for _, target in members]))
        kinds = _alike((target.shape, target.is_norm_weight, target.is_class_layer) for _, target in members)
        for (shape, is_norm_weight, is_class_layer), rows in kinds.items():
            chosen = _rows(values[:, 0 if is_norm_weight else 1], rows)
            if is_class_layer:
                chosen = self.bias_class(chosen)
            results = fitted(chosen, shape, self.config.weight_norm, is_norm_weight).unbind()
            yield from zip([members[row][0] for row in rows], results, strict=True)


def _alike(keys: Iterable[_Key]) -> dict[_Key, list[int]]:
    """The places of equal keys."""
    places = defaultdict(list)
    for place, key in enumerate(keys):
        places[key].append(place)
    return places


def _rows(values: Tensor, rows: Sequence[int]) -> Tensor:
    """Some rows of a tensor; unlike that of ``values[rows]``, the backward pass sorts nothing."""
    return values.index_select(0, torch.tensor(rows, device=values.device))


class _NodesAlone(nn.Module):
    """What stands in place of message passing in the variant without a graph."""

    def __init__(self, hid: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(hid, hid), nn.ReLU(), nn.Linear(hid, hid), nn.ReLU())

    def forward(self, x: Tensor, graphs: Sequence[GraphInputs]) -> Tensor:
        result: Tensor = self.fc(x)
        return result
