"""TART on graph tokens: a transformer that reads a computational graph as its nodes and edges.

He, Knyazev, Taylor, 2023, after TokenGT (Kim et al., "Pure Transformers are Powerful Graph Learners", NeurIPS 2022).
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from tart_nas.encoders.graph_embedding import (
    FEATURES,
    IDENTIFIERS,
    EdgeEmbedding,
    GraphInputs,
    NodeEmbedding,
    RaggedGraphs,
)
from tart_nas.encoders.token_encoder import EncoderSettings, TokenEncoder
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.network_ensemble import NetworkEnsemble, Rows
from tart_nas.predictors.models.tart_cell import check_heads
from tart_nas.predictors.models.training import FittingRecipe, Inputs
from tart_nas.tokens.graph import GRAPH_TOKEN_SCHEME, GraphTokens

__all__ = ["TOKENS", "GraphEncoderSettings", "GraphTransformer", "PureTransformer", "TartGraph", "length_buckets"]

TOKENS = ("nodes and edges", "nodes")
"""What becomes a token."""

_TOKENS_IN_A_PASS = 1 << 12
_GPU_TOKENS_IN_A_PASS = 1 << 17


@dataclass(frozen=True)
class GraphEncoderSettings(EncoderSettings):
    """The size of a graph encoder, and what it reads.

    Args:
        tokens: one of :data:`TOKENS`.
        identifiers: one of :data:`~tart_nas.encoders.graph_embedding.IDENTIFIERS`.
        identifier_width: columns of the identifiers.
        features: one of :data:`~tart_nas.encoders.graph_embedding.FEATURES`.
    """

    layers: int = 3
    tokens: str = "nodes and edges"
    identifiers: str = "orf"
    identifier_width: int = 64
    features: str = "structural"


class GraphTransformer(nn.Module):
    """Graph tokens to standardised predictions.

    Args:
        settings: the size, and what is read.
        outputs: predictions of each graph.
    """

    def __init__(self, settings: GraphEncoderSettings, outputs: int = 1) -> None:
        super().__init__()
        D = settings.width
        P = 0 if settings.identifiers == "none" else settings.identifier_width
        self.node = NodeEmbedding(D, settings.features)
        self.edge = EdgeEmbedding(D, settings.features) if settings.tokens == "nodes and edges" else None
        self.source = nn.Linear(P, D, bias=False) if P else None
        self.target = nn.Linear(P, D, bias=False) if P else None
        self.token_type = nn.Embedding(2, D)  # TokenGT's type identifiers
        self.encoder = TokenEncoder(settings)
        self.head = nn.Linear(D, outputs)
        nn.init.normal_(self.token_type.weight, std=0.3)

    def forward(self, inputs: GraphInputs) -> Tensor:
        """Predictions (B, outputs) of B graphs."""
        nodes = self.node(inputs.primitive, inputs.numbers) + self.token_type.weight[0]  # (B, N, D)
        tokens, mask = nodes, inputs.node_mask
        if self.source is not None and self.target is not None:
            source, target = self.source(inputs.identifiers), self.target(inputs.identifiers)  # each (B, N, D)
            tokens = nodes + source + target
        if self.edge is not None:
            edges = self.edge(inputs.step) + self.token_type.weight[1]  # (B, M, D)
            if self.source is not None:
                edges = edges + _picked(source, inputs.edges[..., 0]) + _picked(target, inputs.edges[..., 1])
            tokens, mask = torch.cat((tokens, edges), dim=1), torch.cat((mask, inputs.edge_mask), dim=1)
        predictions: Tensor = self.head(self.encoder(tokens, mask))
        return predictions


def _picked(vectors: Tensor, index: Tensor) -> Tensor:
    """Of vectors (B, N, D) those at an index (B, M)."""
    return vectors.gather(1, index[..., None].expand(-1, -1, vectors.shape[-1]))


class TartGraph(NetworkEnsemble):
    """The mean of several :class:`GraphTransformer`; arguments are those of :class:`NetworkEnsemble`, with settings of
    :class:`GraphEncoderSettings`.
    """

    kind = "tart-graph"
    token_scheme = GRAPH_TOKEN_SCHEME
    reads_graphs = True
    fitted_together = False
    settings_class = GraphEncoderSettings
    network_class = GraphTransformer
    choices: ClassVar = {"tokens": TOKENS, "identifiers": IDENTIFIERS, "features": FEATURES}

    def __init__(self, ensemble: int = 1, calibration: int = 0, **settings: Any) -> None:
        recipe = FittingRecipe(batch=4)  # the number of steps counts, and on a CPU large batches save little time
        super().__init__(ensemble, calibration, recipe, settings)
        check_heads(self.network_settings)

    def network_inputs(self, inputs: PredictorInputs, training: bool) -> Inputs:  # noqa: D102
        settings = self.network_settings
        rng = np.random.default_rng(int(torch.randint(2**62, ()))) if training else None
        tokens = GraphTokens.encode(list(inputs.graphs()))
        return RaggedGraphs(tokens, settings.identifiers, settings.identifier_width, rng, self.device)

    def chunks(self, inputs: Inputs) -> list[Rows]:  # noqa: D102
        assert isinstance(inputs, RaggedGraphs)
        tokens = _TOKENS_IN_A_PASS if self.device.type == "cpu" else _GPU_TOKENS_IN_A_PASS
        return length_buckets(inputs.tokens.sizes.sum(axis=1), tokens)


class PureTransformer(TartGraph):
    """The baseline of the paper: 12 layers that see the primitives of the nodes and nothing else."""

    kind = "pure-transformer"

    def __init__(self, ensemble: int = 1, calibration: int = 0, **settings: Any) -> None:
        paper = {"width": 64, "layers": 12, "tokens": "nodes", "identifiers": "none", "features": "primitive"}
        super().__init__(ensemble, calibration, **{**paper, **settings})


def length_buckets(lengths: Rows, most: int) -> list[Rows]:
    """Indices of sequences, put together by length, so that few of the tokens are padding.

    Args:
        lengths: (n,) of the sequences.
        most: tokens of a bucket, padding included; a longer sequence is a bucket by itself.
    """
    order = np.argsort(lengths, kind="stable")
    buckets, start = [], 0
    while start < len(order):
        longest = lengths[order[start:]]
        fits = longest * np.arange(1, len(longest) + 1) <= most
        size = max(1, int(fits.argmin()) if not fits.all() else len(fits))
        buckets.append(order[start : start + size])
        start += size
    return buckets
