"""What the Optuna plugin buys: the best network found against the number of networks trained.

``python -m tart_nas.experiments.optuna_gain DATA`` runs each method on the labelled architectures of DATA (in the
manner of NAS-Bench-301) instead of training networks. Of five folds of the labels, one is what a pretrained predictor
was fitted to; the other four make the objective, in two ways:

``table``: only these architectures exist, with their own labels. Parameters mean the nearest of them, by their edges
and the counts of their operations, for every method alike.

``surrogate``: the whole DARTS space; the label of any architecture is what gradient boosting, fitted to the four folds,
says of it. No method below is a boosted one.

Each seed has its own fold. All methods suggest the same 22 parameters and get to see nothing but the values. A trial
that is pruned by its predicted score costs nothing; what is counted is networks trained, repeated ones included.

What was measured goes into a JSON file as soon as it is known; the same command measures what is missing. At the end it
prints the medians over seeds and draws them with the band between the quartiles.
"""

import argparse
import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import optuna
from matplotlib.figure import Figure
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from rich.console import Console
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.drawing import save_figure
from tart_nas.files import replacing
from tart_nas.operations import NASBENCH301_OPS
from tart_nas.predictors import Predictor, read_labelled
from tart_nas.search_spaces import DartsSpace, Suggester
from tart_nas.strategies.optuna_plugin import TartPruner, TartSampler, suggest_architecture

Floats = npt.NDArray[np.float64]

METHODS = (
    "random",
    "TPE",
    "NSGA-II",
    "TPE + TartPruner",
    "TartSampler, not pretrained",
    "TartSampler, pretrained",
)
TRAINED = {method: 100 if method.startswith("TartSampler") else 200 for method in METHODS}
"""Networks trained in a study."""

_FOLDS = 5
_QUANTILE = 0.8  # of the pruner
_MAX_TRIALS = 5000


class Task(Protocol):
    """An objective over a space."""

    space: Any

    def label(self, architecture: Architecture) -> float:
        """What training would give."""


class TableTask:
    """The labelled architectures and no others."""

    def __init__(self, architectures: Sequence[Architecture], targets: Floats, seed: int) -> None:
        self.space = TableSpace(architectures)
        self._labels = dict(zip(architectures, targets.tolist(), strict=True))

    def label(self, architecture: Architecture) -> float:
        """Its own."""
        return float(self._labels[architecture])


