"""Evolution and Optuna by strings against evolution and Optuna by edges, with as many calls of the predictor.

``python -m tart_nas.experiments.string_search`` lets regularized evolution find architectures with high predicted
scores: by the mutations of the space, by those of its strings, and by strings with half of the children crossed. The
scores are those of the bundled predictor of the space. ``random`` is a sample of as many. TPE, Optuna's default
sampler, suggests architectures of the DARTS space by today's 22 parameters and by one symbol per position.

The results are the mean scores of the ten best networks so far. Nothing is trained, so that this compares searches of
a predictor's maximum and nothing else.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from matplotlib.figure import Figure
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import Job, Plan, experiment, jobs_for
from tart_nas.experiments.tables import mean_and_spread, table
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies import evolve
from tart_nas.strategies.optuna_plugin import suggest_architecture
from tart_nas.strings import StringSpace

CALLS, TRIALS, SEEDS = 5000, 200, 5
TOP = 10
STEPS = {"evolution": 500, "TPE": 20}
"""Calls between two points of a curve; 500 is the first population of evolution."""

SPACES: dict[str, tuple[Any, Any, str]] = {
    "DARTS": (DartsSpace(), StringSpace("darts"), "darts-cifar10"),
    "DeepNets-1M": (DeepNets1MSpace("search"), StringSpace("deepnets1m", split="search"), "deepnets1m-cifar10"),
}
"""Each space, its strings and its predictor."""

METHODS = ("random", "edges", "strings", "strings, crossed")

Floats = npt.NDArray[np.float64]

_predictor = cache(Predictor.from_pretrained)


def curve(scores: Floats, step: int) -> list[float]:
    """The mean of the ten best of the first ``step``, 2 ``step``, ... scores."""
    return [float(np.sort(scores[:n])[-TOP:].mean()) for n in range(step, len(scores) + 1, step)]


def searched(space: str, method: str, seed: int, calls: int) -> list[float]:
    """The curve of a search by a method."""
    edges, strings, name = SPACES[space]

    def score(architectures: Sequence[Architecture]) -> Floats:
        return _predictor(name).predict(architectures, outside="nan")

    if method == "random":
        scores = np.nan_to_num(score(edges.sample(calls, seed)), nan=-np.inf)
    else:
        crossover = 0.5 if method == "strings, crossed" else 0.0
        _, scores = evolve(edges if method == "edges" else strings, score, calls, seed, crossover=crossover)
    return curve(scores, min(STEPS["evolution"], calls))


def suggested(method: str, seed: int, trials: int) -> list[float]:
    """The curve of an Optuna study of the DARTS space."""
    edges, strings, name = SPACES["DARTS"]
    predictor = _predictor(name).fast_approximation()  # a call for each trial
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))

    def objective(trial: optuna.Trial) -> float:
        architecture = suggest_architecture(trial, strings if method == "strings" else edges)
        return float(predictor.predict([architecture])[0])

    study.optimize(objective, n_trials=trials)
    return curve(np.array([trial.value for trial in study.trials]), min(STEPS["TPE"], trials))


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """The last points of the curves, over the seeds."""
    for title, methods in results.items():
        rows = [
            (method, mean_and_spread([values[-1] for values in by_seed.values()]), len(by_seed))
            for method, by_seed in methods.items()
        ]
        yield table((title, "mean of the top 10", "seeds"), rows)


def figure(results: dict[str, Any]) -> Figure:
    """The curves: means over the seeds, with bands between the quartiles."""
    panels = {}
    for title, methods in results.items():
        lines = {}
        for method, by_seed in methods.items():
            values = np.array([*by_seed.values()])
            line = Line.quartiles(values, mean=True)
            step = STEPS["TPE" if "TPE" in title else "evolution"]
            lines[method] = Line(np.asarray(line.x) * step, line.y, line.low, line.high)
        panels[title] = lines
    drawn = line_plot(panels, {"xlabel": "calls of the predictor", "ylabel": "predicted score, mean of the top 10"})
    for axes in drawn.axes:  # studies have other methods than evolution
        axes.legend(frameon=False, fontsize=9, loc="upper left")
    return drawn


def plan(arguments: argparse.Namespace) -> Plan:
    seeds, jobs = range(arguments.seeds), list[Job]()
    for space in SPACES:
        work = partial(searched, space, calls=arguments.calls)
        jobs += jobs_for(work, METHODS, seeds, under=(f"evolution, {space}",))
    work = partial(suggested, trials=arguments.trials)
    jobs += jobs_for(work, ("parameters", "strings"), seeds, under=("TPE, DARTS",))
    predictors = {name: _predictor(name).identity for _, _, name in SPACES.values()}
    setting = {"calls": arguments.calls, "trials": arguments.trials, "predictors": predictors}
    return Plan(setting, jobs, tables, figure)


main = partial(
    experiment,
    plan,
    {
        "--calls": (CALLS, "of the predictor, in evolution"),
        "--trials": (TRIALS, "of a study"),
        "--seeds": SEEDS,
    },
)

if __name__ == "__main__":
    sys.exit(main())
