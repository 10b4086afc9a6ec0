"""Which kind of predictor learns most from the labels of DeepNets-1M's networks that are measured here.

``python -m tart_nas.experiments.deepnets1m_predictor`` reads ``experiments/labels/deepnets1m-val/labels.json`` and lets
each method learn the four properties from four fifths of the networks and predict the others, in 5-fold
cross-validations whose folds are the same for all methods. Kinds that are fitted in a second go through three of them,
the others through the first. Neural networks learn all properties at once, with a head for each; of other
kinds there is one model each. All methods read the networks as they were trained, with 8 channels.

The methods and settings are below: few, and stated before they were compared. Batches, learning rate and features of
small transformers on graphs were chosen on one other split of the same networks, nothing else was; networks of the
published sizes must be named with ``--only``. That the best of them is bundled makes its own figure a little too good.
A mean of two kinds is made of their predictions, as ``Predictor("ensemble", weights=None)`` makes it.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from rich.table import Table

from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS, Task, fit_method, folds, ranking_tau
from tart_nas.experiments.runner import DEVICE, Plan, experiment
from tart_nas.experiments.tables import mean_and_spread, table
from tart_nas.measurements import PROPERTIES, read_labelled_data
from tart_nas.predictors import LabelledData

__all__ = ["MEANS", "METHODS", "fold_taus", "identity", "main", "tasks"]

LABELS = Path(__file__).parent / "labels/deepnets1m-val/labels.json"
FOLDS, REPEATS = 5, 3

METHODS: dict[str, dict[str, Any]] = {
    "parameters": {"kind": "params"},
    "FLOPs": {"kind": "flops"},
    "ridge": {"kind": "ridge"},
    "support vectors": {"kind": "svr"},
    "gradient boosting": {"kind": "boosting"},
    "Gaussian process": {"kind": "gp"},
    "Neural Predictor": {"kind": "neural-predictor", "width": 64, "epochs": 40},
    **SMALL_TRANSFORMERS,
    **PUBLISHED_SIZES,
    "TART, cell": {"kind": "tart-cell", "epochs": 60},
}
"""The methods and their settings."""

ONCE = ("gradient boosting", "Neural Predictor", *SMALL_TRANSFORMERS, *PUBLISHED_SIZES, "TART, cell")
"""The methods that go through the first cross-validation only."""

MEANS: dict[str, tuple[str, str]] = {
    "Gaussian process and boosting": ("Gaussian process", "gradient boosting"),
    "Gaussian process and TART, graph": ("Gaussian process", "TART, graph"),
    "Gaussian process and TART, 6 layers": ("Gaussian process", "TART, graph, 6 layers"),
    "Gaussian process and TART, cell": ("Gaussian process", "TART, cell"),
}
"""The means of two methods."""


def tasks(size: int, repeats: int) -> Iterator[Task]:
    """The folds of some cross-validations, by name ``repeat.fold``."""
    for repeat in range(repeats):
        for fold, (train, test) in enumerate(folds(size, FOLDS, repeat)):
            yield Task(f"{repeat}.{fold}", FOLDS * repeat + fold, train, test)


def predicted(method: Mapping[str, Any], data: LabelledData, task: Task, device: str = "cpu") -> dict[str, Any]:
    """The seconds that it took, and what a method predicts of each property, rounded to what it means."""
    start = time.perf_counter()
    asked = data.take(task.test)
    predictor = fit_method(method, data.take(task.train), asked, task.seed, device)
    predictions = {
        name: [float(f"{value:.5g}") for value in predictor.predict(asked.architectures, target=name)]
        for name in data.targets
    }
    return {"seconds": round(time.perf_counter() - start, 2), "predictions": predictions}


def identity(data: LabelledData) -> dict[str, Any]:
    """What tells a set of labels from another."""
    labels = {name: [round(value, 6) for value in values.tolist()] for name, values in data.targets.items()}
    return {"n": len(data.architectures), "sha256": hashlib.sha256(repr(labels).encode()).hexdigest()}


def fold_taus(results: Mapping[str, Any], method: str, data: LabelledData, repeats: int) -> dict[str, list[float]]:
    """Kendall's tau of a method in each fold that was computed of some cross-validations, for each property."""
    taus: dict[str, list[float]] = {name: [] for name in data.targets}
    parts = [results.get(part, {}) for part in MEANS.get(method, (method,))]
    for task in tasks(len(data.architectures), repeats):
        if all(task.name in part for part in parts):
            for name, values in data.targets.items():
                predictions = np.mean([part[task.name]["predictions"][name] for part in parts], axis=0)
                taus[name].append(ranking_tau(predictions, values[task.test]))
    return taus


def tables(results: Mapping[str, Any], data: LabelledData, repeats: int) -> Iterator[Table]:
    """Tau over the folds of the first cross-validation, and of all, of the methods that went through them."""
    for number in sorted({1, repeats}):
        rows = []
        for method in (*METHODS, *MEANS):
            taus = fold_taus(results, method, data, number)
            if all(len(of_folds) == FOLDS * number for of_folds in taus.values()):
                parts = [results[part].values() for part in MEANS.get(method, (method,))]
                seconds = sum(mean(fold["seconds"] for fold in part) for part in parts)
                rows.append((method, *map(mean_and_spread, taus.values()), f"{seconds:.1f}"))
        columns = ("Kendall tau", *(name.replace("_", " ") for name in data.targets), "seconds of a fit")
        yield table(columns, rows, f"{len(data.architectures)} networks, cross-validations: {number}")


def plan(arguments: argparse.Namespace) -> Plan:
    data = read_labelled_data(arguments.labels)
    if arguments.networks is not None:
        data = data.take(np.arange(min(arguments.networks, len(data.architectures))))
    setting = {
        "labels": identity(data),
        "targets": {name: PROPERTIES[name][0] for name in data.targets},
        "trained_at": data.label_size,
        "methods": METHODS,
        "folds": FOLDS,
    }
    jobs = [
        ((name, task.name), partial(predicted, method, data, task, arguments.device))
        for task in tasks(len(data.architectures), arguments.repeats)
        for name, method in METHODS.items()
        if task.name.startswith("0.") or name not in ONCE
    ]
    show = partial(tables, data=data, repeats=arguments.repeats)
    return Plan(setting, jobs, show, by_name=tuple(PUBLISHED_SIZES))


def main(arguments: Sequence[str] | None = None) -> int:
    options = {
        **DEVICE,
        "--labels": {"type": Path, "default": LABELS, "help": "a file that `tart-nas measure` wrote"},
        "--networks": {"type": int, "help": "take the first so many only"},
        "--repeats": {"type": int, "default": REPEATS, "help": "cross-validations"},
    }
    return experiment(__doc__, __file__, plan, options, arguments)


if __name__ == "__main__":
    sys.exit(main())
