"""Decoded tensors in the shape and scale of the parameters that they are for."""

from collections.abc import Sequence
from itertools import chain
from math import ceil, prod, sqrt

import torch
from torch import Tensor

__all__ = ["fitted", "fitted_positions", "tiled"]


def fitted(decoded: Tensor, shape: Sequence[int], normalise: bool, is_norm_weight: bool = False) -> Tensor:
    """Decoded tensors as parameters of one shape.

    Args:
        decoded: (k, out, in, height, width), or (k, width) for parameters of one dimension.
        shape: that of the parameters.
        normalise: whether to bring them to the scale of a good initialisation.
        is_norm_weight: whether they are weights of normalisation layers.

    Returns:
        (k, *shape).
    """
    # The scale comes before the repetition: parameters of wide layers are much larger than what is decoded for them.
    k = len(decoded)
    if len(shape) > 1:
        four = (*shape, 1, 1)[:4]
        return tiled(decoded * _scale(shape) if normalise else decoded, (k, *four[:2])).reshape(k, *shape)
    if normalise:
        decoded = 2 * torch.sigmoid(decoded / 2) if is_norm_weight else torch.tanh(0.2 * decoded)
    return tiled(decoded, (k, *shape))


def fitted_positions(decoded: Tensor, shape: Sequence[int]) -> Tensor:
    """A decoded tensor as a transformer's table of positions, without that of a class token.

    Args:
        decoded: (1, in, side, side).
        shape: of the parameter, (1, tokens, channels).

    Returns:
        (side * side, channels).
    """
    return tiled(decoded[0].flatten(1).T, (decoded.shape[-1] ** 2, shape[2]))


def tiled(value: Tensor, sizes: Sequence[int]) -> Tensor:
    """The first axes of a tensor cut to sizes, or repeated as often as it takes and then cut."""
    for axis, size in enumerate(sizes):
        value = value.narrow(axis, 0, min(size, value.shape[axis]))
    there, rest = value.shape[: len(sizes)], value.shape[len(sizes) :]
    repeats = [ceil(size / n) for size, n in zip(sizes, there, strict=True)]
    if max(repeats) == 1:
        return value
    # An axis of each number of repeats before each axis, as a view: so all are repeated by one copy.
    for axis in range(len(sizes)):
        value = value.unsqueeze(2 * axis)
    value = value.expand(*chain.from_iterable(zip(repeats, there, strict=True)), *rest)
    value = value.reshape(*(r * n for r, n in zip(repeats, there, strict=True)), *rest)
    for axis, size in enumerate(sizes):
        value = value.narrow(axis, 0, size)
    return value


def _scale(shape: Sequence[int]) -> float:
    """What a tensor is multiplied by, so that a layer's outputs vary about as much as its inputs.

    2 over the fan-in is He's variance before a ReLU. Depthwise convolutions, and the first of a 7x1 and a 1x7 one, have
    no ReLU behind them. Positions are added, not multiplied by: they keep their scale.
    """
    if len(shape) > 2 and shape[0] == 1 and shape[2] >= 11:
        return 1.0
    height, width = (*shape, 1, 1)[2:4]
    without_relu = len(shape) > 2 and (shape[1] == 1 or height < width)
    return sqrt((1 if without_relu else 2) / prod(shape[1:]))
