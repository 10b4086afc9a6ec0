"""What predictors learn of a property that is measured here: the inference time of 400 generated networks.

``python -m tart_nas.experiments.measured_property`` reads ``experiments/labels/inference-time.json`` and lets each
method learn from all folds but one and rank that one, in a cross-validation whose folds are the same for all. The
settings are below and were not chosen on the folds. Those of the published sizes take so long that ``--only`` must name
them. The last table is of the bundled predictors of DeepNets-1M's networks, on the 100 test networks of
:mod:`tart_nas.experiments.mean_labels`, of which they have learned none and which were timed three times.

``--labels FILE`` reads another file, and with ``--time`` times the networks into it first where there is none, some
eight minutes. They have the rules of DeepNets-1M's val split but 8 channels, and classify 8 images of 32x32; one thread
of the CPU computes, and its processor time counts (:mod:`tart_nas.measurements.inference_time`).
"""

import argparse
import os
import platform
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import track
from rich.table import Table
from scipy.stats import kendalltau, spearmanr

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import RunFolderError
from tart_nas.experiments.measure_labels import TEST_FILES
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
from tart_nas.measurements import inference_time, read_label_file, read_labelled_data
from tart_nas.measurements.label_file import write_label_file
from tart_nas.networks import build_network, parameter_count
from tart_nas.predictors import LabelledData, Predictor

LABELS = Path(__file__).parent / "labels" / "inference-time.json"
GROUP = "val"
NETWORKS, CHANNELS = 400, 8
SETTING = {"batch_size": 8, "image_size": 32, "passes": 3, "rounds": 8}

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


def networks() -> list[Architecture]:
    """The architectures that are timed."""
    with tempfile.TemporaryDirectory() as folder:
        generate("val", NETWORKS, folder, seed=SEED)
        return [architecture.resized(C=CHANNELS) for architecture in DeepNets1M(folder, "val").architectures()]


def timed(architectures: Sequence[Architecture]) -> dict[int, dict[str, Any]]:
    """The labels of the networks, by index: the milliseconds of each round, and the smallest, which is ``time``."""
    labels: dict[int, dict[str, Any]] = {index: {"rounds": [], "references": []} for index in range(len(architectures))}
    batch, size, passes, rounds = SETTING.values()
    for number in range(rounds):
        # Another order in each round, so that other programs harm no network more than another.
        order = np.random.default_rng(number).permutation(len(architectures)).tolist()
        for index in track(order, f"round {number}", transient=True):
            network = build_network(architectures[index], 10, size)
            time = inference_time(network, size, batch_size=batch, passes=passes, device="cpu")
            labels[index]["rounds"].append(round(time.milliseconds, 4))
            labels[index]["references"].append(round(time.reference, 4))
    for index, label in labels.items():
        # What others do to the caches and the clock only ever adds.
        label |= {"time": min(label["rounds"]), "params": parameter_count(architectures[index])}
    return labels


def reliability(labels: Mapping[int, Mapping[str, Any]]) -> dict[str, float]:
    """How well the first half of the rounds ranks the networks as the second half does; at least two rounds."""
    rounds = np.array([labels[index]["rounds"] for index in sorted(labels)])  # (networks, rounds)
    half = rounds.shape[1] // 2
    halves = rounds[:, :half].min(axis=1), rounds[:, half:].min(axis=1)
    return {
        "kendall": round(float(kendalltau(*halves).statistic), 4),
        "spearman": round(float(spearmanr(*halves).statistic), 4),
        "median_difference": round(float(np.median(np.abs(np.log(halves[0] / halves[1])))), 4),
    }


def read_speeds(path: Path, times: bool = False) -> LabelledData:
    """The networks and the logarithms of their speeds.

    Args:
        path: the file of labels.
        times: whether to time the networks where there is no file.

    Raises:
        RunFolderError: if the file cannot be read, or its labels are not those of the networks.
    """
    architectures = networks()
    if times and not path.exists():
        labels = timed(architectures)
        about = {
            "made_by": "python -m tart_nas.experiments.measured_property --time --labels FILE",
            "networks": f"tart-nas data generate val --n {NETWORKS} --seed {SEED}, with C = {CHANNELS}",
            "time": "milliseconds of processor time of one thread for a batch: the smallest of the rounds",
            "setting": SETTING,
            "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "torch": torch.__version__},
            "reliability": reliability(labels),
        }
        write_label_file(path, about, GROUP, labels, {})
    about, labels, _ = read_label_file(path, GROUP)
    if [labels[index]["params"] for index in sorted(labels)] != [parameter_count(a) for a in architectures]:
        raise RunFolderError(f"The labels in {path} are not those of the {len(architectures)} networks.")
    # The logarithm of a speed: higher is better, and a factor counts the same for slow networks and quick ones.
    return LabelledData(architectures, {SPEED: -np.log([labels[index]["time"] for index in sorted(labels)])}, about)


def tables(results: dict[str, Any], data: LabelledData) -> Iterator[Table]:
    """Tau over the folds and the seconds of a fit; tau of the bundled predictors."""
    rows = means(results, [("", "tau"), ("", "fit_seconds")], METHODS)
    title = f"inference speed of {len(data.architectures)} networks; reliability {data.description['reliability']}"
    yield table(("", "Kendall tau", "seconds of a fit"), rows, title)
    test = LabelledData.joined([read_labelled_data(LABELS.parent / name) for name in TEST_FILES])  # means of three
    scores = {name: Predictor.from_pretrained(name).predict(test.architectures, target=SPEED) for name in BUNDLED}
    taus = [(name, f"{ranking_tau(values, test.targets[SPEED]):.3f}") for name, values in scores.items()]
    yield table(("", f"tau on {len(test.architectures)} networks not learned from"), taus)


def plan(arguments: argparse.Namespace) -> Plan:
    data = read_speeds(arguments.labels, arguments.time)
    jobs = Measurement(data, arguments.device).jobs(METHODS, fold_tasks(len(data.architectures), FOLDS, SEED))
    setting = {"labels": dict(data.description), "methods": METHODS, "folds": FOLDS, "seed": SEED}
    return Plan(setting, jobs, partial(tables, data=data), by_name=[*PUBLISHED_SIZES])


main = partial(experiment, plan, {"--labels": LABELS, "--time": False, "--device": "cpu"})

if __name__ == "__main__":
    sys.exit(main())
