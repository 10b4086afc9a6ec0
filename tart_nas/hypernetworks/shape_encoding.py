"""The shape of a node's parameter, as four numbers and as a vector."""

from bisect import bisect_left
from collections.abc import Sequence
from math import isqrt

import torch
from torch import Tensor, nn

__all__ = ["ShapeEncoding", "channel_values", "four_sizes", "is_position_table", "spatial_values"]


def channel_values(num_classes: int) -> list[int]:
    """The numbers of channels that have a vector of their own, in steps of 8, from 64 on of 16, from 4,096 on of 32."""
    steps = {*range(8, 64, 8), *range(64, 4096, 16), *range(4096, 8193, 32)}
    return sorted({1, 3, num_classes} | steps)


def spatial_values(max_size: int) -> list[int]:
    """The heights and widths that have a vector of their own: odd ones, and those of patches and positions."""
    return sorted({*range(1, max(12, max_size), 2), 14, 16})


def is_position_table(shape: Sequence[int]) -> bool:
    """Whether a parameter of this shape (1, tokens, channels) holds the positions of a transformer."""
    return len(shape) == 3 and shape[0] == 1 and shape[1] > 1 and shape[2] > 1


def four_sizes(shape: Sequence[int]) -> tuple[int, int, int, int]:
    """A parameter's shape as (out, in, height, width); ``in`` counts the channels of one group.

    Positions (1, tokens, channels) become a square of positions; a class token among them is left out.
    """
    if is_position_table(shape):
        side = isqrt(shape[1])
        return 1, shape[2], side, side
    out, into, height, width = (*shape, 1, 1, 1, 1)[:4]
    return out, into, height, width


class ShapeEncoding(nn.Module):
    """A vector for a shape: those of its four sizes, one behind the other.

    Args:
        hid: length of the vector.
        num_classes: is one of the numbers of channels that have a vector of their own.
        max_size: largest height and width.
    """

    def __init__(self, hid: int, num_classes: int, max_size: int) -> None:
        super().__init__()
        self._channels, self._sizes = channel_values(num_classes), spatial_values(max_size)
        self.embed_spatial = nn.Embedding(len(self._sizes) + 1, hid // 4)
        self.embed_channel = nn.Embedding(len(self._channels) + 1, hid // 4)

    def index(self, shape: Sequence[int] | None) -> tuple[int, int, int, int]:
        """The rows of the tables for a parameter's shape; None for a node without one, which has a row of its own."""
        if shape is None:
            n_channels, n_sizes = len(self._channels), len(self._sizes)
            return n_channels, n_channels, n_sizes, n_sizes
        out, into, height, width = four_sizes(shape)
        return (
            self._channel_index(out),
            self._channel_index(into),
            _nearest(self._sizes, 3 if height == 2 else height),
            _nearest(self._sizes, 3 if width == 2 else width),
        )

    def _channel_index(self, channels: int) -> int:
        # The reference counts 4 to 7 channels as 8, even where that is not the nearest.
        return self._channels.index(8) if 4 <= channels <= 7 else _nearest(self._channels, channels)

    def forward(self, index: Tensor) -> Tensor:
        """The vectors (n, hid) of rows (n, 4)."""
        channels, sizes = self.embed_channel(index[:, :2]), self.embed_spatial(index[:, 2:])
        return torch.cat((channels, sizes), dim=1).flatten(1)


def _nearest(values: Sequence[int], value: int) -> int:
    """The index of the nearest of sorted values, of two that are equally near the smaller."""
    after = min(bisect_left(values, value), len(values) - 1)
    before = max(after - 1, 0)
    return before if value - values[before] <= values[after] - value else after
