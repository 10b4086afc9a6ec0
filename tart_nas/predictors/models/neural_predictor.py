"""Neural Predictor: graph convolutions along and against the edges (Wen et al., ECCV 2020).

Three directed graph convolutions of 144 channels, mean pooling, a linear layer of 128.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tart_nas.encoders.graph_embedding import FEATURES, GraphInputs, NodeEmbedding, RaggedGraphs
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.network_ensemble import NetworkEnsemble, Rows
from tart_nas.predictors.models.tart_graph import length_buckets
from tart_nas.predictors.models.training import FittingRecipe, Inputs
from tart_nas.tokens.graph import GRAPH_TOKEN_SCHEME, GraphTokens

__all__ = ["GraphConvolutions", "NeuralPredictor", "NeuralPredictorSettings"]

_NODES_IN_A_PASS = 1 << 15


@dataclass(frozen=True)
class NeuralPredictorSettings:
    """The size of the network, and what it reads.

    Args:
        width: channels of the convolutions.
        layers: number of convolutions.
        hidden: width of the layer after the pooling.
        features: one of :data:`~tart_nas.encoders.graph_embedding.FEATURES`.
    """

    width: int = 144
    layers: int = 3
    hidden: int = 128
    features: str = "full"


class GraphConvolutions(nn.Module):
    """Graphs to standardised predictions.

    Args:
        settings: the size, and what is read.
        outputs: predictions of each graph.
    """

    def __init__(self, settings: NeuralPredictorSettings, outputs: int = 1) -> None:
        super().__init__()
        D = settings.width
        self.node = NodeEmbedding(D, settings.features)
        self.along = nn.ModuleList(nn.Linear(D, D) for _ in range(settings.layers))
        self.against = nn.ModuleList(nn.Linear(D, D) for _ in range(settings.layers))
        self.hidden = nn.Linear(D, settings.hidden)
        self.head = nn.Linear(settings.hidden, outputs)

    def forward(self, inputs: GraphInputs) -> Tensor:
        """Predictions (B, outputs) of B graphs."""
        x = self.node(inputs.primitive, inputs.numbers)  # (B, N, D)
        source, target = inputs.edges[..., 0], inputs.edges[..., 1]
        for along, against in zip(self.along, self.against, strict=True):
            x = (
                _averaged(along(x), source, target, inputs.edge_mask).relu()
                + _averaged(against(x), target, source, inputs.edge_mask).relu()
            ) / 2
        weights = inputs.node_mask[..., None] / inputs.node_mask.sum(dim=1)[:, None, None]
        pooled = (x * weights).sum(dim=1)  # (B, D)
        predictions: Tensor = self.head(self.hidden(pooled).relu())
        return predictions


def _averaged(x: Tensor, source: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The mean of each node's vector and of those that edges (B, M) bring it; x (B, N, D)."""
    index = target[..., None]
    brought = x.gather(1, source[..., None].expand(-1, -1, x.shape[-1])) * mask[..., None]
    total = x.scatter_add(1, index.expand_as(brought), brought)
    counts = torch.ones_like(x[..., :1]).scatter_add(1, index, mask[..., None].to(x.dtype))
    return total / counts


class NeuralPredictor(NetworkEnsemble):
    """The mean of several :class:`GraphConvolutions`; arguments are those of :class:`NetworkEnsemble`, with settings of
    :class:`NeuralPredictorSettings`.
    """

    kind = "neural-predictor"
    token_scheme = GRAPH_TOKEN_SCHEME
    reads_graphs = True
    fitted_together = False
    settings_class = NeuralPredictorSettings
    network_class = GraphConvolutions
    choices: ClassVar = {"features": FEATURES}

    def __init__(self, ensemble: int = 1, calibration: int = 0, **settings: Any) -> None:
        recipe = FittingRecipe(epochs=300, batch=16, learning_rate=1e-3, weight_decay=1e-3)
        super().__init__(ensemble, calibration, recipe, settings)

    def network_inputs(self, inputs: PredictorInputs, training: bool) -> Inputs:  # noqa: D102
        return RaggedGraphs(GraphTokens.encode(list(inputs.graphs())), "none", 0, device=self.device)

    def chunks(self, inputs: Inputs) -> list[Rows]:  # noqa: D102
        assert isinstance(inputs, RaggedGraphs)
        return length_buckets(np.asarray(inputs.tokens.sizes[:, 0]), _NODES_IN_A_PASS)
