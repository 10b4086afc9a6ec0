"""Concatenation of channels with a backward pass that the layers before it are quick on.

The gradient of a concatenation is handed to its parts as slices. In channels-last memory these are strided, for which
the backward pass of batch normalisation takes ten times as long on CPUs as for a tensor of its own (38 against 4 ms for
96 images of 16 channels of 32x32), and five times as long on a GPU. So the slices are copied, which takes 1.5 ms on
these CPUs.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

__all__ = ["concatenate"]


def concatenate(parts: Sequence[Tensor]) -> Tensor:
    """As ``torch.cat(parts, dim=1)``: (B, C_i, H, W) to (B, sum of C_i, H, W)."""
    first = parts[0]
    copies = (
        torch.is_grad_enabled()
        and not torch.compiler.is_compiling()
        and first.is_contiguous(memory_format=torch.channels_last)
    )
    return _Concatenation.apply(*parts) if copies else torch.cat(list(parts), dim=1)


class _Concatenation(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *parts: Tensor) -> Tensor:
        ctx.channels = [part.shape[1] for part in parts]
        return torch.cat(parts, dim=1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        slices = torch.split(gradients[0], ctx.channels, dim=1)
        return tuple(part.contiguous(memory_format=torch.channels_last) for part in slices)
