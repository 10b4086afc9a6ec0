"""The language model of architecture strings: a decoder-only transformer over symbols.

The blocks are those of the token encoder, with causal attention. The first token is a level, which says how good the
network shall be; the symbols follow (return-conditioned sequence models: Chen et al., "Decision Transformer", NeurIPS
2021).

Axes: B strings, T symbols, V symbols to choose from.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from tart_nas.encoders.token_encoder import EncoderSettings, TransformerBlock

__all__ = ["PADDING", "ModelSettings", "SymbolTransformer"]

PADDING = -1
"""In token arrays: behind the end of a string."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class ModelSettings(EncoderSettings):
    """The size of the model; a generator of DARTS cells has 115,000 weights.

    Args:
        width: this and all others: see :class:`EncoderSettings`.
        dropout: none, since the generator is trained on many strings, few of them twice.
    """

    width: int = 64
    layers: int = 3
    dropout: float = 0.0


class SymbolTransformer(nn.Module):
    """The probabilities of the next symbol.

    Args:
        settings: the size.
        levels: number of levels.
        symbols: number of symbols V; where lengths vary, the last one is the end of the string.
        max_length: T at most.
        has_end: whether lengths vary.
    """

    def __init__(self, settings: ModelSettings, levels: int, symbols: int, max_length: int, has_end: bool) -> None:
        super().__init__()
        D = settings.width
        self.max_length = max_length
        self.end = symbols - 1 if has_end else None
        self.level = nn.Embedding(levels, D)
        self.symbol = nn.Embedding(symbols, D)
        self.position = nn.Embedding(max_length, D)
        self.blocks = nn.ModuleList(TransformerBlock(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(D)
        self.head = nn.Linear(D, symbols)
        for table in (self.level, self.symbol, self.position):
            nn.init.normal_(table.weight, std=0.02)  # as in GPT-2: at first all next symbols are about as probable

    def forward(self, levels: Tensor, tokens: Tensor) -> Tensor:
        """The logits ``(B, T, V)`` of all symbols of strings ``(B, T)``, each from those before and the level."""
        before = self.symbol(tokens[:, :-1].clamp_min(0))
        x = torch.cat((self.level(levels)[:, None], before), dim=1) + self.position.weight[: tokens.shape[1]]
        for block in cast("list[TransformerBlock]", self.blocks):
            x, _ = block.causal(x)
        logits: Tensor = self.head(self.norm(x))
        return logits

    @torch.no_grad()
    def draw(self, levels: Tensor, temperature: float, rng: np.random.Generator) -> Ints:
        """Draws a string for each level.

        Args:
            levels: ``(B,)``.
            temperature: above 0; below 1 probable symbols become more probable.
            rng: source of randomness. One number a symbol decides by the cumulated probabilities, so that rounding
                changes next to no string from one machine to another.

        Returns:
            ``(B, T)`` symbols, :data:`PADDING` from the end on.
        """
        drawn: list[Tensor] = []
        blocks = cast("list[TransformerBlock]", self.blocks)
        seen: list[tuple[Tensor, Tensor] | None] = [None] * len(blocks)
        ended = torch.zeros(len(levels), dtype=torch.bool)
        x = self.level(levels)
        for place in range(self.max_length):
            x = (x + self.position.weight[place])[:, None]
            for index, block in enumerate(blocks):
                x, seen[index] = block.causal(x, seen[index])
            logits = self.head(self.norm(x[:, 0])).double()
            # The largest is 0 before the division, which else overflows at temperatures near 0: of two infinite logits
            # softmax makes NaN, whereas one that is far below the largest may become minus infinity.
            probabilities = functional.softmax((logits - logits.amax(1, keepdim=True)) / temperature, dim=1)
            numbers = torch.from_numpy(rng.random((len(levels), 1)))
            symbols = (probabilities.cumsum(dim=1) < numbers).sum(dim=1).clamp_max(probabilities.shape[1] - 1)
            if self.end is not None:
                ended |= symbols == self.end
                if ended.all():
                    break
            drawn.append(torch.where(ended, PADDING, symbols))
            x = self.symbol(symbols)
        tokens: Ints = torch.stack(drawn, dim=1).numpy() if drawn else np.empty((len(levels), 0), dtype=np.int64)
        return tokens