class TableSpace:
    """A space of some architectures of the DARTS space, with its parameters."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._darts = DartsSpace()
        self._architectures = list(architectures)
        self._features = np.stack([_features(architecture) for architecture in architectures])

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """Draws n of them, or all."""
        order = np.random.default_rng(seed).permutation(len(self._architectures))
        return [self._architectures[i] for i in order[:n]]

    def suggest(self, suggester: Suggester) -> Architecture:
        """The one nearest to the suggested one."""
        asked = _features(self._darts.suggest(suggester))
        return self._architectures[int(np.abs(self._features - asked).sum(axis=1).argmin())]

    def parameters(self, architecture: Architecture) -> dict[str, Any]:
        """Those of the DARTS space."""
        return self._darts.parameters(architecture)


def _features(architecture: Architecture) -> Floats:
    """Which operation stands on which edge, and how often each stands on a cell's inputs and on its nodes."""
    edges, counts = np.zeros((2, 6, 6, 7)), np.zeros((2, 2, 7))
    for cell, pairs in enumerate((architecture.genotype.normal, architecture.genotype.reduce)):
        for k, (name, source) in enumerate(pairs):
            op = NASBENCH301_OPS.index(name)
            edges[cell, 2 + k // 2, source, op] = 1
            counts[cell, int(source >= 2), op] += 1
    return np.concatenate([edges.ravel(), counts.ravel()])


class SurrogateTask:
    """The whole space, labelled by gradient boosting."""

    def __init__(self, architectures: Sequence[Architecture], targets: Floats, seed: int) -> None:
        self.space = DartsSpace()
        self._boosting = Predictor("boosting").fit(architectures, targets, seed)

    def label(self, architecture: Architecture) -> float:
        """What boosting says."""
        return float(self._boosting.predict([architecture])[0])


TASKS: dict[str, Callable[[Sequence[Architecture], Floats, int], Task]] = {
    "table": TableTask,
    "surrogate": SurrogateTask,
}


def study_of(method: str, task: Task, pretrained: Predictor, seed: int) -> optuna.Study:
    """A study with the method's sampler and pruner."""
    samplers: dict[str, Callable[[], BaseSampler]] = {
        "random": lambda: RandomSampler(seed=seed),
        "NSGA-II": lambda: NSGAIISampler(population_size=20, seed=seed),
        "TartSampler, not pretrained": lambda: TartSampler(space=task.space, seed=seed),
        "TartSampler, pretrained": lambda: TartSampler(pretrained, task.space, seed=seed),
    }
    sampler = samplers.get(method, lambda: TPESampler(seed=seed))()
    pruner: optuna.pruners.BasePruner = optuna.pruners.NopPruner()
    if "TartPruner" in method:
        pruner = TartPruner(pretrained, task.space, quantile=_QUANTILE)
    return optuna.create_study(direction="maximize", sampler=sampler, pruner=pruner)


def run(method: str, task: Task, pretrained: Predictor, seed: int) -> dict[str, Any]:
    """Runs a study until enough networks are trained."""
    found: list[float] = []

    def objective(trial: optuna.Trial) -> float:
        architecture = suggest_architecture(trial, task.space)
        if trial.should_prune():
            raise optuna.TrialPruned
        found.append(task.label(architecture))
        if len(found) == TRAINED[method]:
            trial.study.stop()
        return found[-1]

    study = study_of(method, task, pretrained, seed)
    start = time.perf_counter()
    study.optimize(objective, n_trials=_MAX_TRIALS)
    best = np.maximum.accumulate(found)
    steps = [0, *(np.flatnonzero(np.diff(best) > 0) + 1).tolist()]
    return {
        "best": [[step + 1, round(float(best[step]), 4)] for step in steps],  # (networks trained, best so far)
        "trained": len(found),
        "trials": len(study.trials),
        "seconds": round(time.perf_counter() - start, 2),
    }


def curve(result: dict[str, Any]) -> Floats:
    """(networks trained,) the best so far."""
    best = np.full(result["trained"], np.nan)
    for step, value in result["best"]:
        best[step - 1 :] = value
    return best


def curves(results: dict[str, Any], task: str, method: str) -> Floats:
    """(seeds, networks trained) the best so far, less the best that TPE found in the same seed's study.

    Seeds have different folds, hence different optima; TPE's result with all its networks is their common zero.
    """
    runs = results[task][method]
    rows = [curve(runs[seed]) - curve(results[task]["TPE"][seed])[-1] for seed in sorted(runs, key=int)]
    return np.stack(rows)


def reached(results: dict[str, Any], task: str, method: str) -> str:
    """The number of networks from which on the median is no worse than TPE's last; its quartiles over seeds."""
    lines = curves(results, task, method)
    at = np.flatnonzero(np.median(lines, axis=0) >= 0)
    each = np.array([np.append(np.flatnonzero(line >= 0), np.inf)[0] + 1 for line in lines])
    low, high = (f"{q:.0f}" if np.isfinite(q) else "never" for q in np.quantile(each, [0.25, 0.75], method="nearest"))
    return f"{at[0] + 1 if len(at) else 'never'} ({low} to {high})"


def tables(results: dict[str, Any]) -> list[Table]:
    """For each task, medians over seeds after some numbers of networks."""
    made = []
    for task in results:
        steps = (20, 40, 60, 100, 200)
        table = Table("networks trained", *map(str, steps), "reaches TPE's last", "s a trial", title=task)
        for method in (m for m in METHODS if m in results[task]):
            lines = curves(results, task, method)
            cells = [f"{np.median(lines[:, n - 1]):+.3f}" if n <= lines.shape[1] else "" for n in steps]
            seconds = np.median([r["seconds"] / r["trials"] for r in results[task][method].values()])
            table.add_row(method, *cells, reached(results, task, method), f"{seconds:.3f}")
        made.append(table)
    return made


def draw(results: dict[str, Any]) -> Figure:
    """The best so far against networks trained: medians, and bands between the quartiles."""
    figure = Figure(figsize=(6.2 * len(results), 4.6), layout="constrained")
    colors = dict(zip(METHODS, ("#8a929e", "#e07b00", "#a0522d", "#c2185b", "#0b63c5", "#00897b"), strict=True))
    for axes, task in zip(figure.subplots(1, len(results), squeeze=False)[0], results, strict=True):
        for method in (m for m in METHODS if m in results[task]):
            lines = curves(results, task, method)
            x = np.arange(1, lines.shape[1] + 1)
            low, middle, high = np.quantile(lines, [0.25, 0.5, 0.75], axis=0)
            axes.plot(x, middle, color=colors[method], label=method, linewidth=1.8)
            axes.fill_between(x, low, high, color=colors[method], alpha=0.13, linewidth=0)
        axes.axhline(0, color="#55606e", linewidth=0.8, linestyle=":")
        axes.set(title=task, xlabel="networks trained", ylabel="best accuracy so far, less TPE's last (points)")
        axes.set_ylim(bottom=-1.0)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="lower right", fontsize=9)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled architectures, as for tart-nas fit")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--seeds", type=int, default=20)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    console = Console(highlight=False, width=130)
    architectures, targets, description = read_labelled(arguments.data)
    content = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"results": {}}
    content |= {"data": description, "optuna": optuna.__version__, "cores": os.cpu_count()}
    results = content["results"]
    folds = np.array_split(np.random.default_rng(0).permutation(len(architectures)), _FOLDS)
    for seed in range(arguments.seeds):
        fold = folds[seed % _FOLDS]
        others = np.setdiff1d(np.arange(len(architectures)), fold)
        pretrained = Predictor("gp").fit([architectures[i] for i in fold], targets[fold])
        for name in arguments.tasks:
            runs = {method: results.setdefault(name, {}).setdefault(method, {}) for method in arguments.methods}
            if all(str(seed) in known for known in runs.values()):
                continue
            task = TASKS[name]([architectures[i] for i in others], targets[others], seed)
            for method in (m for m in arguments.methods if str(seed) not in runs[m]):
                runs[method][str(seed)] = outcome = run(method, task, pretrained, seed)
                console.print(f"{name:>9} seed {seed:>2}  {method:<28} best {outcome['best'][-1][1]:.3f}")
                with replacing(arguments.out) as temporary:
                    temporary.write_text(json.dumps(content) + "\n")
    for table in tables(results):
        console.print(table)
    console.print(f"{arguments.out}, {save_figure(draw(results), arguments.out.with_suffix('.png'))}")


if __name__ == "__main__":
    main()
