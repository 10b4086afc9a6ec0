"""What the first run of a new user shows: searches like ``make search``, over ten seeds.

``python -m tart_nas.experiments.first_run`` runs :func:`tart_nas.search` on the embedded sample of CIFAR-10 for each
seed: 10,000 candidates are sampled and scored, the best 5 and 5 random ones are trained alike. It does so in
DeepNets-1M's search split, with the defaults of that space, and in the DARTS space at the same budget but for 5 cells.
A table then tells, for the first k of both fives, in how many searches the picked networks are better than the random
ones, and by how much: space and number of networks of the default run were chosen by it. The seeds are 1 to 10;
``make search`` and the README use seed 0.

A search is written into ``--out`` as soon as it ends, and the same command goes on where another stopped. Several
processes may share the work by ``--seeds``: two with one thread each (``OMP_NUM_THREADS=1``) keep two cores busy.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from rich.console import Console
from rich.table import Table

import tart_nas
from tart_nas import TrainingBudget, TrainingRecipe
from tart_nas.experiments.command import exit_status
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.runs.gain import Gain
from tart_nas.search_spaces import ArchitectureSource, DartsSpace, DeepNets1MSpace

__all__ = ["SPACES", "main", "one_search", "table"]

CANDIDATES, TRAINED = 10_000, 5
SEEDS = range(1, 11)
SPACES: dict[str, ArchitectureSource] = {"deepnets1m": DeepNets1MSpace("search"), "darts": DartsSpace()}
# The budget of the labels of deepnets1m-cifar10, some 20 s of a core for each network of that space.
BUDGETS = {
    name: TrainingBudget(n_cells=5 if name == "darts" else None, C=8, train_images=2500, image_size=16)
    for name in SPACES
}
RECIPE = TrainingRecipe(epochs=4, batch_size=32, lr=0.05, crop=2)


def one_search(name: str, seed: int, folder: Path) -> dict[str, Any]:
    """The test accuracies of one search's picked and random networks, in their order; None for one that failed.

    Args:
        name: of the space that is searched.
        seed: of all that is random.
        folder: where the run folder is made.
    """
    result = tart_nas.search(
        SPACES[name],
        candidates=CANDIDATES,
        top_k=TRAINED,
        random=TRAINED,
        dataset="cifar10-sample",
        budget=BUDGETS[name],
        recipe=RECIPE,
        seed=seed,
        out=folder,
        progress=True,
    )
    sides = {"top": result.top, "random": result.random}
    return {
        **{name: [p.test_accuracy for p in side] for name, side in sides.items()},
        "test_images": gain.test_images if (gain := result.gain()) else 0,
        "seconds": [round(sum(epoch["seconds"] for epoch in p.curve), 1) for p in result.picks],
    }


def table(searches: Sequence[dict[str, Any]], title: str) -> Table:
    """One row for each number of networks: how often the picked ones are better, by how much, how often that shows."""
    columns = ("networks", "picked better", "mean difference", "smallest", "interval above 0", "below 0")
    drawn = Table(*columns, title=title)
    for k in range(1, TRAINED + 1):
        gains = [Gain.between(_tested(s["top"][:k]), _tested(s["random"][:k]), s["test_images"]) for s in searches]
        differences = 100 * np.array([gain.difference for gain in gains])
        drawn.add_row(
            f"{k} and {k}",
            f"{(differences > 0).sum()} of {len(gains)}",
            f"{differences.mean():+.2f} points",
            f"{differences.min():+.2f}",
            f"{sum(gain.low > 0 for gain in gains)}",
            f"{sum(gain.high < 0 for gain in gains)}",
        )
    return drawn


def _tested(accuracies: Sequence[float | None]) -> list[float]:
    """Those of the networks that did not fail, as a search compares them."""
    return [accuracy for accuracy in accuracies if accuracy is not None]


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Runs the searches that are missing, prints the tables."""
    budgets = {name: asdict(budget) for name, budget in BUDGETS.items()}
    setting = {"candidates": CANDIDATES, "trained": TRAINED, "budgets": budgets, "recipe": RECIPE.to_dict()}
    lock = FileLock(f"{arguments.out}.lock")
    for seed in arguments.seeds:
        for name in arguments.spaces:
            key = f"{name} {seed}"
            if key in ResultsFile(arguments.out, setting).results:
                continue
            found = one_search(name, seed, arguments.runs / f"{name}-{seed}")
            with lock:  # another process may have written meanwhile
                file = ResultsFile(arguments.out, setting)
                file.results[key] = found
                file.save()
    results = ResultsFile(arguments.out, setting).results
    for name in SPACES:
        if searches := [found for key, found in results.items() if key.split()[0] == name]:
            seconds = np.median([value for found in searches for value in found["seconds"]])
            console.print(table(searches, f"{name}: {len(searches)} searches, {seconds:.0f} s a network (median)"))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--runs", type=Path, default=Path("runs/first-run"), help="where the run folders are")
    parser.add_argument("--seeds", type=int, nargs="*", default=list(SEEDS), help="none: only the tables")
    parser.add_argument("--spaces", nargs="+", choices=SPACES, default=list(SPACES))
    arguments = parser.parse_args()
    return exit_status(lambda: run(arguments, Console(highlight=False, width=110)))


if __name__ == "__main__":
    sys.exit(main())
