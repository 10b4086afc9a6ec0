"""The table of the TART paper: what three predictors learn from DeepNets-1M's val split, on its test split.

``python -m tart_nas.experiments.paper_table --data-dir DIR`` wants in DIR the released ``deepnets1m_eval.hdf5``,
``deepnets1m_eval_meta.json`` (``tart-nas data download``) and ``results_cifar10.json``. It fits each predictor to each
property of the 500 val networks, with 5 seeds, compares its predictions of the 500 test networks by Kendall's tau, and
prints ours beside the published figures (He, Knyazev, Taylor, 2023). Results are written as they come; the same command
measures what is missing.

The protocol is the published one but for its known faults: convergence speed is learned from convergence times, targets
are standardised, a graph's prediction does not depend on its batch, and nodes tell more than their primitive except in
the pure transformer, which is the paper's. Nothing is chosen on the test networks. Networks without a label are left
out. Speeds are negative times; of inference times the logarithm is learned, since it is skewed less, which changes no
rank.
"""

import argparse
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import DeepNetsError
from tart_nas.experiments.command import exit_status
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.experiments.unseen import Labelled, rank_unseen
from tart_nas.predictors.targets import MIN_LABELS

__all__ = ["METHODS", "PROPERTIES", "PUBLISHED", "labelled", "main", "table"]

METHODS: dict[str, dict[str, Any]] = {
    "Neural Predictor": {"kind": "neural-predictor", "epochs": 300},
    "pure transformer": {"kind": "pure-transformer", "epochs": 300},
    "TART": {"kind": "tart-graph", "width": 64, "layers": 6, "epochs": 30},
}
"""The methods and their settings: the paper's layers and epochs, and otherwise the defaults."""

PROPERTIES: dict[str, tuple[str, Callable[[float], float]]] = {
    "clean accuracy": ("val_acc", lambda percent: percent),
    "noisy accuracy": ("val_acc_noise", lambda percent: percent),
    "inference speed": ("time", lambda milliseconds: -math.log(milliseconds)),
    "convergence speed": ("converge_time", lambda relative: -relative),
}
"""The label of each property, and the target that is made of it, higher being better."""

PUBLISHED: dict[str, tuple[str, ...]] = {
    "Neural Predictor": ("0.482", "0.451", "0.695", "0.395"),
    "pure transformer": ("0.544", "0.463", "0.913", "(0.544)"),
    "TART": ("0.266", "0.307", "0.885", "(0.266)"),
}
"""The published taus; those in brackets were trained on accuracy by mistake."""


def labelled(dataset: DeepNets1M, networks: int | None = None) -> dict[str, Labelled]:
    """The networks of a split with a label, for each property.

    Args:
        dataset: the split; its graphs are read, and so checked against the architectures.
        networks: take the first so many only.

    Raises:
        DeepNetsError: if fewer than :data:`~tart_nas.predictors.MIN_LABELS` networks have a label, or a time is not
            above 0.
    """
    examples = [dataset[index] for index in range(min(len(dataset), networks or len(dataset)))]
    found = {}
    for name, (label, target) in PROPERTIES.items():
        architectures, targets = [], []
        for example in examples:
            value = example.labels[label]
            if math.isnan(value) or example.architecture is None:
                continue
            if label == "time" and value <= 0:
                raise DeepNetsError(f"`time` of {dataset.split}/{example.index} must be above 0, but is {value}.")
            architectures.append(example.architecture)
            targets.append(target(value))
        if len(targets) < MIN_LABELS:
            raise DeepNetsError(
                f"{len(targets)} of {len(examples)} networks of {dataset.split} in {dataset.root} have the label "
                f"{label!r}, but at least {MIN_LABELS} must: results_cifar10.json must lie beside the files that it "
                "describes."
            )
        found[name] = Labelled(architectures, np.array(targets))
    return found


def table(results: Mapping[str, Any], title: str) -> Table:
    """The published figures, ours (mean and standard deviation over the seeds) beside each."""
    drawn = Table("Kendall tau", title=title)
    for name in PROPERTIES:
        drawn.add_column(f"{name}: published", justify="right")
        drawn.add_column("ours", justify="right")
    for method in METHODS:
        cells = []
        for name, published in zip(PROPERTIES, PUBLISHED[method], strict=True):
            taus = [result["tau"] for result in results.get(method, {}).get(name, {}).values()]
            spread = f" ± {stdev(taus):.3f}" if len(taus) > 1 else ""
            cells += [published, f"{mean(taus):.3f}{spread}" if taus else ""]
        drawn.add_row(method, *cells)
    return drawn


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what the file of results lacks, and prints the table."""
    splits = {split: DeepNets1M(arguments.data_dir, split) for split in ("val", "test")}
    methods = {name: METHODS[name] | ({"epochs": arguments.epochs} if arguments.epochs else {}) for name in METHODS}
    setting = {
        "data": {split: dataset.settings for split, dataset in splits.items()},
        "labels": {name: label for name, (label, _) in PROPERTIES.items()},
        "networks": arguments.networks,
        "methods": methods,
    }
    file = ResultsFile(arguments.out, setting)
    about = {"title": arguments.title, "threads": torch.get_num_threads(), "cores": os.cpu_count()}
    train, test = (labelled(dataset, arguments.networks) for dataset in splits.values())
    for seed in range(arguments.seeds):
        for method in arguments.methods:
            for name in PROPERTIES:
                known = file.results.setdefault(method, {}).setdefault(name, {})
                if str(seed) not in known:
                    result = rank_unseen(methods[method], seed, train[name], test[name], arguments.device)
                    known[str(seed)] = result
                    file.save(about)
                    console.print(f"seed {seed}  {method:<18} {name:<18} tau {result['tau']:.4f}")
    sizes = [len(next(iter(part.values())).targets) for part in (train, test)]
    console.print(table(file.results, f"{arguments.title}: {sizes[0]} networks of val, {sizes[1]} of test"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True, help="the folder of the three files")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--device", help="default a GPU when there is one")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--networks", type=int, help="for a trial: take the first so many of each split only")
    parser.add_argument("--epochs", type=int, help="for a trial: other epochs than the paper's")
    parser.add_argument("--title", default="DeepNets-1M", help="what the labels are, if not the released ones")
    arguments = parser.parse_args()
    return exit_status(lambda: run(arguments, Console(highlight=False)))


if __name__ == "__main__":
    sys.exit(main())
