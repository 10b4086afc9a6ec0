"""What predictors learn of the inference time of 301 networks of torchvision and timm, by their graphs.

``python -m tart_nas.experiments.traced_latency`` reads ``experiments/labels/traced-latency.jsonl.gz``, which
``measure_traced_latency`` beside it wrote, and lets each kind learn from four folds and rank the fifth. The target is
minus the logarithm of the time relative to the reference network's. Networks on graphs have few epochs, since a fit
takes minutes. Settings are below and were not chosen on the folds.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tart_nas.experiments.measure_traced_latency import LABELS, reliability
from tart_nas.experiments.methods import Measurement, Method, fold_tasks
from tart_nas.experiments.runner import Plan, experiment
from tart_nas.experiments.tables import means, table
from tart_nas.graphs import load_labelled_graphs
from tart_nas.predictors import LabelledData

_TART: Method = {"kind": "tart-graph", "epochs": 25}

METHODS: dict[str, Method] = {
    "parameters": {"kind": "params"},
    "FLOPs": {"kind": "flops"},
    "Gaussian process": {"kind": "gp-graph"},
    "Neural Predictor": {"kind": "neural-predictor", "width": 64, "epochs": 15},
    "pure transformer": {"kind": "pure-transformer", "width": 32, "layers": 4, "epochs": 25},
    "TART, graph": _TART,
    "TART, graph + Gaussian process": {"kind": "ensemble", "members": [{"kind": "gp-graph"}, _TART]},
}
"""The kinds and their settings: fewer epochs than by default, since these graphs have some 220 nodes."""

FOLDS, SEED = 5, 0
SPEED = "inference_speed"


def read_speeds(path: Path) -> LabelledData:
    """The graphs and the logarithms of the networks' speeds.

    Raises:
        GraphError: if the file cannot be read.
    """
    known = {label["network"]: (graph, label) for graph, label in load_labelled_graphs(path)}
    speeds = [-np.log(np.divide(label["milliseconds"], label["reference"])).mean() for _, label in known.values()]
    graphs: list[Any] = [graph for graph, _ in known.values()]  # which are read as architectures are
    about = {"n": len(graphs), "reliability": round(reliability(known), 4)}
    return LabelledData(graphs, {SPEED: np.array(speeds)}, about)


def tables(results: dict[str, Any], data: LabelledData) -> Iterator[Table]:
    """Tau over the folds, and the seconds of a fit."""
    rows = means(results, [("", "tau"), ("", "fit_seconds")], METHODS)
    title = f"{len(data.architectures)} networks; tau between two times of the same: {data.description['reliability']}"
    yield table(("", "Kendall tau", "seconds of a fit"), rows, title)


def plan(arguments: argparse.Namespace) -> Plan:
    data = read_speeds(arguments.labels)
    tasks = fold_tasks(len(data.architectures), FOLDS, SEED)
    jobs = Measurement(data, arguments.device).jobs(METHODS, tasks)
    setting = {"labels": dict(data.description), "methods": METHODS, "folds": FOLDS, "seed": SEED}
    return Plan(setting, jobs, partial(tables, data=data))


main = partial(experiment, plan, {"--labels": LABELS, "--device": "cpu"})

if __name__ == "__main__":
    sys.exit(main())
