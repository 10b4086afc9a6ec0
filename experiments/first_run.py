"""What the first run of a new user shows: searches like ``make search``, over ten seeds.

``python -m tart_nas.experiments.first_run`` runs :func:`tart_nas.search` on the embedded sample of CIFAR-10 for each
seed: 10,000 candidates of DeepNets-1M's search split are sampled and scored, the best 5 and 5 random ones are trained
alike, at the default budget. A table then tells, for the first k of both fives, in how many searches the picked
networks are better than the random ones, and by how much: the number of networks of the default run was chosen by it.
The seeds are 1 to 10; ``make search`` and the README use seed 0.

A second table compares what is found: the test accuracy of the network with the best validation accuracy of the first
k picked ones, in the mean of the searches, and of n random ones, in the mean of all choices of n among the random
networks of all searches. ``--only "darts, random" "deepnets1m, random"`` trains three times ten random networks more in
each space, for a random search of 60 trainings; they count in the second table alone, and were planned after the
searches.

``--only darts --seeds 1 2 3 4 5 6`` makes the same searches in the DARTS space, as ``tart-nas search --space darts``
does. There a network takes 40 to 90 s, and a search some ten minutes. Six were planned before any ran.

Several processes may share the work by ``--seeds``: two with one thread each (``OMP_NUM_THREADS=1``) keep two cores
busy.
"""

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

import tart_nas
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import mean_and_interval, table
from tart_nas.predictors import Predictor
from tart_nas.runs.defaults import default_budget, default_predictor, default_recipe
from tart_nas.runs.gain import Gain
from tart_nas.search_spaces import ArchitectureSource, DartsSpace, DeepNets1MSpace

CANDIDATES, TRAINED = 10_000, 5
MORE, MORE_SEEDS = 10, (101, 102, 103)  # random networks without a search, and seeds that no search has
_TRAININGS = (10, 15, 20, 30, 40, 60)  # of random networks, in the table of what is found
SPACES: dict[str, DartsSpace | DeepNets1MSpace] = {"deepnets1m": DeepNets1MSpace("search"), "darts": DartsSpace()}


def training(space: ArchitectureSource) -> dict[str, Any]:
    """How the networks of a space are trained by default: at the budget of the labels of its predictor."""
    return {"budget": default_budget(space), "recipe": default_recipe(space=space)}


def one_search(space: str, seed: int, runs: Path) -> dict[str, Any]:
    """The accuracies of one search's picked and random networks, in their order; None for one that failed.

    Args:
        space: of :data:`SPACES`.
        seed: of all that is random.
        runs: where the run folder is made.
    """
    predictor = default_predictor(SPACES[space], is_small=True)
    result = tart_nas.search(
        SPACES[space],
        predictor=predictor,
        candidates=CANDIDATES,
        top_k=TRAINED,
        random=TRAINED,
        dataset="cifar10-sample",
        seed=seed,
        out=runs / f"{space}-{seed}",
        progress=True,
        **training(SPACES[space]),
    )
    sides = {"top": result.top, "random": result.random}
    return {
        **{name: [p.test_accuracy for p in side] for name, side in sides.items()},
        "validation": {name: [p.validation_accuracy for p in side] for name, side in sides.items()},
        # 0 where a side has no trained network, so that there is no gain.
        "test_images": gain.test_images if (gain := result.gain()) else 0,
        "seconds": [round(sum(epoch["seconds"] for epoch in p.curve), 1) for p in result.picks],
        # Which of the predictors that had this name, since the bundled ones are made anew.
        "predictor": Predictor.open(predictor).identity,
    }


