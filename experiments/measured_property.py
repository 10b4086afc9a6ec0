"""What predictors learn of a property that is measured here: the inference time of 400 generated networks.

``python -m tart_nas.experiments.measured_property`` reads ``experiments/labels/inference-time.json``, which
``measure_inference_time`` beside it wrote, and lets each method learn from all folds but one and rank that one, in a
cross-validation whose folds are the same for all. The settings are below and were not chosen on the folds. Those of
the published sizes take so long that ``--only`` must name them. The last table is of the bundled predictors of
DeepNets-1M's networks, on those of the 400 that they have not learned from; their labels are of another image size.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from rich.table import Table

from tart_nas.errors import RunFolderError
from tart_nas.experiments.deepnets1m_predictor import LABELS as LEARNED
from tart_nas.experiments.measure_inference_time import GROUP, LABELS, networks
from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS, folds, rank_unseen, ranking_tau
from tart_nas.experiments.runner import DEVICE, Plan, experiment
from tart_nas.experiments.tables import mean_and_spread, table
from tart_nas.measurements import read_label_file, read_labelled_data
from tart_nas.networks import parameter_count
from tart_nas.predictors import LabelledData, Predictor

METHODS: dict[str, dict[str, Any]] = {
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
    return LabelledData(architectures, {SPEED: -np.log([labels[index]["time"] for index in sorted(labels)])}, about)


def unlearned(data: LabelledData) -> LabelledData:
    """The networks that are not among those that the bundled predictors were fitted to."""
    learned = {architecture.genotype for architecture in read_labelled_data(LEARNED).architectures}
    rows = [row for row, architecture in enumerate(data.architectures) if architecture.genotype not in learned]
    return data.take(np.array(rows))


def tables(results: dict[str, Any], data: LabelledData) -> Iterator[Table]:
    """Tau over the folds and the seconds of a fit; tau of the bundled predictors."""
    rows = [
        (method, mean_and_spread([f["tau"] for f in fits]), len(fits), f"{mean(f['fit_seconds'] for f in fits):.1f}")
        for method in METHODS
        if (fits := list(results.get(method, {}).values()))
    ]
    title = f"inference speed of {len(data.architectures)} networks; reliability {data.description['reliability']}"
    yield table(("", "Kendall tau", f"of {FOLDS} folds", "seconds of a fit"), rows, title)
    unseen = unlearned(data)
    taus = [
        (name, ranking_tau(Predictor.from_pretrained(name).predict(unseen.architectures, target=SPEED), truth))
        for name in BUNDLED
        for truth in unseen.targets.values()
    ]
    rows_of_bundled = [(name, f"{tau:.3f}") for name, tau in taus]
    yield table(("", f"tau on {len(unseen.architectures)} networks not learned from"), rows_of_bundled)


def plan(arguments: argparse.Namespace) -> Plan:
    data = read_speeds(arguments.labels)
    setting = {"labels": dict(data.description), "methods": METHODS, "folds": FOLDS, "seed": SEED}
    jobs = [
        (
            (name, str(fold)),
            partial(rank_unseen, method, data.take(train), data.take(test), SEED + fold, arguments.device),
        )
        for fold, (train, test) in enumerate(folds(len(data.architectures), FOLDS, SEED))
        for name, method in METHODS.items()
    ]
    return Plan(setting, jobs, partial(tables, data=data), by_name=tuple(PUBLISHED_SIZES))


def main(arguments: Sequence[str] | None = None) -> int:
    options = {**DEVICE, "--labels": {"type": Path, "default": LABELS}}
    return experiment(__doc__, __file__, plan, options, arguments)


if __name__ == "__main__":
    sys.exit(main())
