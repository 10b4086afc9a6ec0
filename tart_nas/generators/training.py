"""How a generator learns from scored strings."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from tart_nas.generators.model import PADDING, Ints, SymbolTransformer

__all__ = ["LEVELS", "Trainer", "levels_of"]

LEVELS = 11
"""Level k stands for the best 1 / 2^k of all scored networks but the best half of these: the last one for 0.1 %."""

_BATCH = 256
_LEARNING_RATE = 1e-3
_CLIP = 1.0  # of the gradient's norm, as in GPT-2
# A level with half as many strings is drawn 1 / sqrt(2) times as often: evenly, the 20 strings of the last one would be
# learned by heart, and by their number hardly seen.
_HALVING = 2**-0.5

Floats = npt.NDArray[np.float64]


def levels_of(scores: Floats) -> Ints:
    """The level of each of n finite scores among all of them, (n,)."""
    ranks = np.empty(len(scores))
    ranks[np.argsort(-scores, kind="stable")] = np.arange(len(scores))
    levels: Ints = np.floor(-np.log2((ranks + 0.5) / len(scores))).astype(np.int64)
    return np.minimum(levels, LEVELS - 1)


@dataclass
class Trainer:
    """Goes on with the training of one model from round to round.

    Args:
        model: what is trained, in place.
        entropy: weight of the entropy of the next symbol in the loss (confidence penalty: Pereyra et al., ICLR 2017
            workshop). It keeps the strings diverse.
        rng: source of randomness of the batches.
    """

    model: SymbolTransformer
    entropy: float
    rng: np.random.Generator

    def __post_init__(self) -> None:
        self._optimizer = torch.optim.AdamW(self.model.parameters(), lr=_LEARNING_RATE, weight_decay=0.01)

    def train(self, tokens: Ints, scores: Floats, strings: int) -> None:
        """Trains on strings.

        Args:
            tokens: ``(n, T)`` of n strings.
            scores: ``(n,)``, finite.
            strings: how many are drawn from them.
        """
        levels = levels_of(scores)
        counts = np.bincount(levels, minlength=LEVELS)
        shares = np.where(counts > 0, _HALVING ** np.arange(LEVELS), 0.0) / np.maximum(counts, 1)
        weights = shares[levels] / shares[levels].sum()
        rows = self.rng.choice(len(tokens), size=max(strings, _BATCH), p=weights)
        self.model.train()
        for start in range(0, len(rows) - _BATCH + 1, _BATCH):
            batch = rows[start : start + _BATCH]
            self._step(torch.from_numpy(levels[batch]), torch.from_numpy(tokens[batch]))
        self.model.eval()

    def _step(self, levels: torch.Tensor, tokens: torch.Tensor) -> None:
        probabilities = functional.log_softmax(self.model(levels, tokens), dim=2)  # (B, T, V), logarithms
        kept = tokens != PADDING
        given = probabilities.gather(2, tokens.clamp_min(0)[..., None])[..., 0][kept].mean()
        entropy = -(probabilities.exp() * probabilities).sum(dim=2)[kept].mean()
        loss = -given - self.entropy * entropy
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), _CLIP)
        self._optimizer.step()
