"""How much each kind of predictor learns from more labels of DeepNets-1M's networks, judged by less noisy labels.

A single label of a small budget is noisy, so that a rank correlation with single labels tells predictors poorly apart.
``python -m tart_nas.experiments.mean_labels`` judges by 100 test networks that were trained three times each: by the
mean of their accuracies (validation and test images together). It reads ``experiments/labels``. None of the test
networks is among those that predictors learn from, which have one training each.

Of each method it prints Kendall's tau by number of labels: random 100 and 200 of the first 300 in three draws, those
300, and all 600. It prints how well one training of the test networks ranks them as the mean of the other two does, and
an estimate of the tau that exact predictions would reach: variance between networks and between trainings give the
reliability r of a mean of three; the correlation of the truth with it is sqrt(r), and Kendall's tau of normal variables
2 / pi asin(sqrt(r)). The Gaussian process is also fitted to other targets of the same trainings.

Methods and settings were stated before they were compared; nothing was chosen by the test networks.
"""

import argparse
import hashlib
import math
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from tart_nas.experiments.label_targets import TARGETS, Label, labels_of, networks_of
from tart_nas.experiments.measure_labels import TEST_FILES
from tart_nas.experiments.methods import SMALL_TRANSFORMERS, Measurement, Method, Task, ranking_tau
from tart_nas.experiments.runner import Job, Plan, experiment
from tart_nas.experiments.tables import means, table
from tart_nas.predictors import LabelledData

Floats = npt.NDArray[np.float64]

CHANNELS = 8  # of all labels
FIRST, MORE = "deepnets1m-val", "deepnets1m-val-more"
SIZES, DRAWS = (100, 200), 3  # random subsets of the first file's networks
_SAMPLES = 1000  # of the bootstrap over test networks

_PROCESS: Method = {"kind": "gp"}
_TAUGHT: Method = {"kind": "tart-cell", "features": True, "pretraining": 4096, "learning_rate": 0.001}
_CELL: Method = {"kind": "tart-cell", "epochs": 60}
METHODS: dict[str, Method] = {
    "parameters": {"kind": "params"},
    "Gaussian process": _PROCESS,
    "Gaussian process on graphs": {"kind": "gp-graph"},
    "Gaussian processes, the mean of both": {
        "kind": "ensemble",
        "weights": None,
        "members": [_PROCESS, {"kind": "gp-graph"}],
    },
    "TART, graph": SMALL_TRANSFORMERS["TART, graph"],
    "TART, cell": _CELL,
    "TART, cell, taught by the process": _TAUGHT,
    "Gaussian process and TART, graph": {
        "kind": "ensemble",
        "weights": None,
        "members": [_PROCESS, SMALL_TRANSFORMERS["TART, graph"]],
    },
    "Gaussian process and TART, cell, taught": {"kind": "ensemble", "weights": None, "members": [_PROCESS, _TAUGHT]},
}
"""The methods and their settings."""

OTHER_TARGETS = (
    "validation accuracy",
    "test accuracy",
    "sum of training accuracies over epochs",
    "-log training loss, last epoch",
    "-sum of training losses over epochs",
)


def accuracies() -> Floats:
    """The accuracies (3, n) of the n test networks that were trained with all three seeds, in per cent."""
    return np.array([[_accuracy(labels[i]) for i in sorted(labels)] for labels in _test_labels()])


def data(target: Callable[[Label], float]) -> tuple[LabelledData, tuple[int, int]]:
    """Networks to learn from, with single labels, then the test networks with their means.

    Args:
        target: what the single labels are.

    Returns:
        They, and how many of the first are in the first file, and in all.
    """
    files = [labels_of(name) for name in (FIRST, MORE)]
    values = [target(labels[i]) for labels in files for i in labels]
    networks = [network for labels in [*files, _test_labels()[0]] for network in networks_of(labels.values())]
    targets = np.array([*values, *accuracies().mean(axis=0)])
    of_their_size = [network.resized(C=CHANNELS) for network in networks]  # as they were trained
    return LabelledData(of_their_size, {"accuracy": targets}, label_size={"C": CHANNELS}), (len(files[0]), len(values))


