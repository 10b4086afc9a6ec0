"""What the Optuna plugin buys: the best network found against the number of networks trained.

``python -m tart_nas.experiments.optuna_gain DATA`` runs each method on the labelled architectures of DATA (in the
manner of NAS-Bench-301) instead of training networks. Of five folds of the labels, one is what a pretrained predictor
was fitted to; the other four make the objective, in two ways:

``table``: only these architectures exist, with their own labels. Parameters mean the nearest of them, by their edges
and the counts of their operations, for every method alike.

``surrogate``: the whole DARTS space; the label of any architecture is what gradient boosting, fitted to the four folds,
says of it. No method below is a boosted one.

``SMAC3`` runs only where ``--only SMAC3`` names it, since it is no dependency.

Each seed has its own fold. All methods suggest the same 22 parameters and get to see nothing but the values. A trial
that is pruned by its predicted score costs nothing; what is counted is networks trained, repeated ones included.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from matplotlib.figure import Figure
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler, TPESampler
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.experiments.methods import folds
from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import DATA, Plan, experiment, jobs_for
from tart_nas.experiments.smac_search import SMAC, values_by_smac
from tart_nas.experiments.tables import table
from tart_nas.operations import NASBENCH301_OPS
from tart_nas.predictors import Predictor, read_labelled
from tart_nas.search_spaces import DartsSpace, Suggester
from tart_nas.strategies.optuna_plugin import TartPruner, TartSampler, suggest_architecture

Floats = npt.NDArray[np.float64]
Study = tuple[Any, Callable[[Architecture], float], Predictor]
"""A space, what training an architecture of it would give, and the predictor of the labels that are left out."""

_FOLDS = 5
_MAX_TRIALS = 5000
_TRAINED_BY_SMAC = 200  # as of the other public samplers


def _pruner(study: Study) -> optuna.pruners.BasePruner:
    return TartPruner(study[2], study[0], quantile=0.8)


# The sampler of each method, and how many networks it trains.
METHODS: dict[str, tuple[Callable[[Study, int], BaseSampler], int]] = {
    "random": (lambda study, seed: RandomSampler(seed=seed), 200),
    "TPE": (lambda study, seed: TPESampler(seed=seed), 200),
    "NSGA-II": (lambda study, seed: NSGAIISampler(population_size=20, seed=seed), 200),
    "TPE + TartPruner": (lambda study, seed: TPESampler(seed=seed), 200),
    "TartSampler, not pretrained": (lambda study, seed: TartSampler(space=study[0], seed=seed), 100),
    "TartSampler, pretrained": (lambda study, seed: TartSampler(study[2], study[0], seed=seed), 100),
}


class TableSpace:
    """A space of some architectures of the DARTS space, with its parameters."""

    def __init__(self, architectures: Sequence[Architecture]) -> None:
        self._darts = DartsSpace()
        self._architectures = list(architectures)
        self._features = np.stack([edge_features(architecture) for architecture in architectures])

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """Draws n of them, or all."""
        order = np.random.default_rng(seed).permutation(len(self._architectures))
        return [self._architectures[i] for i in order[:n]]

    def suggest(self, suggester: Suggester) -> Architecture:
        """The one nearest to the suggested one."""
        asked = edge_features(self._darts.suggest(suggester))
        return self._architectures[int(np.abs(self._features - asked).sum(axis=1).argmin())]

    def parameters(self, architecture: Architecture) -> dict[str, Any]:
        """Those of the DARTS space."""
        return self._darts.parameters(architecture)


def edge_features(architecture: Architecture) -> Floats:
    """Which operation stands on which edge, and how often each stands on a cell's inputs and on its nodes."""
    edges, counts = np.zeros((2, 6, 6, 7)), np.zeros((2, 2, 7))
    for cell, pairs in enumerate((architecture.genotype.normal, architecture.genotype.reduce)):
        for k, (name, source) in enumerate(pairs):
            op = NASBENCH301_OPS.index(name)
            edges[cell, 2 + k // 2, source, op] = 1
            counts[cell, int(source >= 2), op] += 1
    return np.concatenate([edges.ravel(), counts.ravel()])


class Objectives:
    """The tasks, one of each for every seed.

    Args:
        architectures: labelled ones.
        targets: (n,) their labels.
    """

    def __init__(self, architectures: Sequence[Architecture], targets: Floats) -> None:
        self._architectures, self._targets = list(architectures), targets
        self._folds = list(folds(len(targets), _FOLDS))
        self.of = cache(self._made)

    def _made(self, task: str, seed: int) -> Study:
        others, fold = self._folds[seed % _FOLDS]
        # From the fold alone, which is no part of the task: it is what somebody else has measured before.
        pretrained = Predictor("gp").fit([self._architectures[i] for i in fold], self._targets[fold])
        architectures, labels = [self._architectures[i] for i in others], self._targets[others]
        if task == "table":
            by_architecture = dict(zip(architectures, labels.tolist(), strict=True))
            return TableSpace(architectures), by_architecture.__getitem__, pretrained
        boosting = Predictor("boosting").fit(architectures, labels, seed=seed)
        return DartsSpace(), lambda architecture: float(boosting.predict([architecture])[0]), pretrained

    def search(self, task: str, method: str, seed: int) -> dict[str, Any]:
        """Runs a study, or SMAC3's search, until enough networks are trained."""
        study_of, start = self.of(task, seed), time.perf_counter()
        if method == SMAC:
            space, label, _ = study_of
            found = values_by_smac(space, lambda architecture, rate: label(architecture), _TRAINED_BY_SMAC, seed)
            return _run(found, len(found), time.perf_counter() - start)
        (sampler, trained), found = METHODS[method], []

        def objective(trial: optuna.Trial) -> float:
            architecture = suggest_architecture(trial, study_of[0])
            if trial.should_prune():
                raise optuna.TrialPruned
            found.append(study_of[1](architecture))
            if len(found) == trained:
                trial.study.stop()
            return found[-1]

        pruner = _pruner(study_of) if "TartPruner" in method else optuna.pruners.NopPruner()
        study = optuna.create_study(direction="maximize", sampler=sampler(study_of, seed), pruner=pruner)
        start = time.perf_counter()
        study.optimize(objective, n_trials=_MAX_TRIALS)
        return _run(found, len(study.trials), time.perf_counter() - start)


def _run(found: list[float], trials: int, seconds: float) -> dict[str, Any]:
    """What the file of results keeps of the values of a study's trained networks."""
    best = np.maximum.accumulate(found)
    steps = [0, *(np.flatnonzero(np.diff(best) > 0) + 1).tolist()]
    return {
        "best": [[step + 1, round(float(best[step]), 4)] for step in steps],  # (networks trained, best so far)
        "trained": len(found),
        "trials": trials,
        "seconds": round(seconds, 2),
    }


def curves(results: dict[str, Any], task: str, method: str) -> Floats:
    """(seeds, networks trained) the best so far, less the best that TPE found in the same seed's study.

    Seeds have different folds, hence different optima; TPE's result with all its networks is their common zero.
    """
    of_tpe = results[task].get("TPE", {})
    rows = []
    for seed in sorted(results[task][method].keys() & of_tpe.keys(), key=int):
        run = results[task][method][seed]
        best = np.full(run["trained"], np.nan)
        for step, value in run["best"]:
            # The steps of the best so far, each from its network on.
            best[step - 1 :] = value - of_tpe[seed]["best"][-1][1]
        rows.append(best)
    return np.stack(rows) if rows else np.empty((0, 0))


def reached(lines: Floats) -> str:
    """The number of networks from which on the median is no worse than TPE's last; its quartiles over seeds."""
    at = np.flatnonzero(np.median(lines, axis=0) >= 0)
    each = np.array([np.append(np.flatnonzero(line >= 0), np.inf)[0] + 1 for line in lines])
    low, high = (f"{q:.0f}" if np.isfinite(q) else "never" for q in np.quantile(each, [0.25, 0.75], method="nearest"))
    return f"{at[0] + 1 if len(at) else 'never'} ({low} to {high})"


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """For each task, medians over seeds after some numbers of networks."""
    steps = (20, 40, 60, 100, 200)
    for task in results:
        rows = []
        for method in (m for m in (*METHODS, SMAC) if m in results[task]):
            if len(lines := curves(results, task, method)):
                cells = [f"{np.median(lines[:, n - 1]):+.3f}" if n <= lines.shape[1] else "" for n in steps]
                seconds = np.median([r["seconds"] / r["trials"] for r in results[task][method].values()])
                rows.append((method, *cells, reached(lines), f"{seconds:.3f}"))
        yield table(("networks trained", *steps, "reaches TPE's last", "s a trial"), rows, task)


def figure(results: dict[str, Any]) -> Figure:
    """The best so far against networks trained: medians, and bands between the quartiles."""
    panels: dict[str, dict[str, Line]] = {task: {} for task in results}
    for task, lines in panels.items():
        for method in (m for m in (*METHODS, SMAC) if m in results[task]):
            if len(of_seeds := curves(results, task, method)):
                lines[method] = Line.quartiles(of_seeds)
        lines["TPE's last"] = Line([1, 200], [0, 0], is_goal=True)
    ylabel = "best accuracy so far, less TPE's last (points)"
    return line_plot(panels, {"xlabel": "networks trained", "ylabel": ylabel, "ylim": (-1.0, None)})


def plan(arguments: argparse.Namespace) -> Plan:
    architectures, targets, description = read_labelled(arguments.data)
    objectives = Objectives(architectures, targets)
    jobs = jobs_for(objectives.search, ("table", "surrogate"), (*METHODS, SMAC), range(arguments.seeds))
    return Plan({"data": description}, jobs, tables, figure, (SMAC,), {"optuna": optuna.__version__})


main = partial(experiment, plan, {**DATA, "--seeds": 20})


if __name__ == "__main__":
    sys.exit(main())
