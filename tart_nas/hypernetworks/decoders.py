"""From node vectors to tensors of the kernel size asked for, as large as the hypernetwork decodes them at most.

What a target does not need is not computed: other positions of the kernel, and channels beyond its own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tart_nas.hypernetworks.config import GHNConfig

__all__ = ["ConvDecoder", "MlpDecoder", "VectorDecoder"]


class ConvDecoder(nn.Module):
    """A linear layer gives a feature map of the largest kernel, two convolutions of 1x1 the channels at each position.

    Args:
        config: the hypernetwork's settings.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.out, self.into, self.size, _ = config.max_shape
        self.centred = config.hypernet == "graphormer"
        inner, wide = 4 * config.hid, 8 * config.hid
        self.fc = nn.Sequential(nn.Linear(config.hid, inner * self.size**2), nn.ReLU())
        self.conv = nn.Sequential(nn.Linear(inner, wide), nn.ReLU(), nn.Linear(wide, self.out * self.into))
        self.class_layer_predictor = nn.Sequential(nn.ReLU(), nn.Linear(self.out, config.num_classes))

    def forward(self, nodes: Tensor, kernel: tuple[int, int], out: int, into: int) -> Tensor:
        """Tensors (k, out', in', *kernel) of nodes (k, hid); out' and in' are cut to the decoder's own size."""
        rows, columns = (self._positions(size) for size in kernel)
        grid = self._channels(nodes, rows, columns, out, into).permute(0, 3, 4, 1, 2)
        if grid.shape[3:] == kernel:
            return grid
        planes = F.interpolate(grid.flatten(0, 1), kernel, mode="bilinear", align_corners=False)
        return planes.view(*grid.shape[:3], *kernel)

    def class_layer(self, nodes: Tensor) -> Tensor:
        """Weights of the layer that gives the logits (k, classes, in) of nodes (k, hid)."""
        at = self._positions(1)
        values = self._channels(nodes, at, at, self.out, self.into).flatten(1, 2).squeeze(1)
        result: Tensor = self.class_layer_predictor(values.transpose(1, 2)).transpose(1, 2)
        return result

    def _positions(self, size: int) -> slice | list[int]:
        """The rows, or columns, of the largest kernel that one of this size consists of."""
        if not self.centred:  # a larger one repeats it
            return slice(size) if size <= self.size else [position % self.size for position in range(size)]
        middle = self.size // 2
        return slice(max(middle - size // 2, 0), min(middle + (size + 1) // 2, self.size))

    def _channels(
        self, nodes: Tensor, rows: slice | list[int], columns: slice | list[int], out: int, into: int
    ) -> Tensor:
        """Values (k, rows, columns, out', in')."""
        initial, first, last = _linear(self.fc[0]), _linear(self.conv[0]), _linear(self.conv[2])
        hid, inner = nodes.shape[1], first.in_features
        # Positions before features, so that a position's features are contiguous for the layers behind.
        weight = initial.weight.view(inner, self.size, self.size, hid)[:, rows][:, :, columns].permute(1, 2, 0, 3)
        bias = initial.bias.view(inner, self.size, self.size)[:, rows][:, :, columns].permute(1, 2, 0)
        height, width = bias.shape[:2]
        features = F.relu(F.linear(nodes, weight.reshape(-1, hid), bias.reshape(-1)))
        features = F.relu(first(features.view(len(nodes), height, width, inner)))
        out, into = min(out, self.out), min(into, self.into)
        if 2 * out * into <= self.out * self.into:  # else copying the weights takes longer than what it saves
            weight = last.weight.view(self.out, self.into, -1)[:out, :into].reshape(out * into, -1)
            bias = last.bias.view(self.out, self.into)[:out, :into].reshape(-1)
            return F.linear(features, weight, bias).view(*features.shape[:3], out, into)
        values: Tensor = last(features)
        return values.view(*features.shape[:3], self.out, self.into)[..., :out, :into]


class MlpDecoder(nn.Module):
    """Two linear layers that give all of the largest tensor, of which a corner is taken.

    Args:
        config: the hypernetwork's settings.
    """

    def __init__(self, config: GHNConfig) -> None:
        super().__init__()
        self.out, self.into, self.size, _ = config.max_shape
        self.classes, inner = config.num_classes, 2 * config.hid
        outputs = self.out * self.into * self.size**2
        self.mlp = _TwoLayers(config.hid, inner, outputs)
        self.class_layer_predictor = nn.Sequential(nn.ReLU(), nn.Linear(inner, self.classes * self.out))

    def forward(self, nodes: Tensor, kernel: tuple[int, int], out: int, into: int) -> Tensor:
        """As :meth:`ConvDecoder.forward`."""
        values = self.mlp.fc(nodes).view(len(nodes), self.out, self.into, self.size, self.size)
        rows, columns = (torch.arange(size, device=nodes.device) % self.size for size in kernel)
        result: Tensor = values[:, :out, :into, rows][..., columns]
        return result

    def class_layer(self, nodes: Tensor) -> Tensor:
        """As :meth:`ConvDecoder.class_layer`."""
        result: Tensor = self.class_layer_predictor(self.mlp.fc[0](nodes)).view(len(nodes), self.classes, -1)
        return result


class _TwoLayers(nn.Module):
    def __init__(self, hid: int, inner: int, outputs: int) -> None:
        super().__init__()
        self.fc = nn.Sequential(nn.Linear(hid, inner), nn.ReLU(), nn.Linear(inner, outputs))


class VectorDecoder(_TwoLayers):
    """Two linear layers that give a weight and a bias, for tensors of one dimension.

    Args:
        config: the hypernetwork's settings.
    """

    def __init__(self, config: GHNConfig) -> None:
        width = max(config.max_shape[:2])
        super().__init__(config.hid, 2 * config.hid, 2 * width)
        self.width = width

    def forward(self, nodes: Tensor) -> Tensor:
        """Weights and biases (k, 2, width) of nodes (k, hid)."""
        result: Tensor = self.fc(nodes).view(len(nodes), 2, self.width)
        return result


def _linear(layer: nn.Module) -> nn.Linear:
    assert isinstance(layer, nn.Linear)
    return layer
