"""How good each kind of predictor is, by the number of labels it learns from.

``python -m tart_nas.experiments.compare_predictors DATA`` fits every method to N labelled architectures and lets it
rank all others: for small N, several random draws of N; for the full set, repeated 5-fold cross-validation. All methods
see the same draws and folds, with the settings below, which were not chosen on them.

Measures, all on architectures that the predictor has not seen: Kendall's tau; ``top``, the share of the true best 10 %
that is among the predicted best 10 %; ``regret``, how far the best of the 10 with the highest predictions lies below
the true best, in the targets' unit; ``coverage``, the share of targets within the 90 % interval of their prediction.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from statistics import mean, stdev
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from rich.table import Table
from scipy.stats import norm

from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS, Task, fit_method, folds, ranking_tau
from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import DATA, DEVICE, Plan, experiment
from tart_nas.experiments.tables import mean_and_spread, table
from tart_nas.predictors import LabelledData
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

FULL = 574
"""What the folds leave of the 718 architectures to learn from."""

GOALS = {50: 0.72, 100: 0.80, 200: 0.84, 400: 0.87, FULL: 0.89}
"""Kendall's tau that is aimed at, by the number of labels."""

_FOLDS = 5
_MEASURES = ("tau", "top", "regret", "coverage", "fit_seconds", "scores_per_second")


def tasks(size: int, draws: int, repeats: int) -> Iterator[Task]:
    """The draws of each N, then the folds of each repeat; the name of each begins with N."""
    for n in (n for n in GOALS if n != FULL):
        for draw in range(draws):
            order = np.random.default_rng([n, draw]).permutation(size)
            yield Task(f"{n}/{draw}", draw, order[:n], order[n:])
    for repeat in range(repeats):
        for fold, (train, test) in enumerate(folds(size, _FOLDS, repeat)):
            yield Task(f"{FULL}/{repeat}.{fold}", repeat + fold, train, test)


def labels_of(task: str) -> int:
    """The number of labels of a task, by its name."""
    return int(task.split("/")[0])


@dataclass(frozen=True)
class Outcome:
    """Means and standard deviations (m,) that a method predicts of a task's test architectures, and the seconds."""

    mean: Floats
    std: Floats
    fit_seconds: float
    score_seconds: float


class Measurement:
    """Measures methods on one task after another.

    Fits are deterministic, so an ensemble is put together from what its members predicted where they were measured on
    the same task just before: what comes out is the same as of a fit of its own.
    """

    def __init__(self, data: LabelledData, device: str = "cpu") -> None:
        self.data, self._device = data, device
        self._outcome = lru_cache(maxsize=8)(self._predicted)

    def of(self, method: dict[str, Any], task: Task) -> dict[str, float]:
        """Fits a method to a task's labels and judges its predictions of the others."""
        outcome = self._outcome(json.dumps(method), task)
        (targets,) = self.data.targets.values()
        scores, truth = outcome.mean, targets[task.test]
        tenth = max(1, len(truth) // 10)
        best = set(np.argsort(-truth)[:tenth].tolist()) & set(np.argsort(-scores)[:tenth].tolist())
        judged = {
            "tau": ranking_tau(scores, truth),
            "top": len(best) / tenth,
            "regret": float(truth.max() - truth[np.argsort(-scores)[:10]].max()),
            "fit_seconds": outcome.fit_seconds,
            "scores_per_second": len(truth) / outcome.score_seconds,
        }
        if np.isfinite(outcome.std).all():  # else the method does not say how sure it is
            judged["coverage"] = float((np.abs(truth - scores) <= norm.ppf(0.95) * outcome.std).mean())
        return judged

    def _predicted(self, method: str, task: Task) -> Outcome:
        settings = json.loads(method)
        if settings["kind"] == "ensemble":
            parts = [self._outcome(json.dumps(member), task) for member in settings["members"]]
            mean, std = combined(np.stack([p.mean for p in parts]), np.stack([p.std for p in parts]), "precision")
            return Outcome(mean, std, sum(p.fit_seconds for p in parts), sum(p.score_seconds for p in parts))
        train, test = self.data.take(task.train), self.data.take(task.test)
        start = time.perf_counter()
        predictor = fit_method(settings, train, test, task.seed, self._device)
        fitted = time.perf_counter()
        mean, std = predictor.predict(test.architectures, return_std=True)
        return Outcome(mean, std, fitted - start, time.perf_counter() - fitted)


def values_of(results: dict[str, Any], method: str, n: int, measure: str = "tau") -> list[float]:
    """A measure of a method on its tasks with n labels, where it has it."""
    return [r[measure] for task, r in results.get(method, {}).items() if labels_of(task) == n and measure in r]


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """One table of tau by N, one of the other measures on the full set."""
    known = [method for method in METHODS if results.get(method)]
    by_n = [(method, *(mean_and_spread(values_of(results, method, n)) for n in GOALS)) for method in known]
    goals = ("goal", *(f"{goal:.2f}" for goal in GOALS.values()))
    yield table(("Kendall tau", *GOALS), [*by_n, goals], "by number of labels: mean ± standard deviation")
    yield table(
        (f"{FULL} labels", *_MEASURES),
        [
            (
                method,
                *(f"{mean(v):,.3g}" if (v := values_of(results, method, FULL, name)) else "" for name in _MEASURES),
            )
            for method in known
            if values_of(results, method, FULL)
        ],
    )


def figure(results: dict[str, Any]) -> Figure:
    """Kendall's tau by the number of labels."""
    lines = {}
    for method in (m for m in METHODS if results.get(m)):
        points = [(n, taus) for n in GOALS if (taus := values_of(results, method, n))]
        y = np.array([mean(taus) for _, taus in points])
        spread = np.array([stdev(taus) if len(taus) > 1 else 0 for _, taus in points])
        lines[method] = Line([n for n, _ in points], y, y - spread, y + spread)
    lines["goal"] = Line([*GOALS], [*GOALS.values()], is_goal=True)
    axis = {"xlabel": "labelled architectures", "ylabel": "Kendall tau on the others", "xscale": "log"}
    return line_plot({"": lines}, axis, [*GOALS])


def _is_measured(method: str, task: str) -> bool:
    if method in SLOW:
        return task.endswith(("/0", "/0.0"))
    return method not in ON_SOME_DRAWS or task.endswith(("/0", "/1", "/2")) or task.startswith(f"{FULL}/0.")


def plan(arguments: argparse.Namespace) -> Plan:
    data = LabelledData.read(arguments.data)
    measurement = Measurement(data, arguments.device)
    jobs = [
        ((name, task.name), partial(measurement.of, method, task))
        for task in tasks(len(data.architectures), arguments.draws, arguments.repeats)
        for name, method in METHODS.items()
        if _is_measured(name, task.name) and labels_of(task.name) in arguments.numbers
    ]
    description = {name: data.description.get(name) for name in ("data", "n", "target")}
    return Plan({"data": description, "methods": METHODS}, jobs, tables, figure, by_name=tuple(PUBLISHED_SIZES))


def main(arguments: Sequence[str] | None = None) -> int:
    numbers = {"nargs": "+", "type": int, "choices": GOALS, "default": [*GOALS], "metavar": "N", "help": "of labels"}
    options = {**DATA, **DEVICE, "--numbers": numbers, "--draws": {"type": int, "default": 5}}
    folds_help = "of the 5-fold cross-validation"
    options["--repeats"] = {"type": int, "default": 2, "help": folds_help}
    return experiment(__doc__, __file__, plan, options, arguments)


if __name__ == "__main__":
    sys.exit(main())
