"""The operations of a cell as modules, named and counted as in DeepNets-1M (Knyazev et al., NeurIPS 2021).

Convolutions follow DARTS (Liu et al., ICLR 2019): ReLU, convolution, normalisation. Attention is the pre-norm block of
ViT (Dosovitskiy et al., ICLR 2021), channel excitation that of Hu et al. (CVPR 2018). Every operation maps (B, C, H, W)
to (B, C, H, W), or to (B, C, ceil(H / 2), ceil(W / 2)) with stride 2.
"""

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, cat, nn

from tart_nas.networks.depthwise import DilatedDepthwiseConv2d
from tart_nas.operations import ATTENTION_HEADS, OPERATIONS, Operation

__all__ = [
    "MODULES",
    "ChannelExcitation",
    "FactorizedReduction",
    "Norm",
    "OperationSequence",
    "SelfAttention",
    "Stride",
    "cell_operation",
    "preprocessing",
]

Norm = Callable[[int], nn.Module]
"""Makes the normalisation layer of so many channels; without normalisation an identity, which keeps the names."""


class OperationSequence(nn.Module):
    """Layers one after the other, under the name ``op``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.op = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to the layers' result."""
        y: Tensor = self.op(x)
        return y


def _relu_conv_norm(C_in: int, C_out: int, kernel_size: int, stride: int, norm: Norm) -> OperationSequence:
    """ReLU, dense convolution, normalisation."""
    conv = nn.Conv2d(C_in, C_out, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return OperationSequence(nn.ReLU(), conv, norm(C_out))


def _factorized_conv(C: int, kernel_size: int, stride: int, norm: Norm) -> OperationSequence:
    """ReLU, a 1 x k and a k x 1 convolution, normalisation."""
    k = kernel_size
    row = nn.Conv2d(C, C, (1, k), (1, stride), padding=(0, k // 2), bias=False)
    column = nn.Conv2d(C, C, (k, 1), (stride, 1), padding=(k // 2, 0), bias=False)
    return OperationSequence(nn.ReLU(), row, column, norm(C))


def _pointwise(C: int, norm: Norm) -> list[nn.Module]:
    """What follows a depthwise convolution."""
    return [nn.Conv2d(C, C, 1, bias=False), norm(C)]


def _sep_conv(C: int, kernel_size: int, stride: int, norm: Norm) -> OperationSequence:
    """A depthwise-separable convolution, twice; only the first strides."""
    first, second = (
        nn.Conv2d(C, C, kernel_size, step, padding=kernel_size // 2, groups=C, bias=False) for step in (stride, 1)
    )
    return OperationSequence(
        nn.ReLU(), first, *_pointwise(C, norm), nn.ReLU(inplace=True), second, *_pointwise(C, norm)
    )


def _dil_conv(C: int, kernel_size: int, stride: int, norm: Norm) -> OperationSequence:
    """A depthwise-separable convolution with dilation 2."""
    return OperationSequence(nn.ReLU(), DilatedDepthwiseConv2d(C, kernel_size, stride), *_pointwise(C, norm))


class Stride(nn.Module):
    """Every second row and column, from the first on."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2)), a view."""
        return x[:, :, ::2, ::2]


class FactorizedReduction(nn.Module):
    """Halves the resolution: two 1x1 convolutions, one of the even and one of the odd pixels, side by side.

    With an odd number of rows or columns, the last odd pixel lies outside and counts as zero.
    """

    def __init__(self, C_in: int, C_out: int, norm: Norm) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(C_in, C_out - C_out // 2, 1, bias=False)
        self.conv_2 = nn.Conv2d(C_in, C_out // 2, 1, bias=False)
        self.bn = norm(C_out)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, ceil(H / 2), ceil(W / 2))."""
        even = self.conv_1(F.relu(x[:, :, ::2, ::2]))
        odd = self.conv_2(F.relu(x[:, :, 1::2, 1::2]))
        odd = F.pad(odd, (0, x.shape[3] % 2, 0, x.shape[2] % 2))
        y: Tensor = self.bn(cat([even, odd], dim=1))
        return y


def preprocessing(C_in: int, C_out: int, halve: bool, norm: Norm) -> nn.Module:
    """What an input of a cell passes through first: a 1x1 convolution, which may halve the resolution."""
    return FactorizedReduction(C_in, C_out, norm) if halve else _relu_conv_norm(C_in, C_out, 1, 1, norm)


class ChannelExcitation(nn.Module):
    """Squeeze and excitation of the channels (``cse``): each is scaled by a gate computed from all channels' means."""

    def __init__(self, C: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.fc1 = nn.Linear(C, C // 2)
        self.fc2 = nn.Linear(C // 2, C)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, ceil(H / stride), ceil(W / stride))."""
        gate = F.hardswish(self.fc2(F.relu(self.fc1(x.mean((2, 3))))))  # (B, C)
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        return x * gate[:, :, None, None]


class _FeedForward(nn.Module):
    def __init__(self, C: int) -> None:
        super().__init__()
        # The identity stands where DeepNets-1M has a dropout of 0: the second linear layer is `net.3` there.
        self.net = nn.Sequential(nn.Linear(C, C), nn.GELU(), nn.Identity(), nn.Linear(C, C))

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.net(x)
        return y


class SelfAttention(nn.Module):
    """A pre-norm transformer block over the pixels (``msa``): 8-head self-attention, then a feed-forward of width C.

    The result lies in channels-last memory, as attention leaves it. Never strided: reduction cells of a network with
    attention keep the resolution.
    """

    def __init__(self, C: int) -> None:
        super().__init__()
        width = C // ATTENTION_HEADS * ATTENTION_HEADS
        self.ln1 = nn.LayerNorm(C)
        self.to_qkv = nn.Linear(C, 3 * width, bias=False)
        self.to_out = nn.Sequential(nn.Linear(width, C))
        self.ln2 = nn.LayerNorm(C)
        self.ff = _FeedForward(C)

    def attention(self, x: Tensor) -> Tensor:
        """Multi-head self-attention without residual: (B, N, C) to (B, N, C)."""
        qkv = self.to_qkv(x).unflatten(2, (3, ATTENTION_HEADS, -1))  # (B, N, 3, heads, C / heads)
        query, key, value = qkv.permute(2, 0, 3, 1, 4).unbind(0)  # each (B, heads, N, C / heads)
        y: Tensor = F.scaled_dot_product_attention(query, key, value)
        z: Tensor = self.to_out(y.transpose(1, 2).flatten(2))
        return z

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        tokens = x.flatten(2).transpose(1, 2)  # (B, N, C)
        tokens = tokens + self.attention(self.ln1(tokens))
        tokens = tokens + self.ff(self.ln2(tokens))
        y: Tensor = tokens.transpose(1, 2).unflatten(2, x.shape[2:])
        return y


MODULES: dict[str, Callable[[Operation, int, int, Norm], nn.Module]] = {
    "max_pool": lambda op, C, stride, norm: nn.MaxPool2d(op.kernel, stride, padding=op.kernel // 2),
    "avg_pool": lambda op, C, stride, norm: nn.AvgPool2d(
        op.kernel, stride, padding=op.kernel // 2, count_include_pad=False
    ),
    "skip": lambda op, C, stride, norm: nn.Identity() if stride == 1 else FactorizedReduction(C, C, norm),
    "sep_conv": lambda op, C, stride, norm: _sep_conv(C, op.kernel, stride, norm),
    "dil_conv": lambda op, C, stride, norm: _dil_conv(C, op.kernel, stride, norm),
    "conv": lambda op, C, stride, norm: _relu_conv_norm(C, C, op.kernel, stride, norm),
    "factorized_conv": lambda op, C, stride, norm: _factorized_conv(C, op.kernel, stride, norm),
    "attention": lambda op, C, stride, norm: SelfAttention(C),
    "excitation": lambda op, C, stride, norm: ChannelExcitation(C, stride),
}
"""The module of each kind of operation, from its row in the table, channels, stride and normalisation."""


def cell_operation(name: str, C: int, stride: int, norm: Norm) -> nn.Module:
    """The module of a cell operation.

    Args:
        name: one of :data:`tart_nas.operations.CELL_OPS` but ``none``, which a cell leaves out.
        C: channels of its input and output.
        stride: 1 or 2; ``msa`` knows only 1.
        norm: makes the normalisation layers.
    """
    operation = OPERATIONS[name]
    return MODULES[operation.kind](operation, C, stride, norm)
