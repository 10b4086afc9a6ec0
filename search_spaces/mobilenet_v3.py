"""Networks of inverted residual blocks, as MobileNet-V3 (Howard et al., ICCV 2019), which is one of them.

``TrialSpace(mobilenet_v3)`` searches them. As in once-for-all (Cai et al., ICLR 2020) each stage has a depth, and each
block a kernel and an expansion.
"""

from functools import partial
from typing import Any

from torch import nn

__all__ = ["mobilenet_v3"]

# Channels, stride and activation of each stage, as in MobileNet-V3-Large: ReLU or hard swish.
_STAGES = ((24, 2, "RE"), (40, 2, "RE"), (80, 2, "HS"), (112, 1, "HS"), (160, 2, "HS"))
_EXPANSIONS = (2.3, 2.5, 3.0, 4.0, 6.0)  # those of MobileNet-V3-Large


def mobilenet_v3(trial: Any, num_classes: int = 10, small: bool = True) -> nn.Module:
    """A network of the blocks that a trial suggests.

    Args:
        trial: suggests, for each of 5 stages, ``depth1`` (2 to 4 blocks) and whether it has channel excitation
            (``excites1``), and for each block ``kernel1_0`` (3, 5, 7) and ``expansion1_0``.
        num_classes: number of logits.
        small: whether images are small, such as CIFAR-10's: the stem and the first stage then keep the resolution,
            which torchvision's halve.
    """
    from torchvision.models.mobilenetv3 import InvertedResidualConfig, MobileNetV3  # torchvision takes seconds

    block = partial(InvertedResidualConfig, dilation=1, width_mult=1.0)
    before = 16
    blocks = [block(before, 3, before, before, False, "RE", 1)]
    for stage, (channels, stride, activation) in enumerate(_STAGES, start=1):
        excites = trial.suggest_categorical(f"excites{stage}", [False, True])
        for i in range(trial.suggest_int(f"depth{stage}", 2, 4)):
            kernel = trial.suggest_categorical(f"kernel{stage}_{i}", [3, 5, 7])
            expanded = round(before * trial.suggest_categorical(f"expansion{stage}_{i}", _EXPANSIONS))
            step = 1 if i or (small and stage == 1) else stride
            blocks.append(block(before, kernel, expanded, channels, excites, activation, step))
            before = channels
    network = MobileNetV3(blocks, last_channel=1280, num_classes=num_classes)
    if small:
        network.features[0][0] = nn.Conv2d(3, 16, 3, padding=1, bias=False)
    made: nn.Module = network
    return made
