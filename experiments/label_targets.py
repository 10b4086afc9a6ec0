"""Which target a short training is best judged by: how well each repeats, is predicted, and agrees with full training.

``python -m tart_nas.experiments.label_targets`` reads the labels in ``experiments/labels`` and compares what one
training gives: accuracies, sums over its epochs, training losses. Of each target it tells

- in DeepNets-1M's space, Kendall's tau between two trainings of the same 20 networks with different seeds, and the
  5-fold cross-validated tau of a Gaussian process that is fitted to 300 networks, with the target itself and with the
  mean of validation and test accuracy;
- in the DARTS space, tau between two trainings of the same 40 networks, and, of 200 networks, tau with the predictions
  of ``darts-cifar10``, which knows full training, and with the test accuracy at the end of the same training.

The sum of training losses is TSE of Ru et al., "Speedy Performance Estimation for Neural Architecture Search", NeurIPS
2021. Standard deviations are of 1,000 bootstrap samples of the networks, those of the cross-validation of its folds.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from statistics import mean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table
from scipy.stats import kendalltau

from tart_nas.architecture import Architecture
from tart_nas.experiments.measure_labels import BUDGET, LABELS
from tart_nas.experiments.methods import folds
from tart_nas.experiments.runner import Plan, experiment
from tart_nas.experiments.tables import table
from tart_nas.measurements import read_label_file
from tart_nas.predictors import Predictor

Label = Mapping[str, Any]

TARGETS: dict[str, Callable[[Label], float]] = {
    "validation accuracy": lambda label: label["val_acc"],
    "test accuracy": lambda label: label["test_acc"],
    "validation + test accuracy": lambda label: label["val_acc"] + label["test_acc"],
    "sum of validation accuracies over epochs": lambda label: sum(label["curve"]["validation_accuracy"]),
    "training accuracy, last epoch": lambda label: label["curve"]["train_accuracy"][-1],
    "sum of training accuracies over epochs": lambda label: sum(label["curve"]["train_accuracy"]),
    "-training loss, first epoch": lambda label: -label["curve"]["train_loss"][0],
    "-training loss, last epoch": lambda label: -label["curve"]["train_loss"][-1],
    "-log training loss, last epoch": lambda label: -math.log(label["curve"]["train_loss"][-1]),
    "-sum of training losses over epochs": lambda label: -sum(label["curve"]["train_loss"]),
    "-sum of log training losses over epochs": lambda label: -sum(map(math.log, label["curve"]["train_loss"])),
}
"""A target by its name: what it is of a label. Higher is better for each."""

SPACES = {"DeepNets-1M": ("deepnets1m-val",), "DARTS": ("darts", "darts-pool")}
"""The labels of each space, by the names of their folders; the repeats are beside them."""

_SAMPLES = 1000  # of the bootstrap: a standard deviation is then known to 2 %


def tau(first: npt.ArrayLike, second: npt.ArrayLike) -> dict[str, float]:
    """Kendall's tau of two lists, and its standard deviation over bootstrap samples."""
    a, b = np.asarray(first), np.asarray(second)
    rng = np.random.default_rng(0)
    samples = [kendalltau(a[rows], b[rows]).statistic for rows in rng.integers(len(a), size=(_SAMPLES, len(a)))]
    return {"mean": float(kendalltau(a, b).statistic), "std": float(np.nanstd(samples))}


def repeated(target: Callable[[Label], float], names: Sequence[str]) -> dict[str, float]:
    """How well a target ranks the networks of folders as the repeats with another seed do."""
    values: list[tuple[float, float]] = []
    for name in names:
        once, again = labels_of(name), labels_of(f"{name}-repeat")
        values += [(target(once[i]), target(again[i])) for i in sorted(once.keys() & again.keys())]
    return tau(*zip(*values, strict=True))


def cross_validated(target: Callable[[Label], float], truth: Callable[[Label], float]) -> dict[str, float]:
    """How well a Gaussian process that is fitted to a target ranks networks of DeepNets-1M by the truth."""
    labels = labels_in(SPACES["DeepNets-1M"])
    networks = [network.resized(C=BUDGET.C) for network in networks_of(labels)]  # as they were trained
    values, judged = (np.array([of(label) for label in labels]) for of in (target, truth))
    taus = []
    for train, test in folds(len(networks), 5):
        predictor = Predictor("gp").fit([networks[i] for i in train], values[train])
        taus.append(float(kendalltau(predictor.predict([networks[i] for i in test]), judged[test]).statistic))
    return {"mean": mean(taus), "std": stdev(taus)}


def with_full_training(target: Callable[[Label], float], names: Sequence[str] = SPACES["DARTS"]) -> dict[str, float]:
    """How well a target of a short training agrees with ``darts-cifar10``."""
    labels = labels_in(names)
    return tau([target(label) for label in labels], Predictor.open("darts-cifar10").predict(networks_of(labels)))


def with_its_own_end(target: Callable[[Label], float]) -> dict[str, float]:
    """How well a target agrees with the test accuracy of the same training."""
    labels = labels_in(SPACES["DARTS"])
    return tau([target(label) for label in labels], [label["test_acc"] for label in labels])


def labels_in(names: Sequence[str]) -> list[Label]:
    """The labels of folders, in the order of the indices."""
    return [label for name in names for label in labels_of(name).values()]


def labels_of(name: str) -> dict[int, Label]:
    """The labels of a folder, by the index of the network and in this order."""
    return dict(sorted(read_label_file(LABELS / name / "labels.json")[1].items()))


def networks_of(labels: Iterable[Label]) -> list[Architecture]:
    """The networks of labels."""
    return [Architecture.from_dict(label["architecture"]) for label in labels]


_END = TARGETS["validation + test accuracy"]
COLUMNS: dict[str, Callable[[Callable[[Label], float]], dict[str, float]]] = {
    "DeepNets-1M: repeats": lambda target: repeated(target, SPACES["DeepNets-1M"]),
    "predicted": lambda target: cross_validated(target, target),
    "predicted, accuracy": lambda target: cross_validated(target, _END),
    "DARTS: repeats": lambda target: repeated(target, SPACES["DARTS"]),
    "full training": with_full_training,
    "own test accuracy": with_its_own_end,
}


def tables(results: dict[str, Any]) -> Iterator[Table]:
    rows = [
        (name, *(f"{found['mean']:.3f} ± {found['std']:.3f}" for found in map(results[name].get, COLUMNS) if found))
        for name in TARGETS
        if name in results
    ]
    yield table(("Kendall tau", *COLUMNS), rows)


def plan(arguments: argparse.Namespace) -> Plan:
    jobs = [((name, column), partial(of, target)) for name, target in TARGETS.items() for column, of in COLUMNS.items()]
    return Plan({"folds": 5, "bootstrap": _SAMPLES}, jobs, tables)


main = partial(experiment, plan, {})

if __name__ == "__main__":
    sys.exit(main())
