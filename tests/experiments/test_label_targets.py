"""What a short training is judged by: the measures against scipy's on the labels of the repository."""

import json
from pathlib import Path

import pytest
from scipy.stats import kendalltau

from tart_nas.experiments import label_targets
from tart_nas.experiments.label_targets import COLUMNS, TARGETS
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.measurements import read_label_file


def test_repeats_are_compared_by_network():
    values: list[list[float]] = [[], []]
    for name in ("darts", "darts-pool"):
        for part, of_part in enumerate((name, f"{name}-repeat")):
            labels = read_label_file(LABELS / of_part / "labels.json")[1]
            values[part] += [labels[i]["test_acc"] for i in range(20)]
    found = COLUMNS["DARTS: repeats"](TARGETS["test accuracy"])
    assert found["mean"] == pytest.approx(kendalltau(*values).statistic)
    assert 0.04 < found["std"] < 0.15  # of 40 networks


def test_an_accuracy_agrees_with_itself():
    found = COLUMNS["own test accuracy"](TARGETS["test accuracy"])
    assert found == pytest.approx({"mean": 1.0, "std": 0.0}, abs=1e-9)


def test_losses_turn_round():
    """Higher is better for each target."""
    curve = {"train_loss": [2.0, 1.0], "train_accuracy": [0.1, 0.2], "validation_accuracy": [0.1, 0.2]}
    label = {"curve": curve, "val_acc": 20, "test_acc": 20}
    curve = {"train_loss": [1.5, 0.5], "train_accuracy": [0.2, 0.3], "validation_accuracy": [0.2, 0.3]}
    better = {"curve": curve, "val_acc": 30, "test_acc": 30}
    assert [name for name, target in TARGETS.items() if not target(better) > target(label)] == []


def test_the_committed_results_are_complete_and_printed(capsys):
    results = json.loads(Path(str(label_targets.__file__)).with_suffix(".json").read_text())["results"]
    assert {name: set(found) for name, found in results.items()} == {name: set(COLUMNS) for name in TARGETS}
    assert label_targets.main(["--only"]) == 0
    row = results["sum of training accuracies over epochs"]["predicted"]
    assert f"{row['mean']:.3f} ± {row['std']:.3f}" in capsys.readouterr().out
