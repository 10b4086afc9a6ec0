"""Average precision of detections whose value is known by hand."""

import sys

import pytest
import torch

from tart_nas.detection import AveragePrecision, Detections, average_precision
from tart_nas.errors import SettingError

BOX = [10.0, 10.0, 20.0, 20.0]
HALF = 51 / 101  # the precision is read at the recalls 0, 0.01, ..., 1: so many of them are up to 0.5


def found(*boxes, scores=None):
    tensor = torch.tensor(boxes).reshape(-1, 4)
    return Detections(tensor, torch.tensor(scores or [0.9] * len(tensor)))


def precision(detections, truth):
    return average_precision(detections, [torch.tensor(boxes).reshape(-1, 4) for boxes in truth])


def test_what_is_found_exactly_and_what_is_not_found():
    assert precision([found(BOX), found()], [[BOX], []]).to_dict() == pytest.approx({"AP": 1, "AP50": 1, "AP75": 1})
    assert precision([found()], [[BOX]]) == AveragePrecision(0, 0, 0)


def test_an_overlap_of_62_percent_counts_at_three_of_ten_thresholds():
    result = precision([found([10.0, 10.0, 20.0, 16.2])], [[BOX]])
    assert (result.ap, result.ap50, result.ap75) == pytest.approx((0.3, 1, 0))


def test_false_detections_count_by_their_scores():
    truth = [[BOX], [BOX]]
    wrong = [50.0, 50.0, 60.0, 60.0]
    below = precision([found(BOX, wrong, scores=[0.9, 0.8]), found()], truth)
    assert below.ap == below.ap50 == pytest.approx(HALF)
    above = precision([found(BOX, wrong, scores=[0.8, 0.9]), found()], truth)
    assert above.ap == pytest.approx(HALF / 2)


def test_the_second_detection_of_a_box_is_false():
    result = precision([found(BOX, BOX, scores=[0.9, 0.8]), found(BOX, scores=[0.7])], [[BOX], [BOX]])
    assert result.ap50 == pytest.approx((51 + 50 * 2 / 3) / 101)


def test_what_there_is_no_precision_of():
    with pytest.raises(SettingError, match="needs a true box, but the 2 test images have none"):
        precision([found(BOX), found()], [[], []])
    with pytest.raises(SettingError, match="2 images, but detections in 1"):
        precision([found(BOX)], [[BOX], [BOX]])


def test_without_pycocotools_a_line_tells_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    with pytest.raises(SettingError, match=r"needs pycocotools; in the clone .* pip install '\.\[detection\]'"):
        precision([found(BOX)], [[BOX]])
