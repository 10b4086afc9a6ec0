"""The transformer that reads token sequences, whatever they were made of.

A plain pre-norm encoder (Vaswani et al., NeurIPS 2017; Xiong et al., ICML 2020) over a sequence that starts with a
``[graph]`` token, whose last state stands for the whole graph (TokenGT: Kim et al., NeurIPS 2022). Where it is known
what relates two tokens, as it is of the few edges of a cell, that biases their attention, by one trainable number per
relation and head (Graphormer: Ying et al., NeurIPS 2021); the tokens of a whole graph name their nodes instead.

Axes: B batch, T tokens, D width, H heads, K = D / H channels of a head.
"""

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["EncoderSettings", "TokenEncoder", "TransformerBlock"]


@dataclass(frozen=True)
class EncoderSettings:
    """The size of an encoder.

    Args:
        width: channels of a token, a multiple of ``heads``.
        layers: number of blocks.
        heads: attention heads.
        expansion: hidden width of a block's MLP over ``width``.
        dropout: share of the channels of each block's two branches that are dropped in training.
    """

    width: int = 32
    layers: int = 2
    heads: int = 4
    expansion: int = 2
    dropout: float = 0.1


class TokenEncoder(nn.Module):
    """Token sequences to one vector each.

    Args:
        settings: the size.
        relations: number R of kinds of relation between two tokens; 0 where none are told.
    """

    def __init__(self, settings: EncoderSettings, relations: int = 0) -> None:
        super().__init__()
        self.relation_to_graph = relations  # one kind more: between the [graph] token and any
        kinds = relations + 1 if relations else 0
        self.graph = nn.Parameter(nn.init.normal_(torch.empty(settings.width), std=0.5))
        self.blocks = nn.ModuleList(TransformerBlock(settings, kinds) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.width)

    def forward(self, tokens: Tensor, mask: Tensor, relation: Tensor | None = None) -> Tensor:
        """Encodes a batch.

        Args:
            tokens: ``(B, T, D)``, without the ``[graph]`` token.
            mask: ``(B, T)``, False where there is padding, which has no effect on the result.
            relation: ``(B, T, T)`` integers in [0, R): what the second token is to the first; None if R is 0.

        Returns:
            ``(B, D)``, the last state of the ``[graph]`` token.
        """
        B, T, D = tokens.shape
        x = torch.cat((self.graph.expand(B, 1, D), tokens), dim=1)  # (B, 1 + T, D)
        kept = functional.pad(mask, (1, 0), value=True)
        if relation is None and x.device.type == "cpu":
            return self._packed(x[kept], kept.sum(dim=1).tolist())
        if relation is not None:
            relation = functional.pad(relation, (1, 0, 1, 0), value=self.relation_to_graph)
        padding = None if mask.all() else ~kept
        for block in self.blocks[:-1]:
            x = block(x, relation, padding, queries=1 + T)
        x = self.blocks[-1](x, relation, padding, queries=1)  # nothing but the [graph] token is read from the last
        encoded: Tensor = self.norm(x[:, 0])
        return encoded

    def _packed(self, x: Tensor, lengths: list[int]) -> Tensor:
        """The same of sequences one after the other, ``(sum of the B lengths, D)``, without padding.

        Attention costs the square of the tokens, and the longest of a batch drawn at random has some twice as many as
        the mean; a sequence of hundreds keeps a CPU's core busy by itself. A GPU needs all of them to be busy.
        """
        *blocks, last = cast("list[TransformerBlock]", self.blocks)
        for block in blocks:
            x = block.packed(x, lengths)
        encoded: Tensor = self.norm(last.packed(x, lengths, first=True))
        return encoded


