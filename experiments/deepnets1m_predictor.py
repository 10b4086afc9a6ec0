"""Which kind of predictor learns most from the labels of DeepNets-1M's networks that are measured here.

``python -m tart_nas.experiments.deepnets1m_predictor`` reads ``experiments/labels/deepnets1m-val/labels.json`` and lets
each method learn the four properties from four fifths of the networks and rank the others, in 5-fold cross-validations
whose folds are the same for all methods. Kinds that are fitted in a second go through three of them, the others through
the first. Neural networks learn all properties at once, with a head for each; of other kinds there is one model each.
All methods read the networks as they were trained, with 8 channels.

The methods and settings are below: few, and stated before they were compared. Batches, learning rate and features of
small transformers on graphs were chosen on one other split of the same networks, nothing else was; networks of the
published sizes must be named with ``--only``. That the best of them is bundled makes its own figure a little too good.
"""

import argparse
import hashlib
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS, Measurement, Method, Task, fold_tasks
from tart_nas.experiments.runner import Plan, experiment
from tart_nas.experiments.tables import means, table
from tart_nas.measurements import PROPERTIES, read_labelled_data
from tart_nas.predictors import LabelledData

LABELS = Path(__file__).parent / "labels/deepnets1m-val/labels.json"
FOLDS, REPEATS = 5, 3

_QUICK: dict[str, Method] = {
    "parameters": {"kind": "params"},
    "FLOPs": {"kind": "flops"},
    "ridge": {"kind": "ridge"},
    "support vectors": {"kind": "svr"},
    "Gaussian process": {"kind": "gp"},
}
_SLOW: dict[str, Method] = {
    "gradient boosting": {"kind": "boosting"},
    "Neural Predictor": {"kind": "neural-predictor", "width": 64, "epochs": 40},
    **SMALL_TRANSFORMERS,
    **PUBLISHED_SIZES,
    "TART, cell": {"kind": "tart-cell", "epochs": 60},
}
_MEANS: dict[str, Method] = {
    f"Gaussian process and {name}": {"kind": "ensemble", "weights": None, "members": [{"kind": "gp"}, _SLOW[name]]}
    for name in ("gradient boosting", "TART, graph", "TART, graph, 6 layers", "TART, cell")
}
METHODS = {**_QUICK, **_SLOW, **_MEANS}
"""The methods and their settings. Only the first five go through all cross-validations."""


def tasks(size: int, repeats: int) -> Iterator[Task]:
    """The folds of some cross-validations, by name ``repeat.fold``."""
    for repeat in range(repeats):
        yield from fold_tasks(size, FOLDS, repeat, FOLDS * repeat, f"{repeat}.")


def identity(data: LabelledData) -> dict[str, Any]:
    """What tells a set of labels from another."""
    # Rounded, since logarithms differ in the last digits from machine to machine.
    labels = {name: [round(value, 6) for value in values.tolist()] for name, values in data.targets.items()}
    return {"n": len(data.architectures), "sha256": hashlib.sha256(repr(labels).encode()).hexdigest()}


def tables(
    results: dict[str, Any], methods: Iterable[str] = METHODS, in_all: Iterable[str] = _QUICK
) -> Iterator[Table]:
    """Tau over the folds of the first cross-validation, and of all, of the methods that went through these."""
    columns = ("Kendall tau", *(name.replace("_", " ") for name in PROPERTIES), "seconds of a fit")
    for title, start, rows in (("the first cross-validation", "0.", methods), ("all cross-validations", "", in_all)):
        measures = [(start, name) for name in (*PROPERTIES, "fit_seconds")]
        yield table(columns, means(results, measures, rows), f"folds of {title}")


def plan(arguments: argparse.Namespace) -> Plan:
    data = read_labelled_data(arguments.labels)
    data = data.take(np.arange(len(data.architectures))[: arguments.networks])
    setting = {
        "labels": identity(data),
        "targets": {name: PROPERTIES[name][0] for name in data.targets},
        "trained_at": data.label_size,
        "methods": METHODS,
        "folds": FOLDS,
    }
    jobs = Measurement(data, arguments.device).jobs(
        METHODS,
        tasks(len(data.architectures), arguments.repeats),
        lambda method, task: task.startswith("0.") or method in _QUICK,
    )
    by_name = [name for name in METHODS if name.endswith(tuple(PUBLISHED_SIZES))]
    return Plan(setting, jobs, tables, by_name=by_name)


main = partial(
    experiment,
    plan,
    {
        "--labels": (LABELS, "a file that `tart-nas measure` wrote"),
        "--device": "cpu",
        "--networks": (int, "take the first so many only"),
        "--repeats": (REPEATS, "cross-validations"),
    },
)

if __name__ == "__main__":
    sys.exit(main())
