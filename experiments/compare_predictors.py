"""How good each kind of predictor is, by the number of labels it learns from.

``python -m tart_nas.experiments.compare_predictors DATA`` fits every method to N labelled architectures and lets it
rank all others: for small N, several random draws of N; for the full set, repeated 5-fold cross-validation. All methods
see the same draws and folds, with the settings below, which were not chosen on them. ``methods.py`` says what the
measures are.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from rich.table import Table

from tart_nas.experiments.methods import PUBLISHED_SIZES, SMALL_TRANSFORMERS, Measurement, Method, Task, fold_tasks
from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import DATA, Plan, experiment
from tart_nas.experiments.tables import means, table
from tart_nas.predictors import LabelledData

TAUGHT: Method = {"kind": "tart-cell", "features": True, "pretraining": 4096, "learning_rate": 1e-3}
"""A transformer that reads the features of the Gaussian process and learns its predictions before the labels."""

METHODS: dict[str, Method] = {
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
    "TART, cell + Gaussian process": {"kind": "ensemble", "members": [{"kind": "tart-cell"}, {"kind": "gp"}]},
    "TART, cell, taught": TAUGHT,
    "TART, cell, taught + Gaussian process": {"kind": "ensemble", "members": [TAUGHT, {"kind": "gp"}], "weights": None},
}
"""The methods and their settings, the bundled one last. Committed results of `TART, cell + Gaussian process` are of
version 0.2, in which the process did not tell a cell's two inputs apart."""

SLOW = ("pure transformer", *PUBLISHED_SIZES)
"""Methods of which a fit can take ten minutes or more: measured on the first draw of each N and the first fold."""

ON_SOME_DRAWS = ("Neural Predictor", "TART, graph", "TART, cell, taught", "TART, cell, taught + Gaussian process")
"""Methods of which it takes some minutes: measured on the first three draws and the first cross-validation."""

FULL = 574
"""What the folds leave of the 718 architectures to learn from."""

GOALS = {50: 0.74, 100: 0.81, 200: 0.84, 400: 0.86, FULL: 0.87}
"""Kendall's tau that is aimed at, by the number of labels."""

FLAN = {32: 0.662, 128: 0.784, 256: 0.816, 512: 0.827}
"""Kendall's tau of FLAN (Akhauri and Abdelfattah, "Encodings for Prediction-based Neural Architecture Search", ICML
2024) with so many labels of NAS-Bench-301, as its repository reports it: of other labels than ours, and another
split."""

NUMBERS = sorted({*GOALS, *FLAN})
"""Of labels."""

NUMBERS_OF = {"TART, cell, taught": (100, FULL), "TART, cell, taught + Gaussian process": NUMBERS}
"""Of labels, for slow methods that are measured with others than those of the goals. A fit of these takes three minutes
of a core and more; the second is the bundled one."""

_MEASURES = ("tau", "top", "regret", "coverage", "fit_seconds", "scores_per_second")


def tasks(size: int, draws: int, repeats: int) -> Iterator[Task]:
    """The draws of each N, then the folds of each repeat; the name of each begins with N."""
    for n in (n for n in NUMBERS if n != FULL):
        for draw in range(draws):
            order = np.random.default_rng([n, draw]).permutation(size)
            yield Task(f"{n}/{draw}", draw, order[:n], order[n:])
    for repeat in range(repeats):
        yield from fold_tasks(size, 5, repeat, repeat, f"{FULL}/{repeat}.")


def labels_of(task: str) -> int:
    """The number of labels of a task, by its name."""
    return int(task.split("/")[0])


def description_of(data: LabelledData) -> dict[str, Any]:
    """What tells a file of labels from another."""
    return {name: data.description.get(name) for name in ("data", "n", "target")}


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Two tables of tau by N, one of the other measures on the full set."""
    for known, by_whom in ((GOALS, "goal"), (FLAN, "FLAN, as published")):
        rows = means(results, [(f"{n}/", "tau") for n in known], METHODS)
        shown = [by_whom, *(f"{tau:.{2 if known is GOALS else 3}f}" for tau in known.values())]
        title = "by number of labels: mean ± standard deviation"
        yield table(("Kendall tau", *known), [*(row for row in rows if any(row[1:])), shown], title)
    rows = means(results, [(f"{FULL}/", measure) for measure in _MEASURES], METHODS)
    yield table((f"{FULL} labels", *_MEASURES), [row for row in rows if row[1]])


def figure(results: dict[str, Any]) -> Figure:
    """Kendall's tau by the number of labels: means, and bands of a standard deviation."""
    lines = {}
    for method in (m for m in METHODS if results.get(m)):
        by_n: dict[int, list[float]] = {}
        for task, measured in results[method].items():
            by_n.setdefault(labels_of(task), []).append(measured["tau"])
        y, spread = (np.array([f(by_n[n]) for n in sorted(by_n)]) for f in (np.mean, np.std))
        lines[method] = Line(sorted(by_n), y, y - spread, y + spread)
    lines["goal"] = Line([*GOALS], [*GOALS.values()], is_goal=True)
    axis = {"xlabel": "labelled architectures", "ylabel": "Kendall tau on the others", "xscale": "log"}
    return line_plot({"": lines}, axis, [*GOALS])


def is_measured(method: str, task: str) -> bool:
    """Whether a task is a part of what a method is compared on."""
    n = labels_of(task)
    is_quick = method not in (*SLOW, *ON_SOME_DRAWS, "TART, cell", "TART, cell + Gaussian process")
    if n not in (NUMBERS if is_quick else NUMBERS_OF.get(method, GOALS)):
        return False
    if method in SLOW:
        return task.endswith(("/0", "/0.0"))
    return method not in ON_SOME_DRAWS or (task.startswith(f"{FULL}/0.") if n == FULL else int(task[-1]) < 3)


def plan(arguments: argparse.Namespace) -> Plan:
    data = LabelledData.read(arguments.data)
    chosen = tasks(len(data.architectures), arguments.draws, arguments.repeats)
    of_numbers = (task for task in chosen if labels_of(task.name) in arguments.numbers)
    jobs = Measurement(data, arguments.device).jobs(METHODS, of_numbers, is_measured)
    return Plan({"data": description_of(data), "methods": METHODS}, jobs, tables, figure, by_name=[*PUBLISHED_SIZES])


main = partial(
    experiment,
    plan,
    {**DATA, "--device": "cpu", "--numbers": [*NUMBERS], "--draws": 5, "--repeats": (2, "of the cross-validation")},
)

if __name__ == "__main__":
    sys.exit(main())
