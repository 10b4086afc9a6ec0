"""What predictors learn of a property that is measured here: the inference time of 400 generated networks.

``python -m tart_nas.experiments.measured_property`` reads ``experiments/labels/inference-time.json``, which
``measure_inference_time`` beside it wrote, and lets each method learn from all folds but one and rank that one, in a
cross-validation whose folds are the same for all. The settings are below and were not chosen on the folds. Those of
the published sizes take so long that ``--only`` must name them. The last table is of the bundled predictors of
DeepNets-1M's networks, on those of the 400 that they have not learned from; their labels are of another image size.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tart_nas.errors import RunFolderError
from tart_nas.experiments.deepnets1m_predictor import LABELS as LEARNED
from tart_nas.experiments.measure_inference_time import GROUP, LABELS, networks
from tart_nas.experiments.methods import (
    PUBLISHED_SIZES,
    SMALL_TRANSFORMERS,
    Measurement,
    Method,
    fold_tasks,
    ranking_tau,
)
from tart_nas.experiments.runner import Plan, experiment
from tart_nas.experiments.tables import means, table
from tart_nas.measurements import read_label_file, read_labelled_data
from tart_nas.networks import parameter_count
from tart_nas.predictors import LabelledData, Predictor

METHODS: dict[str, Method] = {
    "parameters": {"kind": "params"},
    "FLOPs": {"kind": "flops"},
    "Gaussian process": {"kind": "gp"},
    "TART, cell": {"kind": "tart-cell", "epochs": 60},
    "Neural Predictor": {"kind": "neural-predictor", "width": 64, "epochs": 40},
    **SMALL_TRANSFORMERS,
    **PUBLISHED_SIZES,
}
"""The methods and their settings."""

FOLDS, SEED = 3, 0
SPEED = "inference_speed"
BUNDLED = ("deepnets1m-cifar10", "deepnets1m-cifar10-graph")


def read_speeds(path: Path) -> LabelledData:
    """The networks and the logarithms of their speeds.

    Raises:
        RunFolderError: if the file cannot be read, or its labels are not those of the networks.
    """
    about, labels, _ = read_label_file(path, GROUP)
    architectures = networks()
    if [labels[index]["params"] for index in sorted(labels)] != [parameter_count(a) for a in architectures]:
        raise RunFolderError(f"The labels in {path} are not those of the {len(architectures)} networks.")
    # The logarithm of a speed: higher is better, and a factor counts the same for slow networks and quick ones.
    return LabelledData(architectures, {SPEED: -np.log([labels[index]["time"] for index in sorted(labels)])}, about)


def tables(results: dict[str, Any], data: LabelledData) -> Iterator[Table]:
    """Tau over the folds and the seconds of a fit; tau of the bundled predictors."""
    rows = means(results, [("", "tau"), ("", "fit_seconds")], METHODS)
    title = f"inference speed of {len(data.architectures)} networks; reliability {data.description['reliability']}"
    yield table(("", "Kendall tau", "seconds of a fit"), rows, title)
    # By their cells, since the widths are others there.
    learned = {architecture.genotype for architecture in read_labelled_data(LEARNED).architectures}
    unseen = data.take(np.flatnonzero([architecture.genotype not in learned for architecture in data.architectures]))
    scores = {name: Predictor.from_pretrained(name).predict(unseen.architectures, target=SPEED) for name in BUNDLED}
    taus = [(name, f"{ranking_tau(values, unseen.targets[SPEED]):.3f}") for name, values in scores.items()]
    yield table(("", f"tau on {len(unseen.architectures)} networks not learned from"), taus)


def plan(arguments: argparse.Namespace) -> Plan:
    data = read_speeds(arguments.labels)
    jobs = Measurement(data, arguments.device).jobs(METHODS, fold_tasks(len(data.architectures), FOLDS, SEED))
    setting = {"labels": dict(data.description), "methods": METHODS, "folds": FOLDS, "seed": SEED}
    return Plan(setting, jobs, partial(tables, data=data), by_name=[*PUBLISHED_SIZES])


main = partial(experiment, plan, {"--labels": LABELS, "--device": "cpu"})

if __name__ == "__main__":
    sys.exit(main())
