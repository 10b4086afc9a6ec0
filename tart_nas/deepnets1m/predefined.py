"""The networks of the split ``predefined``, which stands in no file."""

from torch import nn

from tart_nas.graphs import ComputationalGraph
from tart_nas.layout import IMAGENET_IMAGE_SIZE
from tart_nas.published import VIT

__all__ = ["NAMES", "predefined_graph"]

NAMES = ("resnet50", "ViT")
"""The networks, in order."""


def predefined_graph(index: int, image_size: int) -> ComputationalGraph:
    """The graph of network ``index``, for images of so many pixels and 10 classes, from 128 pixels on 1,000."""
    large = image_size >= IMAGENET_IMAGE_SIZE
    num_classes = 1000 if large else 10
    if NAMES[index] == "ViT":
        return ComputationalGraph.from_architecture(VIT, num_classes, image_size)
    from torchvision.models import resnet50  # here, since importing torchvision takes seconds

    network = resnet50(num_classes=num_classes)
    if not large:  # small images keep their resolution to the first block
        network.conv1 = nn.Conv2d(3, 64, kernel_size=3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return ComputationalGraph.from_module(network, image_size)
