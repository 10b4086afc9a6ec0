from pathlib import Path

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.experiments.generation_training import METHODS, SETTINGS, TEN, tens
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.measurements import MeasuringSettings, read_label_file

PAGE = Path(__file__).parents[2] / "docs/generation.md"
NAMES = ("generator", "evolution", "best of a random sample of 20,000", "drawn at random")
ROWS = dict(zip(METHODS, NAMES, strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_the_page_tells_the_committed_labels_of_the_committed_tens(method):
    networks = tens(LABELS.parent / "generation.json")[method]
    about, labels, failed = read_label_file(LABELS / f"generation-{method}/labels.json", method)
    assert failed == {}
    assert MeasuringSettings.from_dict(about["settings"]) == SETTINGS
    assert [Architecture.from_dict(labels[i]["architecture"]) for i in range(TEN)] == networks
    mean = np.mean([label["test_acc"] for label in labels.values()])
    assert f"\n| {ROWS[method]} | {mean:.2f} | " in PAGE.read_text()
