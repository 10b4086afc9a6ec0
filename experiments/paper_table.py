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
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import DeepNetsError
from tart_nas.experiments.methods import Measurement, Method, Task
from tart_nas.experiments.runner import Job, Plan, experiment
from tart_nas.experiments.tables import means, table
from tart_nas.predictors import LabelledData
from tart_nas.predictors.targets import MIN_LABELS

SPLITS = ("val", "test")

METHODS: dict[str, Method] = {
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


def labelled(folder: Path, name: str, networks: int | None = None) -> tuple[LabelledData, int]:
    """The networks of both splits with the label of a property, and how many of them are of val; they come first.

    Args:
        folder: of the three files; the graphs are read, and so checked against the architectures.
        name: of the property.
        networks: take the first so many of each split only.

    Raises:
        DeepNetsError: if fewer than :data:`~tart_nas.predictors.targets.MIN_LABELS` networks of a split have the label,
            or a time is not above 0.
    """
    label, target = PROPERTIES[name]
    architectures, targets, sizes = [], [], []
    for split in SPLITS:
        dataset = DeepNets1M(folder, split)
        examples = [dataset[index] for index in range(min(len(dataset), networks or len(dataset)))]
        known = [(e, e.architecture) for e in examples if e.architecture and not math.isnan(e.labels[label])]
        if wrong := [e for e, _ in known if label == "time" and e.labels[label] <= 0]:
            value = wrong[0].labels[label]
            raise DeepNetsError(f"`time` of {split}/{wrong[0].index} must be above 0, but is {value}.")
        if len(known) < MIN_LABELS:
            raise DeepNetsError(
                f"{len(known)} of {len(examples)} networks of {split} in {folder} have the label {label!r}, but at "
                f"least {MIN_LABELS} must: results_cifar10.json must lie beside the files that it describes."
            )
        architectures += [architecture for _, architecture in known]
        targets += [target(example.labels[label]) for example, _ in known]
        sizes.append(len(known))
    return LabelledData(architectures, {name: np.array(targets)}), sizes[0]


def tables(results: dict[str, Any], title: str) -> Iterator[Table]:
    """The published figures, ours (mean and standard deviation over the seeds) beside each."""
    ours = {row[0]: row[1:] for row in means(results, [(f"{name}/", "tau") for name in PROPERTIES], METHODS)}
    rows = [
        (method, *(cell for pair in zip(published, ours.get(method, [""] * 4), strict=True) for cell in pair))
        for method, published in PUBLISHED.items()
    ]
    columns = (column for name in PROPERTIES for column in (f"{name}: published", "ours"))
    yield table(("Kendall tau", *columns), rows, title)


def plan(arguments: argparse.Namespace) -> Plan:
    methods = {name: {**METHODS[name], "epochs": arguments.epochs or METHODS[name]["epochs"]} for name in METHODS}
    setting = {
        "data": {split: DeepNets1M(arguments.data_dir, split).settings for split in SPLITS},
        "labels": {name: label for name, (label, _) in PROPERTIES.items()},
        "networks": arguments.networks,
        "methods": methods,
    }
    jobs: list[Job] = []
    for target in PROPERTIES:
        data, n_val = labelled(arguments.data_dir, target, arguments.networks)
        rows = np.arange(len(data.architectures))
        tasks = [Task(f"{target}/{seed}", seed, rows[:n_val], rows[n_val:]) for seed in range(arguments.seeds)]
        jobs += Measurement(data, arguments.device).jobs(methods, tasks)
    title = f"{arguments.title}: {n_val} networks of val, {len(rows) - n_val} of test"
    return Plan(setting, jobs, partial(tables, title=title), about={"title": arguments.title})


main = partial(
    experiment,
    plan,
    {
        "--data-dir": ({"type": Path, "required": True}, "the folder of the three files"),
        "--device": (str, "default a GPU when there is one"),
        "--seeds": 5,
        "--networks": (int, "for a trial: take the first so many of each split only"),
        "--epochs": (int, "for a trial: other epochs than the paper's"),
        "--title": ("DeepNets-1M", "what the labels are, if not the released ones"),
    },
)

if __name__ == "__main__":
    sys.exit(main())
