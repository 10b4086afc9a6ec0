"""What stands at the end of a network: the classifier, and the auxiliary head of DARTS in the middle."""

from itertools import pairwise

from torch import Tensor, nn

from tart_nas.networks.operations import Norm

__all__ = ["AuxiliaryHead", "classifier"]


def classifier(features: int, num_classes: int, layers: int, width: int) -> nn.Sequential:
    """Linear layers with ReLU and dropout of 0.5 between them: (B, features) to (B, num_classes).

    Args:
        features: number of inputs.
        num_classes: number of outputs.
        layers: number of linear layers, at least 1.
        width: outputs of the linear layers but the last.
    """
    widths = [features] + [width] * (layers - 1) + [num_classes]
    modules: list[nn.Module] = [nn.Linear(widths[0], widths[1])]
    for n_in, n_out in pairwise(widths[1:]):
        modules += [nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(n_in, n_out)]
    return nn.Sequential(*modules)


class AuxiliaryHead(nn.Module):
    """The auxiliary classifier of DARTS, which adds to the loss in training and is dropped afterwards.

    DARTS applies it to features of 8x8 (CIFAR-10) or 7x7 (ImageNet) and pools them to 2x2. Features of another
    resolution are averaged, or repeated, to that resolution first.

    Args:
        C: channels of the features.
        num_classes: number of outputs.
        imagenet: whether to take DARTS's form for ImageNet (no normalisation after its second convolution).
        norm: makes the normalisation layers.
    """

    def __init__(self, C: int, num_classes: int, imagenet: bool, norm: Norm) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(7 if imagenet else 8)
        self.features = nn.Sequential(
            nn.ReLU(),
            # From 8 pixels with stride 3 and from 7 with stride 2 alike, two positions are left.
            nn.AvgPool2d(5, stride=2 if imagenet else 3),  # (B, C, 2, 2)
            nn.Conv2d(C, 128, 1, bias=False),
            norm(128),
            nn.ReLU(inplace=True),
            nn.Conv2d(128, 768, 2, bias=False),  # (B, 768, 1, 1)
            nn.Identity() if imagenet else norm(768),
            nn.ReLU(inplace=True),
        )
        self.classifier = nn.Linear(768, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to logits (B, num_classes)."""
        logits: Tensor = self.classifier(self.features(self.pool(x)).flatten(1))
        return logits
