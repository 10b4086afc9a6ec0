"""The bar of a training that goes on."""

import re

from tart_nas.training import EpochMetrics
from tart_nas.training.bar import TrainingBar


def test_it_shows_the_epoch_that_runs(monkeypatch, capsys):
    """Of 4 epochs of 10 steps, 2 are done; an epoch that is repeated for lack of memory does not count twice."""
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    with TrainingBar(4, visible=True) as bar:
        for _ in range(2):
            for step in range(10):
                bar.step(2, step, 10)
        bar.epoch(EpochMetrics(3, 1.0, 0.5, 0.25, 0.1, 1.0))
        bar.step(3, 0, 10)
    shown = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", capsys.readouterr().err)
    assert "epoch 4/4" in shown
    assert "epoch 1/4" not in shown
    assert "loss 1.000, validation 25.0%" in shown
    assert "100%" not in shown