class TransformerBlock(nn.Module):
    """Attention and an MLP, each normalised before and added to what came in.

    Args:
        settings: the size; of its layers this is one.
        relations: number of kinds of relation between two tokens, 0 for none.
    """

    def __init__(self, settings: EncoderSettings, relations: int = 0) -> None:
        super().__init__()
        D = settings.width
        self.heads = settings.heads
        self.attention_norm = nn.LayerNorm(D)
        self.query = nn.Linear(D, D)
        self.key_value = nn.Linear(D, 2 * D)
        self.bias = nn.Embedding(relations, settings.heads) if relations else None
        self.output = nn.Linear(D, D)
        self.mlp_norm = nn.LayerNorm(D)
        self.expand = nn.Linear(D, settings.expansion * D)
        self.contract = nn.Linear(settings.expansion * D, D)
        self.dropout = _ChannelDropout(settings.dropout)
        if self.bias is not None:
            nn.init.normal_(self.bias.weight, std=0.02)

    def forward(self, x: Tensor, relation: Tensor | None, padding: Tensor | None, queries: int) -> Tensor:
        """The new states ``(B, Q, D)`` of the first Q = ``queries`` tokens of x ``(B, T, D)``."""
        B, T, D = x.shape
        H, K = self.heads, D // self.heads
        normed = self.attention_norm(x)
        query = self.query(normed[:, :queries]).view(B, queries, H, K).transpose(1, 2)  # (B, H, Q, K)
        key, value = self.key_value(normed).view(B, T, 2, H, K).permute(2, 0, 3, 1, 4)  # each (B, H, T, K)
        bias = None
        if self.bias is not None and relation is not None:
            bias = self._relation_bias(self.bias, relation[:, :queries])
        if padding is not None:
            hidden = torch.zeros(B, 1, 1, T, device=x.device, dtype=x.dtype) if bias is None else bias
            bias = hidden.masked_fill(padding[:, None, None, :], -torch.inf)
        attended = functional.scaled_dot_product_attention(query, key, value, bias)
        return self._continued(x[:, :queries], attended.transpose(1, 2).reshape(B, queries, D))

    def causal(self, x: Tensor, seen: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """The new states of tokens each of which attends to those up to itself.

        Args:
            x: ``(B, T, D)``; with ``seen`` T is 1, the next token of each sequence.
            seen: keys and values of the tokens before, each ``(B, H, S, K)``.

        Returns:
            ``(B, T, D)``, and keys and values of all tokens so far.
        """
        B, T, D = x.shape
        H, K = self.heads, D // self.heads
        normed = self.attention_norm(x)
        query = self.query(normed).view(B, T, H, K).transpose(1, 2)
        key, value = self.key_value(normed).view(B, T, 2, H, K).permute(2, 0, 3, 1, 4)
        if seen is not None:
            key, value = torch.cat((seen[0], key), dim=2), torch.cat((seen[1], value), dim=2)
        attended = functional.scaled_dot_product_attention(query, key, value, is_causal=seen is None)
        return self._continued(x, attended.transpose(1, 2).reshape(B, T, D)), (key, value)

    def packed(self, x: Tensor, lengths: list[int], first: bool = False) -> Tensor:
        """The new states of all tokens of sequences in one row, ``(n, D)``, or of the first of each, ``(B, D)``."""
        H, K = self.heads, x.shape[1] // self.heads
        normed = self.attention_norm(x)
        key, value = self.key_value(normed).view(1, -1, 2, H, K).permute(2, 0, 3, 1, 4)  # each (1, H, n, K)
        queries = lengths
        if first:
            starts = torch.tensor([0, *lengths[:-1]]).cumsum(dim=0)
            x, normed, queries = x[starts], normed[starts], [1] * len(lengths)
        query = self.query(normed).view(1, -1, H, K).transpose(1, 2)
        sequences = zip(
            query.split(queries, dim=2), key.split(lengths, dim=2), value.split(lengths, dim=2), strict=True
        )
        attended = torch.cat([functional.scaled_dot_product_attention(*own) for own in sequences], dim=2)
        return self._continued(x, attended.transpose(1, 2).reshape(x.shape), queries)

    def _continued(self, x: Tensor, attended: Tensor, lengths: list[int] | None = None) -> Tensor:
        """What follows attention, for states and what they attended to: ``(B, Q, D)``, or packed ``(n, D)``."""
        x = x + self.dropout(self.output(attended), lengths)
        x = x + self.dropout(self.contract(functional.gelu(self.expand(self.mlp_norm(x)))), lengths)
        return x

    def _relation_bias(self, table: nn.Embedding, relation: Tensor) -> Tensor:
        """``(B, H, Q, T)`` from relations ``(B, Q, T)``."""
        if relation.device.type == "cpu" or torch.is_grad_enabled():
            bias: Tensor = table(relation).permute(0, 3, 1, 2)
            return bias
        # GPUs look up rows of so few numbers slowly: half the time of scoring cells went there
        place = relation[:, None] + table.num_embeddings * torch.arange(self.heads, device=relation.device).view(
            -1, 1, 1
        )
        return table.weight.T.flatten()[place]


class _ChannelDropout(nn.Module):
    """Drops channels of all tokens of a sequence together, which needs T times fewer random numbers than one by one."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: Tensor, lengths: list[int] | None = None) -> Tensor:
        """Of sequences ``(B, T, D)``, or packed ``(n, D)`` with their lengths."""
        if not self.training or self.share == 0:
            return x
        B = len(x) if lengths is None else len(lengths)
        kept = torch.rand(B, 1, x.shape[-1], device=x.device) >= self.share
        if lengths is not None:
            kept = kept[:, 0].repeat_interleave(torch.tensor(lengths), dim=0)
        return x * kept / (1 - self.share)
