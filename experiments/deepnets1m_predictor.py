"""Which kind of predictor learns most from the labels of DeepNets-1M's networks that are measured here.

``python -m tart_nas.experiments.deepnets1m_predictor`` reads ``experiments/labels/deepnets1m-val/labels.json`` and lets
each method learn the four properties from four fifths of the networks and predict the others, in 5-fold
cross-validations whose folds are the same for all methods. Kinds that are fitted in a second go through three of them,
the others through the first. Neural networks learn all properties at once, with a head for each; of other
kinds there is one model each. All methods read the networks as they were trained, with 8 channels.

The methods and settings are below: few, and stated before they were compared. Batches, learning rate and features of
small transformers on graphs were chosen on one other split of the same networks, nothing else was; networks of the
published sizes must be named with ``--methods``. That the best of them is bundled makes its own figure a little too
good. A mean of two kinds is made of their predictions, as ``Predictor("ensemble", weights=None)`` makes it. Predictions
are written as they come; the same command computes what is missing and prints the tables.
"""

import argparse
import hashlib
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from tart_nas.experiments.command import exit_status
from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.measurements import PROPERTIES, read_labelled_data
from tart_nas.predictors import LabelledData, Predictor

__all__ = ["MEANS", "METHODS", "fold_taus", "folds_of", "identity", "main", "predicted", "table"]

LABELS = Path(__file__).parent / "labels/deepnets1m-val/labels.json"
FOLDS, REPEATS = 5, 3

METHODS: dict[str, dict[str, Any]] = {
    "parameters": {"kind": "params"},
    "FLOPs": {"kind": "flops"},
    "ridge": {"kind": "ridge"},
    "support vectors": {"kind": "svr"},
    "gradient boosting": {"kind": "boosting"},
    "Gaussian process": {"kind": "gp"},
    "Neural Predictor": {"kind": "neural-predictor", "width": 64, "epochs": 40},
    **SMALL_TRANSFORMERS,
    **PUBLISHED_SIZES,
    "TART, cell": {"kind": "tart-cell", "epochs": 60},
}
"""The methods and their settings."""

ONCE = ("gradient boosting", "Neural Predictor", *SMALL_TRANSFORMERS, *PUBLISHED_SIZES, "TART, cell")
"""The methods that go through the first cross-validation only."""

MEANS: dict[str, tuple[str, str]] = {
    "Gaussian process and boosting": ("Gaussian process", "gradient boosting"),
    "Gaussian process and TART, graph": ("Gaussian process", "TART, graph"),
    "Gaussian process and TART, 6 layers": ("Gaussian process", "TART, graph, 6 layers"),
    "Gaussian process and TART, cell": ("Gaussian process", "TART, cell"),
}
"""The means of two methods."""

Predictions = dict[str, list[float]]


def predicted(
    method: Mapping[str, Any], data: LabelledData, test: Sequence[int], seed: int, device: str = "cpu"
) -> Predictions:
    """What a method predicts of some networks, having learned from all others.

    Args:
        method: ``kind`` and settings of a predictor.
        data: all networks.
        test: the indices of those that are predicted.
        seed: of the fit.
        device: of what can be computed elsewhere than on the CPU.

    Returns:
        For each property the predictions, rounded to what they mean.
    """
    rows = np.asarray(test)
    rest, asked = data.take(np.setdiff1d(np.arange(len(data.architectures)), rows)), data.take(rows)
    predictor = Predictor(method["kind"], **{name: value for name, value in method.items() if name != "kind"})
    predictor.to(device).fit(
        rest.architectures, rest.targets, seed, label_size=data.label_size, extend_scope=asked.architectures
    )
    return {
        name: [float(f"{value:.5g}") for value in predictor.predict(asked.architectures, target=name)]
        for name in data.targets
    }


def identity(data: LabelledData) -> dict[str, Any]:
    """What tells a set of labels from another."""
    labels = {name: [round(value, 6) for value in values.tolist()] for name, values in data.targets.items()}
    return {"n": len(data.architectures), "sha256": hashlib.sha256(repr(labels).encode()).hexdigest()}


