"""What stands at the front of a network: the first convolutions, or the patches and positions of a transformer."""

import torch
from torch import Tensor, nn

from tart_nas.layout import StemLayout
from tart_nas.networks.operations import Norm

__all__ = ["PositionalEncoding", "stem_modules"]


class PositionalEncoding(nn.Module):
    """Adds a learned value to each channel and position, which starts standard normal as in DeepNets-1M."""

    def __init__(self, C: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, C, size, size))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, size, size) to the same shape."""
        return x + self.weight


def stem_modules(layout: StemLayout, norm: Norm) -> nn.ModuleDict:
    """The modules of a stem by their names in the network.

    Args:
        layout: its kind and sizes.
        norm: makes the normalisation layers.

    Returns:
        ``stem`` of a simple one. ``stem0`` and ``stem1`` of DARTS's for ImageNet: the first gives cell input 0, the
        second halves that and gives cell input 1. ``stem0`` and ``pos_enc`` of a vision transformer's.
    """
    C, k = layout.C, layout.kernel_size
    if layout.kind == "patches":
        # A pixel of padding, since 32 is no multiple of 3: 11 patches then cover the row.
        patches = nn.Conv2d(3, C, k, stride=k, padding=0 if layout.imagenet else 1, bias=False)
        return nn.ModuleDict({"stem0": patches, "pos_enc": PositionalEncoding(C, layout.size)})
    if layout.kind == "simple":
        conv = nn.Conv2d(3, C, k, stride=4 if layout.imagenet else 1, padding=k // 2, bias=False)
        pool = nn.MaxPool2d(3, stride=2, padding=1) if layout.pool else nn.Identity()
        # No ReLU at the end, as in DARTS: operations of cells begin with one.
        return nn.ModuleDict({"stem": nn.Sequential(conv, norm(C), pool)})
    stride = 2 if layout.imagenet else 1
    first = nn.Sequential(
        nn.Conv2d(3, C // 2, k, stride, padding=k // 2, bias=False),
        norm(C // 2),
        nn.ReLU(inplace=True),
        nn.Conv2d(C // 2, C, 3, stride, padding=1, bias=False),
        norm(C),
    )
    # Not in place: its input is the first output, which cells read too.
    second = nn.Sequential(nn.ReLU(), nn.Conv2d(C, C, 3, stride=2, padding=1, bias=False), norm(C))
    return nn.ModuleDict({"stem0": first, "stem1": second})
