"""Dilated depthwise convolution with a backward pass that is quick on CPUs.

The CPU library under PyTorch (oneDNN) has no quick backward kernel for dilated depthwise convolutions: it takes 5 to 20
times as long as for undilated ones, half the time of a training step in the DARTS space. The same values come from
kernels that are quick. With stride 2, the convolution only meets even pixels, among which it is an undilated one of
stride 1. With stride 1, the gradient of the input is a convolution of the output's gradient with the flipped kernel;
that of the kernel is the one of an undilated convolution over the four sub-images of equal parity, or, where these are
smaller than the kernel, a sum for each of its elements.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DilatedDepthwiseConv2d"]


class DilatedDepthwiseConv2d(nn.Conv2d):
    """A convolution of each channel with its own k x k kernel at dilation 2; "same" padding, no bias.

    Parameters, settings and results are those of :class:`torch.nn.Conv2d`.

    Args:
        channels: of input and output.
        kernel_size: k, odd.
        stride: step between outputs, 1 or 2.
    """

    def __init__(self, channels: int, kernel_size: int, stride: int = 1) -> None:
        padding = 2 * (kernel_size // 2)
        super().__init__(channels, channels, kernel_size, stride, padding, dilation=2, groups=channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H / stride), ceil(W / stride))."""
        if self.stride == (2, 2):
            return F.conv2d(x[:, :, ::2, ::2], self.weight, padding=self.kernel_size[0] // 2, groups=self.groups)
        # With an odd side the four sub-images would differ in size, and could not be one batch.
        even = x.shape[2] % 2 == x.shape[3] % 2 == 0
        on_cpu = x.device.type == "cpu" and x.dtype == torch.float32 and not torch.is_autocast_enabled("cpu")
        if even and on_cpu and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            return _DilatedDepthwiseConv2d.apply(x, self.weight)  # type: ignore[no-any-return]
        return super().forward(x)


class _DilatedDepthwiseConv2d(torch.autograd.Function):
    """Stride 1, dilation 2, even sizes, float32 on the CPU; (B, C, H, W) and (C, 1, k, k) -> (B, C, H, W)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)  # the layout of the quick kernels
        ctx.save_for_backward(x, weight)
        return _convolve(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].contiguous(memory_format=torch.channels_last)
        of_x = _convolve(gradient, weight.flip(2, 3)) if ctx.needs_input_grad[0] else None
        return of_x, _weight_gradient(x, gradient, weight) if ctx.needs_input_grad[1] else None


def _convolve(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight, padding=2 * (weight.shape[-1] // 2), dilation=2, groups=len(weight))


def _weight_gradient(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    if x.shape[2] // 2 < weight.shape[-1]:  # oneDNN takes 4 to 15 times as long as the sums there
        return _weight_gradient_by_element(x, gradient, weight)
    padding = [weight.shape[-1] // 2] * 2
    # In the order of its arguments: gradient of the output, input, weight, sizes of the bias, stride, padding,
    # dilation, transposed, output padding, groups, and of which of input, weight and bias the gradient is wanted.
    gradients = torch.ops.aten.convolution_backward(
        _parities(gradient),
        _parities(x),
        weight,
        None,
        [1, 1],
        padding,
        [1, 1],
        False,
        [0, 0],
        len(weight),
        [False, True, False],
    )
    return gradients[1]  # type: ignore[no-any-return]


def _weight_gradient_by_element(x: Tensor, gradient: Tensor, weight: Tensor) -> Tensor:
    height, width = x.shape[2:]
    size = weight.shape[-1]
    x = F.pad(x, [2 * (size // 2)] * 4)
    rows, columns = range(0, 2 * size, 2), range(0, 2 * size, 2)
    sums = [(x[:, :, i : i + height, j : j + width] * gradient).sum((0, 2, 3)) for i in rows for j in columns]
    return torch.stack(sums, 1).view_as(weight)


def _parities(x: Tensor) -> Tensor:
    """The four sub-images of pixels whose coordinates have equal parity: (B, C, H, W) -> (4 B, C, H / 2, W / 2)."""
    batch, channels, height, width = x.shape
    # (B, H / 2, 2, W / 2, 2, C): the two axes of length 2 are the parities of row and column.
    x = x.permute(0, 2, 3, 1).reshape(batch, height // 2, 2, width // 2, 2, channels)
    x = x.permute(0, 2, 4, 1, 3, 5).reshape(4 * batch, height // 2, width // 2, channels)
    return x.permute(0, 3, 1, 2)
