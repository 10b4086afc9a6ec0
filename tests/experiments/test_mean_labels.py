"""The learning curve against means of three trainings: its data, and how much noise is left in them."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.experiments import mean_labels
from tart_nas.experiments.label_targets import labels_of, networks_of
from tart_nas.experiments.mean_labels import (
    DRAWS,
    FIRST,
    METHODS,
    MORE,
    OTHER_TARGETS,
    _of_the_truth,
    accuracies,
    ceiling,
    data,
    tasks,
)


def test_predictors_learn_from_single_labels_and_are_judged_by_means():
    labelled, sizes = data(lambda label: label["test_acc"])
    assert (sizes, len(labelled.architectures)) == ((300, 600), 700)
    known = [labels[i] for labels in (labels_of(FIRST), labels_of(MORE)) for i in sorted(labels)]
    assert labelled.targets["accuracy"][:600].tolist() == [label["test_acc"] for label in known]
    tested = [labels_of(f"deepnets1m-test-{seed}") for seed in range(3)]
    assert labelled.architectures[607] == networks_of(tested[1].values())[7].resized(C=8)
    mean = np.mean([labels[7][name] for labels in tested for name in ("val_acc", "test_acc")])
    assert labelled.targets["accuracy"][607] == pytest.approx(mean)


def test_no_network_is_learned_from_and_asked_for():
    labelled, sizes = data(lambda label: label["test_acc"])
    for task in tasks(sizes, len(labelled.architectures)):
        train, test = ({labelled.architectures[row] for row in rows} for rows in (task.train, task.test))
        assert train.isdisjoint(test)
        assert (len(train), len(test)) == (int(task.name.partition("/")[0]), 100)


def test_the_ceiling_is_that_of_simulated_trainings():
    """Exact predictions of normal accuracies with normal noise: their tau with the means is what is estimated."""
    rng = np.random.default_rng(0)
    truth = rng.normal(25, 6, 3000)
    labels = truth + rng.normal(0, 3, (3, 3000))
    assert _of_the_truth(labels) == pytest.approx(kendalltau(truth, labels.mean(axis=0)).statistic, abs=0.01)
    assert _of_the_truth(rng.normal(size=(3, 3000))) < 0.2, "of noise alone"
    assert not math.isnan(_of_the_truth(labels[:, :2]))


def test_the_means_of_the_repository_tell_more_than_one_training():
    found = ceiling()
    assert accuracies().shape == (3, found["networks"]) == (3, 100)
    one, exact = (found[name] for name in ("one training with the mean of two", "exact predictions"))
    assert one["interval"][0] < one["tau"] < one["interval"][1] < exact["tau"] < 1
    assert mean_labels.plan(None).jobs[0][0] == ("ceiling",)  # type: ignore[arg-type]


def test_the_committed_results_are_complete_and_printed(capsys):
    results = json.loads(Path(str(mean_labels.__file__)).with_suffix(".json").read_text())["results"]
    assert {*results["methods"]} == {*METHODS}
    assert {name: len(by_task) for name, by_task in results["targets"].items()} == dict.fromkeys(OTHER_TARGETS, 2)
    assert {len(by_task) for by_task in results["methods"].values()} == {2 * DRAWS + 2}
    assert mean_labels.main(["--only"]) == 0
    best = results["methods"]["Gaussian processes, the mean of both"]["600/0"]["tau"]
    assert f"{best:.3f}" in capsys.readouterr().out
