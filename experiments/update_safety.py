"""What a few later labels do to a fitted predictor's ranking (``Predictor.update``): tables, as results and in print.

``python -m tart_nas.experiments.update_safety`` measures, with the bundled ``darts-cifar10`` in the DARTS space:

top: the labels are the predictor's own predictions of its best 4, 8 and 12 of 1,500 and 3,000 candidates, with noise of
0.1, 0.5 and 2 points, in its own unit and in another one (a tenth of the points, plus 40). Kendall's tau between the
rankings before and after; the median ranks, as shares of all candidates, of the eight that come next by the mean and by
expected improvement. Means and worst cases over seeds, each of which samples its own candidates and noise.

contradiction: the labels are the negative predictions of 60 random candidates, with noise of 0.3 points. Tau with the
negative predictions of all.

small: the labels are test accuracies that were measured on a small budget (``labels/darts`` and the two
``labels/search-gain-darts``, 80 networks): random k of the 60 of ``labels/darts``, and Kendall's tau with the labels of
all others. Beside the updated predictor: the predictor alone, and a Gaussian process on the k labels alone.

Results go into a JSON file.
"""

import argparse
import copy
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table
from scipy.stats import kendalltau

from tart_nas.architecture import Architecture
from tart_nas.experiments.command import exit_status
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.measurements import read_label_file
from tart_nas.predictors import Predictor
from tart_nas.predictors.correction import Correction
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.population import Population
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies import acquire

__all__ = ["main"]

Floats = npt.NDArray[np.float64]

LABELS = Path(__file__).parent / "labels"
BUNDLED = "darts-cifar10"
UNITS = {"own": (1.0, 0.0), "another": (0.1, 40.0)}  # times the points, plus
TOPS, POOLS, NOISES, NEXT = (4, 8, 12), (1500, 3000), (0.1, 0.5, 2.0), 8
FEW = (5, 10, 20, 30, 48)
SMALL_METHODS = ("predictor alone", "labels alone", "updated")
SPACE = DartsSpace()


def tau(predictions: Floats, labels: Floats) -> float:
    """Kendall's tau."""
    return float(kendalltau(predictions, labels).statistic)


@dataclass(frozen=True)
class Candidates:
    """Candidates of the space, best first.

    Attributes:
        inputs: n of them.
        scores: (n,) the predictor's predictions.
        spread: (n,) their standard deviations.
    """

    inputs: PredictorInputs
    scores: Floats
    spread: Floats

    @classmethod
    def sampled(cls, predictor: Predictor, n: int, seed: int) -> "Candidates":
        """Draws n of them."""
        tokens = SPACE.sample_tokens(n, seed=1000 + seed)
        scores, spread = predictor.predict(tokens, return_std=True)
        order = np.argsort(-scores, kind="stable")
        return cls(PredictorInputs(tokens.take(order)), scores[order], spread[order])

    def corrected(self, rows: npt.NDArray[np.integer], labels: Floats) -> tuple[Floats, Floats]:
        """Means and standard deviations of all after labels of some rows, as :meth:`Predictor.update` corrects them.

        The predictor itself is asked once for all labels, which takes most of the time.
        """
        correction, population = Correction(), Population.of(self.inputs, self.scores)
        told = (self.inputs.tokens.take(rows), self.inputs.sizes[rows], labels, self.scores[rows], self.spread[rows])
        correction.fit(*told, population)
        return correction.predict(self.inputs, self.scores, self.spread)


def top_draws(predictor: Predictor, pool: int, seed: int) -> dict[str, list[float]]:
    """By unit, number of labels and noise: tau; median ranks of what comes next by mean and by expected improvement."""
    candidates, results = Candidates.sampled(predictor, pool, seed), {}
    for unit, n, noise in product(UNITS, TOPS, NOISES):
        rng = np.random.default_rng([seed, n, pool])  # so that units are compared with the same noise
        factor, offset = UNITS[unit]
        labels = factor * (candidates.scores[:n] + rng.normal(scale=noise, size=n)) + offset
        mean, std = candidates.corrected(np.arange(n), labels)
        left, improvement = np.arange(n, pool), acquire("expected-improvement", mean, std, float(labels.max()), rng)
        orders = (left[np.argsort(-promise[left], kind="stable")[:NEXT]] for promise in (mean, improvement))
        ranks = [float(np.median(order + 1)) / pool for order in orders]
        results[f"{unit} {n} {noise}"] = [tau(mean, candidates.scores), *ranks]
    return results


