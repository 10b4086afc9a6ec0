"""Residual networks of torchvision's blocks: ResNet-18 to -152, ResNeXt and wide ones, and what lies between.

``TrialSpace(resnet)`` searches them: 4 kinds of blocks, 1 to 3, 8, 36 and 3 blocks in the four stages, 10,368 networks.
"""

from typing import Any

from torch import nn

__all__ = ["resnet"]

_GROUPS, _GROUP_WIDTH = {"resnext": 32}, {"resnext": 4, "wide": 128}  # of 3x3 convolutions; else 1 group and 64
_MOST = (3, 8, 36, 3)  # blocks of the stages, as in ResNet-152


def resnet(trial: Any, num_classes: int = 10, small: bool = True) -> nn.Module:
    """A residual network of the blocks that a trial suggests (He et al., CVPR 2016; Xie et al., CVPR 2017).

    Args:
        trial: suggests ``block`` (``"basic"``, ``"bottleneck"``, ``"resnext"``, ``"wide"``) and ``blocks1`` to
            ``blocks4``, of which each is evenly spread by its logarithm.
        num_classes: number of logits.
        small: whether images are small, such as CIFAR-10's: the stem then keeps the resolution. Else it divides it by
            4, as torchvision's does.
    """
    from torchvision.models.resnet import BasicBlock, Bottleneck, ResNet  # here, since torchvision takes seconds

    kind = trial.suggest_categorical("block", ["basic", "bottleneck", "resnext", "wide"])
    blocks = [trial.suggest_int(f"blocks{i}", 1, most, log=True) for i, most in enumerate(_MOST, start=1)]
    network: nn.Module = ResNet(
        BasicBlock if kind == "basic" else Bottleneck,
        blocks,
        num_classes=num_classes,
        groups=_GROUPS.get(kind, 1),
        width_per_group=_GROUP_WIDTH.get(kind, 64),
    )
    if small:
        network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
        network.maxpool = nn.Identity()
    return network
