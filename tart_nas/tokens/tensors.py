"""Cell tokens as tensors, on the CPU or a GPU; features are computed on the device that holds them."""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from tart_nas.tokens.cell import CellTokens

__all__ = ["CellTensors"]


@dataclass(frozen=True, eq=False)
class CellTensors:
    """B architectures of up to E edges; see :class:`CellTokens`.

    Attributes:
        op: (B, E) int64.
        source: (B, E) int64.
        target: (B, E) int64.
        cell: (B, E) int64.
        concat: (B, E) bool.
        mask: (B, E) bool.
        settings: (B, len(SETTINGS)) int64.
    """

    op: Tensor
    source: Tensor
    target: Tensor
    cell: Tensor
    concat: Tensor
    mask: Tensor
    settings: Tensor

    @classmethod
    def of(cls, tokens: CellTokens, device: torch.device | str = "cpu") -> "CellTensors":
        """The tokens on a device."""
        moved = {field.name: torch.from_numpy(getattr(tokens, field.name)).to(device) for field in fields(cls)}
        return cls(**{name: tensor if tensor.dtype == torch.bool else tensor.long() for name, tensor in moved.items()})

    def __len__(self) -> int:
        return len(self.settings)

    @property
    def last_node(self) -> int:
        """The number of the last node that any cell has; 1, that of the second input, where there is none."""
        return max(1, int(self.target.max())) if self.target.numel() else 1