def contradiction_draw(predictor: Predictor, seed: int) -> float:
    """Tau with the negative predictions."""
    candidates, rng = Candidates.sampled(predictor, min(POOLS), seed), np.random.default_rng(seed)
    rows = rng.permutation(len(candidates.scores))[:60]
    labels = -candidates.scores[rows] + rng.normal(scale=0.3, size=60)
    return tau(candidates.corrected(rows, labels)[0], -candidates.scores)


def measured() -> tuple[list[Architecture], Floats, int]:
    """Networks and test accuracies, those of ``labels/darts`` first, and their number."""
    networks, accuracies, counts = [], [], []
    for name in ("darts", "search-gain-darts-random", "search-gain-darts-top"):
        _, labels, _ = read_label_file(LABELS / name / "labels.json")
        counts.append(len(labels))
        for index in sorted(labels):
            networks.append(Architecture.from_dict(labels[index]["architecture"]))
            accuracies.append(float(labels[index]["test_acc"]))
    return networks, np.array(accuracies), counts[0]


def small_draws(predictor: Predictor, seed: int) -> dict[str, list[float]]:
    """Tau of each method on the networks that are not among the k, for each k."""
    networks, accuracies, n = measured()
    population = predictor.population(SPACE.sample_tokens(1500, seed=10))
    results: dict[str, list[float]] = {method: [] for method in SMALL_METHODS}
    for k in FEW:
        known = np.random.default_rng(seed).permutation(n)[:k]
        others = np.setdiff1d(np.arange(len(networks)), known)
        labelled, held_out = [networks[i] for i in known], [networks[i] for i in others]
        models = (
            predictor,
            Predictor("gp").fit(labelled, accuracies[known], extend_scope=held_out),
            copy.copy(predictor).update(labelled, accuracies[known], population=population),
        )
        for method, model in zip(SMALL_METHODS, models, strict=True):
            results[method].append(tau(model.predict(held_out), accuracies[others]))
    return results


def jobs(seeds: int) -> dict[str, Callable[[Predictor], Any]]:
    """What is to be measured, by its name in the results."""
    made: dict[str, Callable[[Predictor], Any]] = {}
    for seed in range(seeds // 2):
        made[f"small {seed}"] = partial(small_draws, seed=seed)
        made[f"contradiction {seed}"] = partial(contradiction_draw, seed=seed)
    for seed, pool in product(range(seeds), POOLS):
        made[f"top {pool} {seed}"] = partial(top_draws, pool=pool, seed=seed)
    return made


def tables(results: dict[str, Any]) -> list[Table]:
    """One table for each of the three."""
    top = Table("unit", "labels", "of", "noise", "seeds", "tau", "least", "next by mean", "most", "by EI", "most")
    for unit, n, pool, noise in product(UNITS, TOPS, POOLS, NOISES):
        found = [r[f"{unit} {n} {noise}"] for name, r in results.items() if name.startswith(f"top {pool} ")]
        if found:
            mean, low, high = np.mean(found, axis=0), np.min(found, axis=0), np.max(found, axis=0)
            shares = [f"{100 * value:.1f} %" for value in (mean[1], high[1], mean[2], high[2])]
            row = (unit, n, pool, noise, len(found), f"{mean[0]:.2f}", f"{low[0]:.2f}")
            top.add_row(*map(str, row), *shares)
    contradiction = Table("60 labels that contradict", "seeds", "mean", "least")
    taus = [tau for name, tau in results.items() if name.startswith("contradiction ")]
    if taus:
        contradiction.add_row("tau with them", str(len(taus)), f"{np.mean(taus):.2f}", f"{min(taus):.2f}")
    small = Table("labels of a small budget", *map(str, FEW))
    draws = [draw for name, draw in results.items() if name.startswith("small ")]
    for method in SMALL_METHODS if draws else ():
        small.add_row(method, *(f"{value:.3f}" for value in np.mean([draw[method] for draw in draws], axis=0)))
    return [top, contradiction, small]


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what is missing and prints the tables."""
    predictor = Predictor.from_pretrained(BUNDLED)
    file = ResultsFile(arguments.out, {"predictor": predictor.identity})
    for name, measure in jobs(arguments.seeds).items():
        if name not in file.results and name.startswith(tuple(arguments.parts)):
            file.results[name] = measure(predictor)
            file.save()
    for table in tables(file.results):
        console.print(table)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ("top", "contradiction", "small")
    parser.add_argument("--parts", nargs="*", choices=parts, default=list(parts), help="none: only the tables")
    parser.add_argument("--seeds", type=int, default=20, help="of the top; half as many of the two others")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    arguments = parser.parse_args()
    return exit_status(lambda: run(arguments, Console(highlight=False, width=130)))


if __name__ == "__main__":
    sys.exit(main())
