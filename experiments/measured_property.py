"""What predictors learn of a property that is measured here: the inference time of 400 generated networks.

``python -m tart_nas.experiments.measured_property`` reads ``experiments/labels/inference-time.json``, which
``measure_inference_time`` beside it wrote, and lets each method learn from all folds but one and rank that one, in a
cross-validation whose folds are the same for all. The settings are below and were not chosen on the folds. Those of
the published sizes take so long that ``--methods`` must name them. Results are written as they come; the same command
measures what is missing and prints the table. It also lets the bundled predictors of DeepNets-1M's networks rank those
of the 400 that they have not learned from; their labels are of another image size.
"""

import argparse
import os
import sys
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from tart_nas.errors import RunFolderError
from tart_nas.experiments import measure_labels
from tart_nas.experiments.command import exit_status
from tart_nas.experiments.measure_inference_time import GROUP, LABELS, networks
from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.experiments.unseen import Labelled, rank_unseen
from tart_nas.measurements import read_label_file, read_labelled_data
from tart_nas.networks import parameter_count
from tart_nas.predictors import Predictor

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

BUNDLED = ("deepnets1m-cifar10", "deepnets1m-cifar10-graph")
LEARNED = measure_labels.LABELS / "deepnets1m-val/labels.json"
"""What those were fitted to."""


def read_labels(path: Path) -> Labelled:
    """The networks and the logarithms of their speeds.

    Raises:
        RunFolderError: if the file cannot be read, or its labels are not those of the networks.
    """
    _, labels, _ = read_label_file(path, GROUP)
    architectures = networks()
    if sorted(labels) != list(range(len(architectures))) or any(
        labels[index]["params"] != parameter_count(architecture) for index, architecture in enumerate(architectures)
    ):
        raise RunFolderError(f"The labels in {path} are not those of the {len(architectures)} networks.")
    return Labelled(architectures, -np.log([labels[index]["time"] for index in range(len(architectures))]))


def unlearned(data: Labelled) -> Labelled:
    """The networks that are not among those that the bundled predictors were fitted to."""
    learned = {architecture.genotype for architecture in read_labelled_data(LEARNED).architectures}
    rows = [row for row, architecture in enumerate(data.architectures) if architecture.genotype not in learned]
    return data.take(np.array(rows, dtype=np.int64))


def table(results: dict[str, Any], title: str) -> Table:
    """Mean and standard deviation of tau over the folds, and the seconds of a fit."""
    drawn = Table("", "Kendall tau", "folds", "seconds of a fit", title=title)
    for method in (m for m in METHODS if results.get(m)):
        folds = results[method].values()
        taus = [fold["tau"] for fold in folds]
        spread = f" ± {stdev(taus):.3f}" if len(taus) > 1 else ""
        seconds = mean(fold["fit_seconds"] for fold in folds)
        drawn.add_row(method, f"{mean(taus):.3f}{spread}", f"{len(taus)} of {FOLDS}", f"{seconds:.1f}")
    return drawn


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what the file of results lacks, and prints the table."""
    data = read_labels(arguments.labels)
    about, _, _ = read_label_file(arguments.labels, GROUP)
    file = ResultsFile(arguments.out, {"labels": about, "methods": METHODS, "folds": FOLDS, "seed": SEED})
    folds = np.array_split(np.random.default_rng(SEED).permutation(len(data.targets)), FOLDS)
    for fold, test in enumerate(folds):
        train = np.setdiff1d(np.arange(len(data.targets)), test)
        for method in arguments.methods:
            known = file.results.setdefault(method, {})
            if str(fold) not in known:
                rest, asked = data.take(train), data.take(test)
                known[str(fold)] = rank_unseen(METHODS[method], SEED + fold, rest, asked, arguments.device)
                file.save({"threads": torch.get_num_threads(), "cores": os.cpu_count()})
                console.print(f"fold {fold}  {method:<18} tau {known[str(fold)]['tau']:.4f}")
    console.print(table(file.results, f"inference speed of {len(data.targets)} networks on this kind of CPU"))
    console.print(f"reliability of the labels, first against last rounds: {about['reliability']}")
    unseen = unlearned(data)
    for name in BUNDLED:
        scores = Predictor.from_pretrained(name).predict(unseen.architectures, target="inference_speed")
        tau = kendalltau(scores, unseen.targets).statistic
        console.print(f"{name}: Kendall tau {tau:.3f} on the {len(scores)} networks that it has not learned from")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, default=LABELS)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    small = [method for method in METHODS if method not in PUBLISHED_SIZES]
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=small, metavar="METHOD")
    parser.add_argument("--device", default="cpu", help="of what can be computed elsewhere")
    arguments = parser.parse_args()
    return exit_status(lambda: run(arguments, Console(highlight=False, width=140)))


if __name__ == "__main__":
    sys.exit(main())
