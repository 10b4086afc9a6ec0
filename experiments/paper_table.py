"""The table of the TART paper: what three predictors learn from DeepNets-1M's val split, on its test split.

``python -m tart_nas.experiments.paper_table --data-dir DIR`` wants in DIR the released ``deepnets1m_eval.hdf5``,
``deepnets1m_eval_meta.json`` (``tart-nas data download``) and ``results_cifar10.json``. It fits each predictor to each
property of the 500 val networks, with 5 seeds, compares its predictions of the 500 test networks by Kendall's tau, and
prints ours beside the published figures (He, Knyazev, Taylor, 2023).

The protocol is the published one but for its known faults: convergence speed is learned from convergence times, targets
are standardised, a graph's prediction does not depend on its batch, and nodes tell more than their primitive except in
the pure transformer, which is the paper's. Nothing is chosen on the test networks. Networks without a label are left
out. Speeds are negative times; of inference times the logarithm is learned, since it is skewed less, which changes no
rank.
"""

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import DeepNetsError
from tart_nas.experiments.methods import rank_unseen
from tart_nas.experiments.runner import Options, Plan, experiment
from tart_nas.experiments.tables import mean_and_spread, table
from tart_nas.predictors import LabelledData
from tart_nas.predictors.targets import MIN_LABELS

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


def labelled(dataset: DeepNets1M, networks: int | None = None) -> dict[str, LabelledData]:
    """The networks of a split with a label, for each property.

    Args:
        dataset: the split; its graphs are read, and so checked against the architectures.
        networks: take the first so many only.

    Raises:
        DeepNetsError: if fewer than :data:`~tart_nas.predictors.targets.MIN_LABELS` networks have a label, or a time is
            not above 0.
    """
    examples = [dataset[index] for index in range(min(len(dataset), networks or len(dataset)))]
    found = {}
    for name, (label, target) in PROPERTIES.items():
        pairs = [(e.architecture, e.labels[label]) for e in examples if e.architecture is not None]
        pairs = [(architecture, value) for architecture, value in pairs if not math.isnan(value)]
        if label == "time" and (wrong := [e for e in examples if e.labels[label] <= 0]):
            value = wrong[0].labels[label]
            raise DeepNetsError(f"`time` of {dataset.split}/{wrong[0].index} must be above 0, but is {value}.")
        if len(pairs) < MIN_LABELS:
            raise DeepNetsError(
                f"{len(pairs)} of {len(examples)} networks of {dataset.split} in {dataset.root} have the label "
                f"{label!r}, but at least {MIN_LABELS} must: results_cifar10.json must lie beside the files that it "
                "describes."
            )
        found[name] = LabelledData([a for a, _ in pairs], {name: np.array([target(value) for _, value in pairs])})
    return found


def tables(results: dict[str, Any], title: str) -> Iterator[Table]:
    """The published figures, ours (mean and standard deviation over the seeds) beside each."""
    rows = []
    for method in METHODS:
        by_property = [results.get(method, {}).get(name, {}).values() for name in PROPERTIES]
        ours = [mean_and_spread([result["tau"] for result in of_seeds]) for of_seeds in by_property]
        rows.append((method, *(cell for pair in zip(PUBLISHED[method], ours, strict=True) for cell in pair)))
    columns = (column for name in PROPERTIES for column in (f"{name}: published", "ours"))
    yield table(("Kendall tau", *columns), rows, title)


def plan(arguments: argparse.Namespace) -> Plan:
    splits = {split: DeepNets1M(arguments.data_dir, split) for split in ("val", "test")}
    methods = {name: METHODS[name] | ({"epochs": arguments.epochs} if arguments.epochs else {}) for name in METHODS}
    setting = {
        "data": {split: dataset.settings for split, dataset in splits.items()},
        "labels": {name: label for name, (label, _) in PROPERTIES.items()},
        "networks": arguments.networks,
        "methods": methods,
    }
    train, test = (labelled(dataset, arguments.networks) for dataset in splits.values())
    jobs = [
        ((name, target, str(seed)), partial(rank_unseen, method, train[target], test[target], seed, arguments.device))
        for seed in range(arguments.seeds)
        for name, method in methods.items()
        for target in PROPERTIES
    ]
    sizes = [len(next(iter(part.values())).architectures) for part in (train, test)]
    title = f"{arguments.title}: {sizes[0]} networks of val, {sizes[1]} of test"
    return Plan(setting, jobs, partial(tables, title=title), about={"title": arguments.title})


def main(arguments: Sequence[str] | None = None) -> int:
    options: Options = {
        "--data-dir": {"type": Path, "required": True, "help": "the folder of the three files"},
        "--device": {"help": "default a GPU when there is one"},
        "--seeds": {"type": int, "default": 5},
        "--networks": {"type": int, "help": "for a trial: take the first so many of each split only"},
        "--epochs": {"type": int, "help": "for a trial: other epochs than the paper's"},
        "--title": {"default": "DeepNets-1M", "help": "what the labels are, if not the released ones"},
    }
    return experiment(__doc__, __file__, plan, options, arguments)


if __name__ == "__main__":
    sys.exit(main())
