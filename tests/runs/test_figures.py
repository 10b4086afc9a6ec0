"""The figures of a run: their axes, ticks and curves."""

import numpy as np
import pytest

from tart_nas.runs.facts import PredictorFacts, RunFacts
from tart_nas.runs.figures import result_figure
from tests.runs.results import STATES, a_pick, a_result


def tick_labels(axis):
    """Those that are seen."""
    low, high = sorted(axis.get_view_interval())
    ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
    return [label.get_text() for place, label in ticks if low <= place <= high]


def test_the_axes_say_of_which_budget_they_are(tmp_path):
    labels = PredictorFacts(
        "own.safetensors", "gp", "accuracy", "%", {"C": 8}, {"image_size": 16, "train_images": 2500}
    )
    default = a_result().facts.predictor
    for predictor, judged in (
        (default, "by darts-cifar10, for 8 cells, 32 channels"),
        (labels, "by own.safetensors, for 8 cells, 8 channels, 16×16 pixels, 2,500 images"),
    ):
        scores, curves, measured, best = result_figure(a_result(facts=RunFacts(predictor, image_size=32))).axes
        for axes in (scores, measured):
            assert axes.get_xlabel().replace("\n", " ") == f"predicted accuracy (%); {judged}"
        for axes in (curves, measured, best):
            text = axes.get_ylabel().replace("\n", " ")
            assert "accuracy (%); 2 cells, 4 channels, 32×32 pixels, 270 images, 2 epochs" in text
        assert measured.get_ylabel().startswith("test accuracy")
        assert curves.get_ylabel().startswith("validation accuracy")
    unfinished = result_figure(STATES["interrupted"]()).axes[2]
    assert unfinished.get_ylabel().startswith("validation accuracy")


@pytest.mark.parametrize(
    "accuracies",
    [
        [0.990, 0.991, 0.992, 0.9915],
        [0.98765, 0.98766, 0.98767, 0.98768],
        [0.1, 0.1, 0.1, 0.1],
        [1.0, 1.0, 0.0, 1.0],
        [0.1, 0.45, 0.8, 0.99],
    ],
)
def test_ticks_differ(accuracies):
    names = ("top-1", "top-2", "random-1", "random-2")
    picks = [
        a_pick(name, place, (value / 2, value), value)
        for place, (name, value) in enumerate(zip(names, accuracies, strict=True))
    ]
    figure = result_figure(a_result(picks))
    figure.canvas.draw()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            labels = tick_labels(axis)
            assert len(labels) >= 2
            assert len(set(labels)) == len(labels), labels


def test_a_curve_of_one_epoch_is_seen():
    curves = result_figure(STATES["one epoch"]()).axes[1]
    assert len(curves.lines) == 2
    curves.figure.canvas.draw()
    assert tick_labels(curves.xaxis) == ["1"]
    for line in curves.lines:
        assert np.size(line.get_xdata()) == 1
        assert line.get_marker() in ("o", "s")
        assert line.get_markersize() > 2


@pytest.mark.parametrize("state", STATES)
@pytest.mark.filterwarnings("error")
def test_every_state_has_a_figure(state):
    figure = result_figure(STATES[state]())
    figure.canvas.draw()
    assert len(figure.axes) == 4


def test_the_old_way_to_a_figure_warns():
    with pytest.warns(DeprecationWarning, match="use tart_nas.runs.figures.result_figure") as seen:
        figure = a_result().plot()
    assert len(figure.axes) == 4
    assert seen[0].filename == __file__
