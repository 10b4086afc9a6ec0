"""Whole searches with real training: random search, ``topk`` and ``active``, with as many trainings each.

``python -m tart_nas.experiments.confirmed_searches CIFAR10`` runs :func:`tart_nas.search` in DeepNets-1M's search split
on all of CIFAR-10 at the budget ``small``, three seeds of each method. Each trains 15 networks: random ones, the best
15 of 10,000 candidates by ``deepnets1m-cifar10``, or five rounds of three of them by expected improvement. These are
the methods that ``replayed_searches`` found best, and random search; nothing was chosen by what is printed here.

A search has found the network with the best validation accuracy; its accuracy on the 10,000 test images is what counts.
The table has it after the first 5, 10 and 15 trainings, and the seconds of a core that these took.
"""

import argparse
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

import tart_nas
from tart_nas.experiments.runner import CIFAR10, Plan, experiment, jobs_for
from tart_nas.experiments.tables import mean_and_interval, mean_and_spread, table
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace

CANDIDATES, TRAINED, ROUNDS = 10_000, 15, 5
STEPS = (5, 10, 15)
METHODS: dict[str, dict[str, Any]] = {
    "random": {"predictor": "params", "top_k": TRAINED},  # all that is drawn is trained
    "topk": {"top_k": TRAINED},
    "active": {"strategy": "active", "top_k": TRAINED // ROUNDS, "rounds": ROUNDS},
}
"""Arguments of the searches."""


def one_search(method: str, seed: int, data_dir: Path, runs: Path) -> dict[str, Any]:
    """Validation and test accuracies of what a search trained, in the order of its trainings, and their seconds.

    Args:
        method: of :data:`METHODS`.
        seed: of all that is random.
        data_dir: where CIFAR-10 is.
        runs: where the run folder is made.
    """
    space = DeepNets1MSpace("search")
    drawn = space.sample(TRAINED, seed)
    result = tart_nas.search(
        space,
        candidates=drawn if method == "random" else CANDIDATES,
        dataset="cifar10",
        data_dir=data_dir,
        budget="small",
        seed=seed,
        out=runs / f"{method}-{seed}",
        progress=True,
        **METHODS[method],
    )
    trained = [pick for pick in result.picks if pick.test_accuracy is not None]
    if method == "random":  # in the order in which they were drawn, not by size
        places: dict[Any, int] = {architecture: place for place, architecture in enumerate(drawn)}
        trained.sort(key=lambda pick: places[pick.pick.architecture])
    return {
        "validation": [pick.validation_accuracy for pick in trained],
        "test": [pick.test_accuracy for pick in trained],
        "seconds": [round(sum(epoch["seconds"] for epoch in pick.curve), 1) for pick in trained],
        "scoring_seconds": round(result.scoring_seconds, 1),
        # Which of the predictors that had this name, since the bundled ones are made anew.
        "predictor": "params" if method == "random" else Predictor.open("deepnets1m-cifar10").identity,
    }


def found(search: dict[str, Any], trainings: int) -> float:
    """The test accuracy of the network with the best validation accuracy among the first so many."""
    return float(search["test"][int(np.argmax(search["validation"][:trainings]))])


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Means and standard deviations over the seeds, and differences to random search, paired by seed."""
    rows = []
    for method in (m for m in METHODS if m in results):
        searches = list(results[method].values())
        accuracies = [mean_and_spread([100 * found(search, n) for search in searches], 2) for n in STEPS]
        seconds = [sum(search["seconds"]) + search["scoring_seconds"] for search in searches]
        rows.append((method, *accuracies, mean_and_spread(seconds, 0)))
    for method in ("topk", "active"):
        both = sorted(results.get(method, {}).keys() & results.get("random", {}).keys())
        gains = [100 * (found(results[method][s], TRAINED) - found(results["random"][s], TRAINED)) for s in both]
        if len(gains) > 1:
            rows.append((f"{method} less random", "", "", mean_and_interval(gains), ""))
    columns = ("test accuracy, %", *(f"{n} trainings" for n in STEPS), "seconds of a search")
    yield table(columns, rows, f"{max((len(by_seed) for by_seed in results.values()), default=0)} searches each")


def plan(arguments: argparse.Namespace) -> Plan:
    setting = {"candidates": CANDIDATES, "trained": TRAINED, "methods": METHODS, "budget": "small"}
    jobs = jobs_for(partial(one_search, data_dir=arguments.cifar10, runs=arguments.runs), METHODS, arguments.seeds)
    return Plan(setting, jobs, tables)


main = partial(
    experiment,
    plan,
    {
        **CIFAR10,
        "--runs": (Path("runs/confirmed"), "where the run folders are"),
        "--seeds": [0, 1, 2],
    },
)

if __name__ == "__main__":
    sys.exit(main())
