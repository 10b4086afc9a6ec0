"""How good each kind of predictor is, by the number of labels it learns from.

``python -m tart_nas.experiments.compare_predictors DATA`` fits every method to N labelled architectures and lets it
rank all others: for small N, several random draws of N; for the full set, repeated 5-fold
cross-validation. All methods see the same draws and folds, with the settings below, which were not chosen on them.

What was measured goes into a JSON file as soon as it is known; the same command measures what is missing. At the end it
prints the table and draws Kendall's tau by N.

Measures, all on architectures that the predictor has not seen: Kendall's tau; ``top``, the share of the true best 10 %
that is among the predicted best 10 %; ``regret``, how far the best of the 10 with the highest predictions lies below
the true best, in the targets' unit; ``coverage``, the share of targets within the 90 % interval of their prediction.
"""

import argparse
import functools
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau, norm

from tart_nas.architecture import Architecture
from tart_nas.drawing import save_figure
from tart_nas.experiments.command import exit_status
from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.predictors import Predictor, read_auxiliary, read_labelled
from tart_nas.predictors.models.ensemble import combined

Floats = npt.NDArray[np.float64]

METHODS: dict[str, dict[str, Any]] = {
    "parameters": {"kind": "params"},
    "FLOPs": {"kind": "flops"},
    "ridge": {"kind": "ridge"},
    "gradient boosting": {"kind": "boosting"},
    "SVR": {"kind": "svr"},
    "Gaussian process": {"kind": "gp"},
    "Neural Predictor": {"kind": "neural-predictor", "width": 64, "epochs": 60},
    **SMALL_TRANSFORMERS,
    **PUBLISHED_SIZES,
    "TART, cell": {"kind": "tart-cell"},
    "TART, cell, pretrained": {"kind": "tart-cell", "pretraining": 4096, "learning_rate": 1e-3},
    "TART, cell + Gaussian process": {"kind": "ensemble", "members": [{"kind": "tart-cell"}, {"kind": "gp"}]},
}
"""The methods and their settings. The last is that of the bundled predictor."""

SLOW = ("pure transformer", *PUBLISHED_SIZES)
"""Methods of which a fit can take ten minutes or more: measured on the first draw of each N and the first fold."""

ON_SOME_DRAWS = ("Neural Predictor", "TART, graph")
"""Methods of which it takes some minutes: measured on the first three draws and the first cross-validation."""

_FOLDS = 5
FULL = 574
"""What the folds leave of the 718 architectures to learn from."""

GOALS = {50: 0.72, 100: 0.80, 200: 0.84, 400: 0.87, FULL: 0.89}
"""Kendall's tau that is aimed at, by the number of labels."""

_MEASURES = ("tau", "top", "regret", "coverage", "fit_seconds", "scores_per_second")


@dataclass(frozen=True, eq=False)
class Task:
    """Some architectures to learn from and others to rank, as indices.

    Args:
        name: unique, such as ``"100/2"``.
        n: the number of labels, as in the table.
        seed: of the fit.
        train: (n,) indices.
        test: the others.
    """

    name: str
    n: int
    seed: int
    train: npt.NDArray[np.int64]
    test: npt.NDArray[np.int64]


def tasks(size: int, draws: int, repeats: int) -> Iterator[Task]:
    """All tasks: the draws of each N, then the folds of each repeat."""
    for n in (n for n in GOALS if n != FULL):
        for draw in range(draws):
            order = np.random.default_rng([n, draw]).permutation(size)
            yield Task(f"{n}/{draw}", n, draw, order[:n], order[n:])
    for repeat in range(repeats):
        order = np.random.default_rng(repeat).permutation(size)  # as in `tart_nas.predictors.cross_validate`
        for fold, test in enumerate(np.array_split(order, _FOLDS)):
            train = np.setdiff1d(np.arange(size), test)
            yield Task(f"{FULL}/{repeat}.{fold}", FULL, repeat + fold, train, test)


