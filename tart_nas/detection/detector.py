"""torchvision's Faster R-CNN (Ren et al., NeurIPS 2015) on one feature map, as Knyazev et al. (NeurIPS 2021) fine-tune.

Anchors of 32 to 512 pixels at three ratios; 7x7 places of each region, two samples in each direction; all else as
torchvision has it.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from tart_nas.checks import number, whole
from tart_nas.detection.backbone import Backbone
from tart_nas.devices import forked_rng
from tart_nas.errors import SettingError

__all__ = ["ImageScaling", "build_detector"]

_ANCHORS, _RATIOS = (32, 64, 128, 256, 512), (0.5, 1.0, 2.0)  # pixels; height by width
_REGION, _SAMPLES = 7, 2
_CLASSES = 2  # the background, and the one class of the data set
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ImageNet's training images


@dataclass(frozen=True)
class ImageScaling:
    """How images are brought to a detector: scaled so that neither side is larger than wanted, normalised.

    Args:
        min_size: the shorter side, in pixels, unless the longer one would exceed ``max_size``; at least 32.
        max_size: the largest longer side, in pixels.
        mean: of each channel, for values in [0, 1].
        std: of each channel, above 0.

    Raises:
        SettingError: if a value is out of range.
    """

    min_size: int = 800
    max_size: int = 1333
    mean: Sequence[float] = _MEAN
    std: Sequence[float] = _STD

    def __post_init__(self) -> None:
        whole("min_size", self.min_size, 32)  # what backbones divide the resolution by
        whole("max_size", self.max_size, self.min_size)
        for name, values in (("mean", self.mean), ("std", self.std)):
            if len(values) != 3:
                raise SettingError(f"`{name}` must have a number for each of 3 channels, but has {len(values)}.")
        for value in self.std:
            number("std", value, above=0)

    @classmethod
    def default(cls, is_vision_transformer: bool) -> "ImageScaling":
        """That of the protocol: vision transformers take images that are 2.5 times smaller."""
        return cls(320, 533) if is_vision_transformer else cls()

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "mean": list(self.mean), "std": list(self.std)}


def build_detector(backbone: Backbone, scaling: ImageScaling, *, regions: int = 512, seed: int = 0) -> nn.Module:
    """A detector with new weights but for the backbone's.

    Args:
        backbone: any module that maps images to one feature map and has ``out_channels``.
        scaling: of the images.
        regions: of each image, sampled in training; see :class:`DetectionRecipe`.
        seed: of the new weights. torch's global random numbers are afterwards as they were.

    Returns:
        ``torchvision.models.detection.FasterRCNN``: in training it maps a list of images (3, H, W) in [0, 1], and of
        targets, to losses; in evaluation, images to boxes, labels and scores.
    """
    from torchvision.models.detection import FasterRCNN
    from torchvision.models.detection.anchor_utils import AnchorGenerator
    from torchvision.ops import MultiScaleRoIAlign

    with forked_rng(torch.device("cpu")):
        torch.manual_seed(seed)
        detector: nn.Module = FasterRCNN(
            backbone,
            num_classes=_CLASSES,
            min_size=scaling.min_size,
            max_size=scaling.max_size,
            image_mean=list(scaling.mean),
            image_std=list(scaling.std),
            rpn_anchor_generator=AnchorGenerator((_ANCHORS,), (_RATIOS,)),
            box_batch_size_per_image=regions,
            box_roi_pool=MultiScaleRoIAlign(["0"], output_size=_REGION, sampling_ratio=_SAMPLES),
        )
    return detector
