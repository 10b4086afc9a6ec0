"""What the first run of a new user shows: searches like ``make search``, over ten seeds.

``python -m tart_nas.experiments.first_run`` runs :func:`tart_nas.search` on the embedded sample of CIFAR-10 for each
seed: 10,000 candidates of DeepNets-1M's search split are sampled and scored, the best 5 and 5 random ones are trained
alike, at the default budget. A table then tells, for the first k of both fives, in how many searches the picked
networks are better than the random ones, and by how much: the number of networks of the default run was chosen by it.
The seeds are 1 to 10; ``make search`` and the README use seed 0.

Several processes may share the work by ``--seeds``: two with one thread each (``OMP_NUM_THREADS=1``) keep two cores
busy.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

import tart_nas
from tart_nas import TrainingBudget, TrainingRecipe
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import table
from tart_nas.predictors import Predictor
from tart_nas.runs.gain import Gain
from tart_nas.search_spaces import DeepNets1MSpace

CANDIDATES, TRAINED = 10_000, 5
SEARCHES = "deepnets1m"  # the place of the searches in the results: their space
# The budget of the labels of deepnets1m-cifar10, some 20 s of a core for each network of that space.
BUDGET = {"C": 8, "train_images": 2500, "image_size": 16}
RECIPE: dict[str, Any] = {"epochs": 4, "batch_size": 32, "lr": 0.05, "crop": 2}


def one_search(seed: int, runs: Path) -> dict[str, Any]:
    """The test accuracies of one search's picked and random networks, in their order; None for one that failed.

    Args:
        seed: of all that is random.
        runs: where the run folder is made.
    """
    result = tart_nas.search(
        DeepNets1MSpace("search"),
        candidates=CANDIDATES,
        top_k=TRAINED,
        random=TRAINED,
        dataset="cifar10-sample",
        budget=TrainingBudget(**BUDGET),
        recipe=TrainingRecipe(**RECIPE),
        seed=seed,
        out=runs / str(seed),
        progress=True,
    )
    sides = {"top": result.top, "random": result.random}
    return {
        **{name: [p.test_accuracy for p in side] for name, side in sides.items()},
        # 0 where a side has no trained network, so that there is no gain.
        "test_images": gain.test_images if (gain := result.gain()) else 0,
        "seconds": [round(sum(epoch["seconds"] for epoch in p.curve), 1) for p in result.picks],
        # Which of the predictors that had this name, since the bundled ones are made anew.
        "predictor": Predictor.open("deepnets1m-cifar10").identity,
    }


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """For each number of networks: how often the picked ones are better, by how much, how often it shows."""
    searches, rows = list(results.get(SEARCHES, {}).values()), []
    for k in range(1, TRAINED + 1 if searches else 1):
        gains = [Gain.between(_tested(s["top"][:k]), _tested(s["random"][:k]), s["test_images"]) for s in searches]
        points = 100 * np.array([gain.difference for gain in gains])
        better, shown = (points > 0).sum(), (sum(g.low > 0 for g in gains), sum(g.high < 0 for g in gains))
        row = (f"{better} of {len(gains)}", f"{points.mean():+.2f} points", f"{points.min():+.2f}", *shown)
        rows.append((f"{k} and {k}", *row))
    seconds = np.median([value for search in searches for value in search["seconds"]] or [np.nan])
    columns = ("networks", "picked better", "mean difference", "smallest", "interval above 0", "below 0")
    yield table(columns, rows, f"{len(searches)} searches, {seconds:.0f} s a network (median)")


def _tested(accuracies: Sequence[float | None]) -> list[float]:
    """Those of the networks that did not fail, as a search compares them."""
    return [accuracy for accuracy in accuracies if accuracy is not None]


def plan(arguments: argparse.Namespace) -> Plan:
    setting = {"candidates": CANDIDATES, "trained": TRAINED, "budget": BUDGET, "recipe": RECIPE}
    jobs = jobs_for(partial(one_search, runs=arguments.runs), arguments.seeds, under=(SEARCHES,))
    return Plan(setting, jobs, tables)


main = partial(
    experiment,
    plan,
    {"--runs": (Path("runs/first-run"), "where the run folders are"), "--seeds": [*range(1, 11)]},
)


if __name__ == "__main__":
    sys.exit(main())