@dataclass(frozen=True)
class Data:
    """Labelled architectures.

    Args:
        architectures: n of them.
        targets: (n,).
        auxiliary: (n, K) other values known of them.
    """

    architectures: Sequence[Architecture]
    targets: Floats
    auxiliary: Floats


@dataclass(frozen=True)
class Outcome:
    """What a fitted method makes of a task's test architectures.

    Args:
        mean: (m,).
        std: (m,).
        fit_seconds: of the fit.
        score_seconds: of the predictions.
    """

    mean: Floats
    std: Floats
    fit_seconds: float
    score_seconds: float


class Measurement:
    """Measures methods on one task after another.

    Fits are deterministic, so an ensemble is put together from what its members predicted where they were measured on
    the same task just before: what comes out is the same as of a fit of its own.
    """

    def __init__(self, data: Data, device: str = "cpu") -> None:
        self.data, self._device = data, device
        self.outcome = functools.lru_cache(maxsize=8)(self._outcome)

    def _outcome(self, method: str, task: Task) -> Outcome:
        settings = json.loads(method)
        kind = settings.pop("kind")
        if kind == "ensemble":
            parts = [self.outcome(json.dumps(member), task) for member in settings["members"]]
            mean, std = combined(np.stack([p.mean for p in parts]), np.stack([p.std for p in parts]), "precision")
            return Outcome(mean, std, sum(p.fit_seconds for p in parts), sum(p.score_seconds for p in parts))
        start = time.perf_counter()
        predictor = self.fit(kind, settings, task)
        fitted = time.perf_counter()
        mean, std = predictor.predict([self.data.architectures[i] for i in task.test], return_std=True)
        return Outcome(mean, std, fitted - start, time.perf_counter() - fitted)

    def fit(self, kind: str, settings: dict[str, Any], task: Task, init: Predictor | None = None) -> Predictor:
        """A predictor of these settings, fitted to a task's labels."""
        return (
            Predictor(kind, **settings)
            .to(self._device)
            .fit(
                [self.data.architectures[i] for i in task.train],
                self.data.targets[task.train],
                task.seed,
                auxiliary=self.data.auxiliary[task.train],
                init=init,
            )
        )