def folds_of(n: int, repeat: int) -> list[list[int]]:
    """The test networks of each fold of a cross-validation, those of :func:`tart_nas.predictors.cross_validate`."""
    return [fold.tolist() for fold in np.array_split(np.random.default_rng(repeat).permutation(n), FOLDS)]


def fold_taus(
    results: Mapping[str, Any], method: str, data: LabelledData, repeats: Sequence[int]
) -> dict[str, list[float]]:
    """Kendall's tau of a method in each fold that was computed of some cross-validations, for each property."""
    taus: dict[str, list[float]] = {name: [] for name in data.targets}
    parts = [results.get(part, {}) for part in MEANS.get(method, (method,))]
    for repeat in repeats:
        for fold, test in enumerate(folds_of(len(data.architectures), repeat)):
            known = [part[f"{repeat}.{fold}"]["predictions"] for part in parts if f"{repeat}.{fold}" in part]
            if len(known) < len(parts):
                continue
            for name, values in data.targets.items():
                tau = kendalltau(np.mean([predictions[name] for predictions in known], axis=0), values[test]).statistic
                taus[name].append(float(np.nan_to_num(tau)))  # 0 where all predictions are equal
    return taus


def table(results: Mapping[str, Any], data: LabelledData, repeats: Sequence[int], title: str) -> Table:
    """Mean and standard deviation of tau over the folds of some cross-validations, of the methods that have all."""
    drawn = Table("Kendall tau", *(name.replace("_", " ") for name in data.targets), "seconds of a fit", title=title)
    for method in (*METHODS, *MEANS):
        taus = fold_taus(results, method, data, repeats)
        if any(len(of_folds) < FOLDS * len(repeats) for of_folds in taus.values()):
            continue
        cells = [f"{mean(of_folds):.3f} ± {stdev(of_folds):.3f}" for of_folds in taus.values()]
        parts = [results[part] for part in MEANS.get(method, (method,))]
        seconds = sum(mean(fold["seconds"] for fold in part.values()) for part in parts)
        drawn.add_row(method, *cells, f"{seconds:.1f}")
    return drawn


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Computes what the file of results lacks, and prints the tables."""
    data = read_labelled_data(arguments.labels)
    if arguments.networks is not None:
        data = data.take(np.arange(min(arguments.networks, len(data.architectures))))
    setting = {
        "labels": identity(data),
        "targets": {name: PROPERTIES[name][0] for name in data.targets},
        "trained_at": data.label_size,
        "methods": METHODS,
        "folds": FOLDS,
    }
    file = ResultsFile(arguments.out, setting)
    for repeat in range(arguments.repeats):
        for method in arguments.methods:
            if repeat and method in ONCE:
                continue
            known = file.results.setdefault(method, {})
            for fold, test in enumerate(folds_of(len(data.architectures), repeat)):
                if (key := f"{repeat}.{fold}") in known:
                    continue
                start = time.perf_counter()
                predictions = predicted(METHODS[method], data, test, FOLDS * repeat + fold, arguments.device)
                known[key] = {"seconds": round(time.perf_counter() - start, 2), "predictions": predictions}
                file.save({"threads": torch.get_num_threads(), "cores": os.cpu_count()})
            taus = fold_taus(file.results, method, data, [repeat])
            console.print(f"{repeat}  {method:<28} {', '.join(f'{n} {mean(t):.3f}' for n, t in taus.items())}")
    n = len(data.architectures)
    console.print(table(file.results, data, range(1), f"{n} networks, one cross-validation of {FOLDS} folds"))
    title = f"{n} networks, {arguments.repeats} cross-validations"
    if arguments.repeats > 1 and (of_all := table(file.results, data, range(arguments.repeats), title)).row_count:
        console.print(of_all)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=Path, default=LABELS, help="a file that `tart-nas measure` wrote")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    small = [method for method in METHODS if method not in PUBLISHED_SIZES]
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=small, metavar="METHOD")
    parser.add_argument("--device", default="cpu", help="of what can be computed elsewhere")
    parser.add_argument("--networks", type=int, help="take the first so many only")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="cross-validations")
    arguments = parser.parse_args()
    return exit_status(lambda: run(arguments, Console(highlight=False, width=140)))


if __name__ == "__main__":
    sys.exit(main())
