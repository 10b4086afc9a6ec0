"""Detection: Faster R-CNN fine-tuned on any backbone, from any start."""

from tart_nas.detection.average_precision import AveragePrecision, Detections, average_precision
from tart_nas.detection.backbone import Backbone, as_backbone
from tart_nas.detection.detector import ImageScaling, build_detector
from tart_nas.detection.downloading import download_penn_fudan
from tart_nas.detection.pedestrians import DetectionData, DetectionImage, load_pedestrians, mask_boxes
from tart_nas.detection.recipe import DetectionRecipe
from tart_nas.detection.run import DetectionResult, detect, load_detector
from tart_nas.detection.training import DetectionEpoch, detect_objects, train_detector

__all__ = [
    "AveragePrecision",
    "Backbone",
    "DetectionData",
    "DetectionEpoch",
    "DetectionImage",
    "DetectionRecipe",
    "DetectionResult",
    "Detections",
    "ImageScaling",
    "as_backbone",
    "average_precision",
    "build_detector",
    "detect",
    "detect_objects",
    "download_penn_fudan",
    "load_detector",
    "load_pedestrians",
    "mask_boxes",
    "train_detector",
]