def measure(method: dict[str, Any], task: Task, measurement: Measurement) -> dict[str, float]:
    """Fits a method to a task's labels and judges its predictions of the others."""
    outcome = measurement.outcome(json.dumps(method), task)
    scores, std = outcome.mean, outcome.std
    truth = measurement.data.targets[task.test]
    tenth = max(1, len(truth) // 10)
    best = set(np.argsort(-truth)[:tenth].tolist()) & set(np.argsort(-scores)[:tenth].tolist())
    judged = {
        "tau": float(kendalltau(scores, truth).statistic),
        "top": len(best) / tenth,
        "regret": float(truth.max() - truth[np.argsort(-scores)[:10]].max()),
        "fit_seconds": outcome.fit_seconds,
        "scores_per_second": len(truth) / outcome.score_seconds,
    }
    if np.isfinite(std).all():  # else the method does not say how sure it is
        judged["coverage"] = float((np.abs(truth - scores) <= norm.ppf(0.95) * std).mean())
    return judged


def summary(results: dict[str, dict[str, dict[str, float]]], method: str, n: int, measure: str) -> tuple[float, float]:
    """Mean and standard deviation of a measure over a method's tasks with n labels; NaN where there are none."""
    tasks_of_n = [result for name, result in results.get(method, {}).items() if int(name.split("/")[0]) == n]
    values = [result[measure] for result in tasks_of_n if measure in result]
    return (mean(values), stdev(values) if len(values) > 1 else float("nan")) if values else (float("nan"),) * 2


def tables(results: dict[str, dict[str, dict[str, float]]]) -> Iterator[Table]:
    """One table of tau by N, one of the other measures on the full set, where there are any."""
    by_n = Table("Kendall tau", *map(str, GOALS), title="by number of labels: mean ± standard deviation")
    others = Table(f"{FULL} labels", *_MEASURES)
    for method in (m for m in METHODS if results.get(m)):
        cells = [summary(results, method, n, "tau") for n in GOALS]
        by_n.add_row(method, *("" if np.isnan(m) else f"{m:.3f} ± {s:.3f}".replace(" ± nan", "") for m, s in cells))
        values = [summary(results, method, FULL, name)[0] for name in _MEASURES]
        if not np.isnan(values[0]):
            others.add_row(method, *("" if np.isnan(value) else f"{value:,.3g}" for value in values))
    by_n.add_row("goal", *(f"{goal:.2f}" for goal in GOALS.values()), style="dim")
    yield by_n
    if others.row_count:
        yield others


def draw(results: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Kendall's tau by the number of labels."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    for i, method in enumerate(m for m in METHODS if results.get(m)):
        points = [(n, *summary(results, method, n, "tau")) for n in GOALS]
        n, tau, spread = np.array([point for point in points if not np.isnan(point[1])]).T
        line = axes.errorbar(n, tau, np.nan_to_num(spread), label=method, capsize=2, color=f"C{i % 10}")
        if i >= 10:
            line[0].set_linestyle("--")
    axes.plot(list(GOALS), list(GOALS.values()), "k*", label="goal")
    axes.set_xscale("log")
    axes.set_xticks(list(GOALS), list(map(str, GOALS)))
    axes.minorticks_off()
    axes.set_xlabel("labelled architectures")
    axes.set_ylabel("Kendall tau on the others")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(bbox_to_anchor=(1.01, 1), loc="upper left", frameon=False)
    return figure


def _is_measured(method: str, task: Task) -> bool:
    if method in SLOW:
        return task.name.endswith(("/0", "/0.0"))
    if method in ON_SOME_DRAWS:
        return task.name.endswith(("/0", "/1", "/2")) or task.name.startswith(f"{FULL}/0.")
    return True


def read_data(path: Path) -> tuple[Data, dict[str, Any]]:
    """The labelled architectures of a file, and what tells it from another.

    Raises:
        PredictorError: if it cannot be read.
    """
    architectures, targets, description = read_labelled(path)
    _, auxiliary = read_auxiliary(path)
    return Data(architectures, targets, auxiliary), dict(description)


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what the file of results lacks, prints the tables and draws tau."""
    data, description = read_data(arguments.data)
    file = ResultsFile(arguments.out, {"data": description, "methods": METHODS})
    measurement = Measurement(data, arguments.device)
    for task in tasks(len(data.architectures), arguments.draws, arguments.repeats):
        for name in arguments.methods:
            known = file.results.setdefault(name, {})
            if task.name in known or task.n not in arguments.numbers or not _is_measured(name, task):
                continue
            known[task.name] = measure(METHODS[name], task, measurement)
            console.print(f"{task.name:>8}  {name:<28} tau {known[task.name]['tau']:.4f}")
            file.save({"threads": torch.get_num_threads(), "cores": os.cpu_count()})
    for table in tables(file.results):
        console.print(table)
    console.print(f"{arguments.out}, {save_figure(draw(file.results), arguments.out.with_suffix('.png'))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled architectures, as for tart-nas fit")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    small = [method for method in METHODS if method not in PUBLISHED_SIZES]
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=small, metavar="METHOD")
    parser.add_argument(
        "--numbers", nargs="+", type=int, choices=GOALS, default=list(GOALS), metavar="N", help="of labels"
    )
    parser.add_argument("--device", default="cpu", help="of what can be computed elsewhere")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=2, help="of the 5-fold cross-validation")
    arguments = parser.parse_args()
    return exit_status(lambda: run(arguments, Console(highlight=False, width=140)))


if __name__ == "__main__":
    sys.exit(main())