def random_networks(space: str, seed: int, runs: Path) -> dict[str, Any]:
    """The accuracies of random networks, trained as those of the searches are; None for one that failed.

    Args:
        space: of :data:`SPACES`.
        seed: of all that is random.
        runs: where the run folder is made.
    """
    result = tart_nas.search(
        SPACES[space],
        predictor="params",  # which chooses nothing: all that is drawn is trained
        candidates=SPACES[space].sample(MORE, seed),
        top_k=MORE,
        dataset="cifar10-sample",
        seed=seed,
        out=runs / f"{space}-random-{seed}",
        progress=True,
        **training(SPACES[space]),
    )
    return {
        "random": [p.test_accuracy for p in result.picks],
        "validation": {"random": [p.validation_accuracy for p in result.picks]},
    }


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """For each number of networks: how often the picked ones are better, by how much, how often it shows."""
    for space in (space for space in SPACES if space in results):
        searches, rows = list(results[space].values()), []
        for k in range(1, TRAINED + 1):
            gains = [Gain.between(_tested(s["top"][:k]), _tested(s["random"][:k]), s["test_images"]) for s in searches]
            points = 100 * np.array([gain.difference for gain in gains])
            better, shown = (points > 0).sum(), (sum(g.low > 0 for g in gains), sum(g.high < 0 for g in gains))
            row = (f"{better} of {len(gains)}", mean_and_interval([*points]), f"{points.min():+.2f}", *shown)
            rows.append((f"{k} and {k}", *row))
        seconds = np.median([value for search in searches for value in search["seconds"]])
        columns = ("networks", "picked better", "mean difference, points", "smallest", "interval above 0", "below 0")
        yield table(columns, rows, f"{space}: {len(searches)} searches, {seconds:.0f} s a network (median)")
        picked = {k: [100 * _expected(_networks([s], "top", k), k) for s in searches] for k in range(1, TRAINED + 1)}
        trained = len(_random_networks(results, space))
        found = [
            (
                n,
                mean_and_interval(picked[n]).lstrip("+") if n in picked else "",
                f"{100 * random_found(results, space, n):.2f}",
            )
            for n in sorted({*picked, *(n for n in _TRAININGS if n < trained), trained})
        ]
        yield table(("trainings", "test accuracy found, picked", "random"), found, f"{space}: the best by validation")


def random_found(results: dict[str, Any], space: str, n: int) -> float:
    """The test accuracy of the best by validation of n random networks, in the mean of all choices of n.

    Args:
        results: of this experiment.
        space: of :data:`SPACES`.
        n: at most as many as there are.
    """
    return _expected(_random_networks(results, space), n)


def _random_networks(results: dict[str, Any], space: str) -> list[tuple[float, float]]:
    """Those of the searches, and those that were trained without a search."""
    return _networks([*results[space].values(), *results.get(_more(space), {}).values()], "random")


def _more(space: str) -> str:
    """The place in the results of random networks that are trained without a search."""
    return f"{space}, random"


def _networks(searches: Sequence[dict[str, Any]], side: str, first: int | None = None) -> list[tuple[float, float]]:
    """Validation and test accuracy of each network that did not fail, of the first so many of each search."""
    pairs = [pair for s in searches for pair in zip(s["validation"][side][:first], s[side][:first], strict=True)]
    return [(validation, test) for validation, test in pairs if validation is not None and test is not None]


def _expected(networks: Sequence[tuple[float, float]], n: int) -> float:
    """The test accuracy of the best by validation of n of the networks, in the mean of all choices of n."""
    tests = [test for _, test in sorted(networks, reverse=True)]
    n = min(n, len(tests))
    # The i-th best is the best of the chosen where the others are chosen from those behind it.
    return sum(test * math.comb(len(tests) - 1 - i, n - 1) for i, test in enumerate(tests)) / math.comb(len(tests), n)


def _tested(accuracies: Sequence[float | None]) -> list[float]:
    """Those of the networks that did not fail, as a search compares them."""
    return [accuracy for accuracy in accuracies if accuracy is not None]


def plan(arguments: argparse.Namespace) -> Plan:
    trained = {name: {of: asdict(what) for of, what in training(space).items()} for name, space in SPACES.items()}
    setting = {"candidates": CANDIDATES, "trained": TRAINED, "training": trained}
    jobs = jobs_for(partial(one_search, runs=arguments.runs), SPACES, arguments.seeds)
    for space in SPACES:
        jobs += jobs_for(partial(random_networks, space, runs=arguments.runs), MORE_SEEDS, under=(_more(space),))
    return Plan(setting, jobs, tables, by_name=["darts", *map(_more, SPACES)])


main = partial(
    experiment,
    plan,
    {"--runs": (Path("runs/first-run"), "where the run folders are"), "--seeds": [*range(1, 11)]},
)


if __name__ == "__main__":
    sys.exit(main())
