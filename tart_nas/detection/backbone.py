"""Any classification network as the backbone of a detector: one feature map, where it would pool and classify."""

from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tart_nas.architecture import Architecture
from tart_nas.devices import evaluating
from tart_nas.errors import SettingError, first_line
from tart_nas.layout import network_layout
from tart_nas.networks import Network
from tart_nas.networks.stems import PositionalEncoding

__all__ = ["HEADS", "Backbone", "as_backbone", "is_vision_transformer"]

_AUXILIARY = ("aux1", "aux2", "AuxLogits")  # of GoogLeNet and Inception, in the middle of their layers
_LAST = ("avgpool", "fc", "classifier", "head", "heads")

HEADS = (*_LAST, *_AUXILIARY, "global_pooling", "auxiliary_head")
"""The parts that pool and classify, by their names in networks of torchvision and ours: no backbone has them."""

_PROBE = (128, 160)  # pixels: larger than the least size of all models of torchvision (Inception: 75), and not a square


class Backbone(nn.Module):
    """Maps images to one feature map, as torchvision's detectors want it.

    Attributes:
        body: the layers.
        out_channels: of the feature map.
    """

    def __init__(self, body: nn.Module, out_channels: int) -> None:
        super().__init__()
        self.body = body
        self.out_channels = out_channels

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W), normalised, to (B, out_channels, h, w)."""
        features: Tensor = self.body(images)
        return features


def as_backbone(network: nn.Module) -> Backbone:
    """Takes pooling and classifier off a network.

    Vision transformers take images of any size then: their positions are interpolated bilinearly, and the class token
    of torchvision's takes part in attention but not in the map.

    Args:
        network: of ours or of torchvision. It is used up: the backbone consists of its modules.

    Raises:
        SettingError: if the network has no feature map, or takes images of one size only (MaxViT).
    """
    from torchvision import models  # here, since importing torchvision takes seconds

    body: nn.Module
    if isinstance(network, Network):
        layout = network_layout(network.architecture, 1, network.image_size)
        return Backbone(_CellFeatures(network), layout.cells[-1].C_out)
    if isinstance(network, models.VisionTransformer):
        return Backbone(_TokenFeatures(network), network.hidden_dim)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for name, child in network.named_children():
        if name in _LAST:
            break
        # Blocks in a list are one after the other in torchvision's models, where the model's own code calls them.
        layers[name] = nn.Sequential(*child) if isinstance(child, nn.ModuleList) else child
    for name in _AUXILIARY:
        layers.pop(name, None)
    if isinstance(network, models.DenseNet):
        layers["relu"] = nn.ReLU()  # which its own code calls as a function
    body = nn.Sequential(layers)
    return Backbone(body, _channels(body, type(network).__name__))


def is_vision_transformer(architecture: Architecture | None, model: str | None) -> bool:
    """Whether a network's attention is over all pixels, so that its cost grows with their square."""
    return architecture.is_vit if architecture is not None else str(model).startswith("vit_")


def _channels(body: nn.Module, name: str) -> int:
    """Of the feature map.

    Raises:
        SettingError: if there is none.
    """
    height, width = _PROBE
    try:
        with torch.inference_mode(), evaluating(body):
            shape = body(torch.zeros(1, 3, height, width)).shape
    except Exception as error:  # models raise whatever their operations and assertions raise
        why = first_line(error).rstrip(".")
        raise SettingError(f"{name} gives no feature map of images of {width}x{height} pixels: {why}.") from None
    if len(shape) != 4:
        raise SettingError(f"{name} gives no feature map of shape (B, C, h, w), but one of {tuple(shape)}.")
    return int(shape[1])


class _CellFeatures(nn.Module):
    """The last cell's output of a network of ours."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        # Not deleted: `forward` of the network, which nothing calls here, names them.
        network.classifier = nn.Sequential()
        network.global_pooling = nn.Identity()
        positions = network._modules.get("pos_enc")  # of vision transformers
        if isinstance(positions, PositionalEncoding):
            network.pos_enc = _ResizedPositions(positions.weight)
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        return self.network.feature_map(images)


class _ResizedPositions(nn.Module):
    """Adds learned values to each channel and position, for maps of any size."""

    def __init__(self, weight: nn.Parameter) -> None:
        super().__init__()
        self.weight = weight  # (1, C, size, size)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        return x + _resized(self.weight, x.shape[2:])


class _TokenFeatures(nn.Module):
    """The patches of torchvision's vision transformer after its last layer."""

    encoder: Any

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.conv_proj: nn.Module = network.conv_proj
        self.class_token: nn.Parameter = network.class_token
        self.encoder = network.encoder

    def forward(self, images: Tensor) -> Tensor:
        patches: Tensor = self.conv_proj(images)  # (B, C, h, w)
        positions = self.encoder.pos_embedding  # (1, 1 + size * size, C)
        side = int((positions.shape[1] - 1) ** 0.5)
        table: Tensor = positions[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        tokens = (patches + _resized(table, patches.shape[2:])).flatten(2).transpose(1, 2)  # (B, h * w, C)
        token = (self.class_token + positions[:, :1]).expand(len(images), -1, -1)
        encoder = self.encoder
        tokens = encoder.ln(encoder.layers(encoder.dropout(torch.cat([token, tokens], 1))))
        features: Tensor = tokens[:, 1:].transpose(1, 2).unflatten(2, patches.shape[2:])
        return features


def _resized(table: Tensor, size: torch.Size) -> Tensor:
    """Positions (1, C, side, side) at another resolution, (1, C, h, w); at their own one exactly as they are."""
    return table if table.shape[2:] == size else interpolate(table, size, mode="bilinear", align_corners=False)
