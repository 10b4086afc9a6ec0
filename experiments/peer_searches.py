"""TPE, TPE with ASHA and ``topk``, each with real training, at equal cost, beside random search.

``python -m tart_nas.experiments.peer_searches`` searches on the embedded sample of CIFAR-10 as ``tart-nas search`` does
by default, at the budget ``small``, three seeds of each method. TPE, Optuna's, suggests networks until it has trained
as many epochs as 15 trainings have; with ASHA (Optuna's successive halving) it stops a training after an epoch in which
it is not among the better half. ``topk`` trains the best 15 of 10,000 candidates by the space's bundled predictor.
Methods, seeds and numbers of trainings were stated before any ran.

Random search is not run: the experiment ``first_run`` trained 60 and more random networks alike, and the mean over all
choices of n of them tells what n random trainings find.

A search has found the network with the best validation accuracy (1,000 images); its accuracy on 2,000 test images is
what counts. The cost of a search is all its core-seconds: of its epochs, and of everything else, such as predictions,
which is counted before the first training. It is told in trainings: the first ten networks of TPE are random, and the
mean of their core-seconds is one training.

The spaces are DeepNets-1M's ``search`` split and that of DARTS. Two processes with one thread each
(``OMP_NUM_THREADS=1``) may share the work by ``--seeds``; a seed takes some two hours of a core.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import torch
from optuna.pruners import NopPruner, SuccessiveHalvingPruner
from optuna.samplers import TPESampler
from optuna.trial import TrialState
from rich.table import Table

import tart_nas
from tart_nas.architecture import Architecture
from tart_nas.experiments import first_run
from tart_nas.experiments.first_run import SPACES, training
from tart_nas.experiments.results_file import read_results
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import mean_and_interval, mean_and_spread, table
from tart_nas.images import ImageData
from tart_nas.networks import build_network
from tart_nas.predictors import Predictor
from tart_nas.runs.defaults import default_predictor
from tart_nas.strategies.optuna_plugin import suggest_architecture
from tart_nas.training import EpochMetrics, evaluate, train

CANDIDATES, TRAINED = 10_000, 15
COSTS = (5, 10, 15)  # trainings at whose cost methods are compared
_RANDOM = 10  # the first networks of TPE, Optuna's default
_DATASET = "cifar10-sample"
_CHANCE = 0.1  # of ten classes


@dataclass(frozen=True)
class Training:
    """A training of a search.

    Args:
        curve: the validation accuracy after each epoch that it had.
        seconds: of a core, of each epoch.
        validation: its accuracy; None where it was stopped or failed.
        test: likewise.
    """

    curve: Sequence[float]
    seconds: Sequence[float]
    validation: float | None = None
    test: float | None = None


@dataclass(frozen=True)
class Search:
    """What a method did.

    Args:
        trained: in this order.
        other_seconds: of a core: of sampling and scoring, or of TPE's suggestions.
        predictor: which it was, of those that had this name, since the bundled ones are made anew.
    """

    trained: list[Training]
    other_seconds: float
    predictor: str = "none"


_trained: dict[tuple[str, int, Architecture], Training] = {}
"""What TPE trained. TPE with ASHA begins with the same networks of a seed, and a training gives the same again."""


def by_scores(space: str, seed: int, runs: Path) -> Search:
    """What :func:`tart_nas.search` trains.

    Args:
        space: of :data:`~tart_nas.experiments.first_run.SPACES`.
        seed: of all that is random.
        runs: where the run folder is made.
    """
    predictor = default_predictor(SPACES[space], is_small=True)
    begun, worked = time.perf_counter(), time.process_time()
    result = tart_nas.search(
        SPACES[space],
        predictor=predictor,
        candidates=CANDIDATES,
        top_k=TRAINED,
        random=0,
        dataset=_DATASET,
        seed=seed,
        out=runs / f"{space}-{seed}",
        progress=True,
        **training(SPACES[space]),
    )
    # A search tells seconds of the clock: of these, this process had so many of a core.
    share = (time.process_time() - worked) / (time.perf_counter() - begun)
    trained = [
        Training(
            [epoch["validation_accuracy"] for epoch in pick.curve],
            [epoch["seconds"] * share for epoch in pick.curve],
            pick.validation_accuracy,
            pick.test_accuracy,
        )
        for pick in result.top
    ]
    return Search(trained, result.scoring_seconds * share, Predictor.open(predictor).identity)


class _Curve:
    """The epochs of a training as they end, after each of which Optuna may stop it.

    Args:
        trial: of the study.
        epochs: of a whole training.
    """

    def __init__(self, trial: optuna.Trial, epochs: int) -> None:
        self._trial, self._epochs = trial, epochs
        self.values, self.seconds = list[float](), list[float]()

    def add(self, value: float, seconds: float) -> None:
        """Takes an epoch's validation accuracy and core-seconds.

        Raises:
            TrialPruned: if the training ends here.
        """
        self.values.append(value)
        self.seconds.append(seconds)
        self._trial.report(value, len(self.values))
        if self._trial.should_prune() and len(self.values) < self._epochs:
            raise optuna.TrialPruned


def _training(space: str, seed: int, architecture: Architecture, images: ImageData, curve: _Curve) -> Training:
    """A training to its end, or what is known of it."""
    key = space, seed, architecture
    if known := _trained.get(key):
        for value, seconds in zip(known.curve, known.seconds, strict=True):
            curve.add(value, seconds)
        return known
    settings, begun = training(SPACES[space]), time.process_time()

    def told(epoch: EpochMetrics) -> None:
        curve.add(epoch.validation_accuracy, time.process_time() - begun - sum(curve.seconds))

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_network(settings["budget"].apply(architecture), len(images.classes), images.image_size)
    train(network, images, settings["recipe"], seed=seed, on_epoch=told)
    test = evaluate(network, images.test, images)
    return _trained.setdefault(key, Training(curve.values, curve.seconds, curve.values[-1], test))


def by_tpe(space: str, seed: int, runs: Path, halving: bool) -> Search:
    """What Optuna's TPE trains, as a search does: the same budget, recipe, images and seed of first weights.

    Args:
        space: as :func:`by_scores`.
        seed: likewise.
        runs: not used.
        halving: whether trainings are stopped by successive halving.
    """
    settings = training(SPACES[space])
    budget, recipe = settings["budget"], settings["recipe"]
    images = tart_nas.load_images(_DATASET, train_images=budget.train_images, image_size=budget.image_size, seed=seed)
    pruner = SuccessiveHalvingPruner(min_resource=1, reduction_factor=2) if halving else NopPruner()
    study = optuna.create_study(direction="maximize", sampler=TPESampler(seed=seed), pruner=pruner)
    trained, thinking = list[Training](), 0.0
    while sum(len(one.curve) for one in trained) < TRAINED * recipe.epochs:
        begun, trial = time.process_time(), study.ask()
        curve = _Curve(trial, recipe.epochs)
        try:
            architecture = suggest_architecture(trial, SPACES[space])
            thinking += time.process_time() - begun
            one = _training(space, seed, architecture, images, curve)
            study.tell(trial, one.validation)
        except optuna.TrialPruned:  # by ASHA, or by the rules of the space before any epoch
            one = Training(curve.values, curve.seconds)
            study.tell(trial, state=TrialState.PRUNED)
        except tart_nas.TartError:  # it cannot be built, or diverges
            one = Training(curve.values, curve.seconds)
            study.tell(trial, state=TrialState.FAIL)
        trained += [one] if one.curve else []
    return Search(trained, thinking)


METHODS: dict[str, Callable[[str, int, Path], Search]] = {
    "TPE": partial(by_tpe, halving=False),
    "TPE + ASHA": partial(by_tpe, halving=True),
    "topk": by_scores,
}
"""The searches: of a space, with a seed, and a folder for runs."""


def one_search(space: str, method: str, seed: int, runs: Path) -> dict[str, Any]:
    """What a search trained, and what it cost.

    Args:
        space: of :data:`~tart_nas.experiments.first_run.SPACES`.
        method: of :data:`METHODS`.
        seed: of all that is random.
        runs: where run folders are made.
    """
    search = METHODS[method](space, seed, runs)
    return {
        "seconds": [round(sum(one.seconds), 1) for one in search.trained],
        "epochs": [len(one.curve) for one in search.trained],
        "validation": [one.validation for one in search.trained],
        "test": [one.test for one in search.trained],
        "other_seconds": round(search.other_seconds, 1),
        "predictor": search.predictor,
    }


def found(search: dict[str, Any], seconds: float) -> float:
    """The test accuracy of the network with the best validation accuracy that a search has at so many core-seconds.

    Chance where no training has ended; after the end of a search, what it had then.
    """
    ended = search["other_seconds"] + np.cumsum(search["seconds"])
    best = max(
        (
            (validation, test)
            for at, validation, test in zip(ended, search["validation"], search["test"], strict=True)
            if at <= seconds and validation is not None and test is not None
        ),
        default=(0.0, _CHANCE),
    )
    return float(best[1])


def training_seconds(results: dict[str, Any], space: str) -> float:
    """The core-seconds of a random training: of the first networks of TPE, in the mean."""
    return float(np.mean([search["seconds"][:_RANDOM] for search in results[space]["TPE"].values()]))


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Means and standard deviations over the seeds, and what ``topk`` found more, paired by seed."""
    randoms, _ = read_results(Path(str(first_run.__file__)).with_suffix(".json"), {})
    for space in (space for space in SPACES if results.get(space, {}).get("TPE")):
        by_method = results[space]
        one, n = training_seconds(results, space), max(map(len, by_method.values()))
        at_random = [f"{100 * first_run.random_found(randoms, space, cost):.2f}" for cost in COSTS]
        rows: list[Sequence[str]] = [("random", *at_random, "", "", "", "")]
        for method in (method for method in METHODS if method in by_method):
            searches = by_method[method]
            accuracies = [[100 * found(search, one * cost) for search in searches.values()] for cost in COSTS]
            both = sorted(searches.keys() & by_method.get("topk", {}).keys()) if method != "topk" else []
            last = one * max(COSTS)
            less = [100 * (found(by_method["topk"][seed], last) - found(searches[seed], last)) for seed in both]
            ended = [sum(value is not None for value in search["validation"]) for search in searches.values()]
            begun = [len(search["validation"]) for search in searches.values()]
            tests = [100 * value for search in searches.values() for value in search["test"] if value is not None]
            cost = [(sum(search["seconds"]) + search["other_seconds"]) / one for search in searches.values()]
            rows.append(
                (
                    method,
                    *(mean_and_spread(values, 2) for values in accuracies),
                    mean_and_interval(less) if less else "",
                    f"{np.mean(ended):.1f} of {np.mean(begun):.1f}",
                    mean_and_spread(tests, 2),
                    f"{np.mean(cost):.1f}",
                )
            )
        columns = (
            "test accuracy found at the cost of",
            *(f"{cost} trainings" for cost in COSTS),
            "topk less this",
            "trained to the end",
            "mean of these",
            "cost",
        )
        yield table(columns, rows, f"{space}: {n} searches each, a training is {one:.0f} core-seconds")


def plan(arguments: argparse.Namespace) -> Plan:
    setting = {"candidates": CANDIDATES, "trained": TRAINED, "dataset": _DATASET, "budget": "small"}
    jobs = jobs_for(partial(one_search, runs=arguments.runs), SPACES, METHODS, arguments.seeds)
    return Plan(setting, jobs, tables)


main = partial(
    experiment,
    plan,
    {
        "--runs": (Path("runs/peers"), "where the run folders are"),
        "--seeds": [0, 1, 2],
    },
)

if __name__ == "__main__":
    sys.exit(main())
