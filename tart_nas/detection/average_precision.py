"""COCO's average precision of boxes, by pycocotools."""

import contextlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from tart_nas.errors import SettingError
from tart_nas.extras import how_to_install

__all__ = ["AveragePrecision", "Detections", "average_precision", "require_boxes", "require_pycocotools"]


@dataclass(frozen=True, eq=False)
class Detections:
    """What a detector finds in an image.

    Args:
        boxes: (n, 4): first column, first row, last column, last row, in pixels.
        scores: (n,), in [0, 1].
    """

    boxes: Tensor
    scores: Tensor


@dataclass(frozen=True)
class AveragePrecision:
    """COCO's average precision over all images, each value in [0, 1].

    Args:
        ap: the mean over the ten thresholds 0.50, 0.55, ..., 0.95 of the intersection over union.
        ap50: at the threshold 0.50, which Knyazev et al. (NeurIPS 2021) report.
        ap75: at the threshold 0.75.
    """

    ap: float
    ap50: float
    ap75: float

    def to_dict(self) -> dict[str, float]:
        """By the names of papers."""
        return {"AP": self.ap, "AP50": self.ap50, "AP75": self.ap75}


def average_precision(found: Sequence[Detections], expected: Sequence[Tensor]) -> AveragePrecision:
    """The average precision of detections of one class; of each image the 100 with the highest scores count.

    Args:
        found: what was detected in each image.
        expected: the true boxes in each image, (n, 4), at least one box in all.

    Raises:
        SettingError: if pycocotools is not installed, there is no true box, or not a detection for each image.
    """
    require_pycocotools()
    if len(found) != len(expected):
        raise SettingError(f"Each image needs detections: {len(expected)} images, but detections in {len(found)}.")
    require_boxes(expected)
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def dataset(boxes: Sequence[Tensor], scores: Sequence[Tensor | None]) -> Any:
        # As if both were ground truth: its own reader of results takes no empty list.
        annotations: list[dict[str, Any]] = []
        for image, (of_image, their_scores) in enumerate(zip(boxes, scores, strict=True)):
            for k, (x1, y1, x2, y2) in enumerate(of_image.tolist()):
                box = {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1), "iscrowd": 0}
                if their_scores is not None:
                    box["score"] = float(their_scores[k])
                # From 1: the evaluation takes the number 0 of a true box for no match.
                annotations.append({**box, "id": len(annotations) + 1, "image_id": image, "category_id": 1})
        coco = COCO()
        images = [{"id": image} for image in range(len(boxes))]
        coco.dataset = {"images": images, "categories": [{"id": 1}], "annotations": annotations}
        coco.createIndex()
        return coco

    with contextlib.redirect_stdout(io.StringIO()):  # it prints what it does, and tables
        truth = dataset(expected, [None] * len(expected))
        results = dataset([one.boxes for one in found], [one.scores for one in found])
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    ap, ap50, ap75 = (float(value) for value in evaluation.stats[:3])
    return AveragePrecision(ap, ap50, ap75)


def require_boxes(expected: Sequence[Tensor]) -> None:
    """Makes sure that there is something to detect: of nothing, the evaluation gives -1.

    Args:
        expected: the true boxes in each image.

    Raises:
        SettingError: if there are none.
    """
    if not any(len(boxes) for boxes in expected):
        raise SettingError(f"Average precision needs a true box, but the {len(expected)} test images have none.")


def require_pycocotools() -> None:
    """Makes sure that pycocotools is installed.

    Raises:
        SettingError: if it is not.
    """
    try:
        import pycocotools  # noqa: F401
    except ImportError:
        raise SettingError(f"Average precision needs pycocotools; {how_to_install('detection')}.") from None