def _accuracy(label: Label) -> float:
    """Of validation and test images together, in per cent."""
    return float(label["val_acc"] + label["test_acc"]) / 2


def _test_labels() -> list[dict[int, Label]]:
    """The labels of the test networks by seed, of those that were trained with each."""
    files = [labels_of(name) for name in TEST_FILES]
    in_all = set.intersection(*(set(labels) for labels in files))
    return [{i: labels[i] for i in in_all} for labels in files]


def tasks(sizes: tuple[int, int], total: int) -> Iterator[Task]:
    """What is learned from, by name ``labels/draw``; tested on the networks behind.

    Random subsets of the first file's networks, all of these, and all of both files.

    Args:
        sizes: how many networks to learn from are in the first file, and in all.
        total: of networks.
    """
    test = np.arange(sizes[1], total)
    for n in SIZES:
        for draw in range(DRAWS):
            rows = np.sort(np.random.default_rng(draw).permutation(sizes[0])[:n])
            yield Task(f"{n}/{draw}", draw, rows, test)
    for n in sizes:
        yield Task(f"{n}/0", 0, np.arange(n), test)


def ceiling() -> dict[str, Any]:
    """What noise in the labels leaves of Kendall's tau, with 95 % bootstrap intervals over the test networks."""
    labels = accuracies()
    rng = np.random.default_rng(0)
    samples = [labels[:, rows] for rows in rng.integers(labels.shape[1], size=(_SAMPLES, labels.shape[1]))]
    measures = {"one training with the mean of two": _one_with_two, "exact predictions": _of_the_truth}
    return {
        name: {
            "tau": measure(labels),
            "interval": np.quantile([measure(sample) for sample in samples], (0.025, 0.975)).tolist(),
        }
        for name, measure in measures.items()
    } | {"networks": labels.shape[1]}


def _one_with_two(labels: Floats) -> float:
    taus = [ranking_tau(one, np.delete(labels, row, axis=0).mean(axis=0)) for row, one in enumerate(labels)]
    return float(np.mean(taus))


def _of_the_truth(labels: Floats) -> float:
    trainings = len(labels)
    noise = labels.var(axis=0, ddof=1).mean() / trainings  # of the mean of a network's trainings
    reliability = max(0.0, 1 - noise / labels.mean(axis=0).var(ddof=1))
    return 2 / math.pi * math.asin(math.sqrt(reliability))


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Tau by number of labels, of targets, and the ceiling."""
    counts = sorted({int(task.partition("/")[0]) for found in results.get("methods", {}).values() for task in found})
    for title, rows in (("methods", METHODS), ("targets", OTHER_TARGETS)):
        columns = [(f"{n}/", "tau") for n in counts]
        yield table(
            (f"Kendall tau, {title}", *(f"{n} labels" for n in counts)), means(results.get(title, {}), columns, rows)
        )
    if found := results.get("ceiling"):
        ceilings = [
            (name, f"{value['tau']:.3f}", "{:.3f} to {:.3f}".format(*value["interval"]))
            for name, value in found.items()
            if name != "networks"
        ]
        yield table((f"{found['networks']} test networks", "Kendall tau", "95 % interval"), ceilings)


def plan(arguments: argparse.Namespace) -> Plan:
    labelled, sizes = data(_accuracy)
    of_all = list(tasks(sizes, len(labelled.architectures)))
    jobs: list[Job] = [(("ceiling",), ceiling)]
    jobs += [(("methods", *place), job) for place, job in Measurement(labelled).jobs(METHODS, of_all)]
    for target in OTHER_TARGETS:
        others = Measurement(data(TARGETS[target])[0]).jobs({target: _PROCESS}, of_all[-len(sizes) :])
        jobs += [(("targets", *place), job) for place, job in others]
    sha256 = hashlib.sha256(repr(labelled.targets["accuracy"].round(6).tolist()).encode()).hexdigest()
    setting = {"labels": {"train": list(sizes), "test": len(labelled.architectures) - sizes[1], "sha256": sha256}}
    return Plan({**setting, "methods": METHODS}, jobs, tables)


main = partial(experiment, plan, {})

if __name__ == "__main__":
    sys.exit(main())
