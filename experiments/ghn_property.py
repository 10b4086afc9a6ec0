"""What a small graph hypernetwork tells of the properties of DeepNets-1M's networks.

``python -m tart_nas.experiments.ghn_property`` reads the measured labels of 300 networks and lets each method learn
four properties from four fifths of them and rank the others, in the 5-fold cross-validations of
``python -m tart_nas.experiments.deepnets1m_predictor``: the same networks, the same folds. Three cross-validations.

embedding: support vector regression on the mean of the bundled hypernetwork's node vectors. untrained: the same with a
hypernetwork of random weights, which tells what the training added. accuracy: the accuracy of predicted parameters on
1,000 images, without labels; a line is fitted through it.
"""

import argparse
import sys
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from tart_nas.experiments.deepnets1m_predictor import FOLDS, LABELS, identity, tables, tasks
from tart_nas.experiments.methods import Measurement, Method, Task
from tart_nas.experiments.runner import Plan, experiment
from tart_nas.hypernetworks import GHN
from tart_nas.hypernetworks.training import untrained_ghn
from tart_nas.measurements import read_labelled_data

_UNTRAINED = "untrained"

METHODS: dict[str, Method] = {
    "embedding": {"kind": "ghn-embedding"},
    "embedding, untrained": {"kind": "ghn-embedding", "ghn": _UNTRAINED},
    "accuracy": {"kind": "ghn-accuracy", "images": 1000},
}
"""The methods and their settings."""


def _measured(measurement: Measurement, method: Method, task: Task) -> dict[str, float]:
    if method.get("ghn") != _UNTRAINED:
        return measurement.of(method, task)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "untrained.safetensors"
        untrained_ghn(GHN.load("ghn2-cifar10-small").config, seed=0).save(path)
        return measurement.of({**method, "ghn": str(path)}, task)


def plan(arguments: argparse.Namespace) -> Plan:
    data = read_labelled_data(LABELS)
    data = data.take(np.arange(len(data.architectures))[: arguments.networks])
    setting = {"labels": identity(data), "trained_at": data.label_size, "methods": METHODS, "folds": FOLDS}
    setting["ghn"] = GHN.load("ghn2-cifar10-small").identity
    measurement = Measurement(data, "cpu")
    jobs = [
        ((name, task.name), partial(_measured, measurement, method, task))
        for name, method in METHODS.items()
        for task in tasks(len(data.architectures), arguments.repeats)
    ]
    return Plan(setting, jobs, partial(tables, methods=METHODS, in_all=METHODS))


main = partial(
    experiment,
    plan,
    {"--networks": (int, "take the first so many only"), "--repeats": (3, "cross-validations")},
)

if __name__ == "__main__":
    sys.exit(main())
