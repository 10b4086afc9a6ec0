"""How far our graph hypernetworks are from reference values computed with the published code.

``python -m tart_nas.experiments.ghn_reference FOLDER`` predicts the parameters of each network by each hypernetwork in
a folder of reference values, from the graph that the reference was given and from our own, and repeats five training
steps of some. Printed is the largest error of each hypernetwork, relative to the largest value of a tensor.
"""

import argparse
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch
from rich.table import Table

from tart_nas.experiments.ghn_reference_values import ReferenceValues
from tart_nas.experiments.runner import Job, Options, Plan, experiment
from tart_nas.experiments.tables import table

_OPTIONS: Options = {"folder": (Path, "the folder of reference values")}
_TRAINING = "five training steps"
_MEASURED = ("x_shape", "x_gnn", "embedding", "parameters", "parameters by our graph")
_TRAINED = ("losses", "gradients", "weights")


def _plan(options: argparse.Namespace) -> Plan:
    torch.set_num_threads(1)
    values = ReferenceValues(options.folder)
    ghn = cache(values.ghn)

    def errors(checkpoint: str, network: str) -> dict[str, float]:
        result = values.errors(ghn(checkpoint), checkpoint, network)
        own = values.own_graph_error(ghn(checkpoint), checkpoint, network)
        return result if own is None else {**result, "parameters by our graph": own}

    def training(checkpoint: str) -> dict[str, float]:
        return values.training_errors(values.ghn(checkpoint), checkpoint)

    jobs: list[Job] = [
        ((checkpoint, network), partial(errors, checkpoint, network))
        for checkpoint in values.checkpoints()
        for network in values.networks(checkpoint)
    ]
    jobs += [((checkpoint, _TRAINING), partial(training, checkpoint)) for checkpoint in values.trained()]
    return Plan({}, jobs, _tables)


def _tables(results: dict[str, Any]) -> list[Table]:
    predictions, trainings = [], []
    for checkpoint, by_network in results.items():
        errors = [by_network[network] for network in by_network if network != _TRAINING]
        worst = [max((error[name] for error in errors if name in error), default=0.0) for name in _MEASURED]
        predictions.append((checkpoint, len(errors), *(f"{error:.1e}" for error in worst)))
        if _TRAINING in by_network:
            trainings.append((checkpoint, *(f"{by_network[_TRAINING][name]:.1e}" for name in _TRAINED)))
    return [
        table(("", "networks", *_MEASURED), predictions, "largest errors of predictions"),
        table(("", *_TRAINED), trainings, "largest errors of five training steps"),
    ]


def main(arguments: list[str] | None = None) -> int:
    return experiment(_plan, _OPTIONS, arguments)


if __name__ == "__main__":
    sys.exit(main())
