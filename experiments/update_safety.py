"""What a few later labels do to a fitted predictor's ranking (``Predictor.update``).

``python -m tart_nas.experiments.update_safety`` measures, with the bundled ``darts-cifar10`` in the DARTS space:

top: the labels are the predictor's own predictions of its best 4, 8 and 12 of 1,500 and 3,000 candidates, with noise of
0.1, 0.5 and 2 points, in its own unit and in another one (a tenth of the points, plus 40). Kendall's tau between the
rankings before and after; the median ranks, as shares of all candidates, of the eight that come next by the mean and by
expected improvement. Means and worst cases over seeds, each of which samples its own candidates and noise.

contradiction: the labels are the negative predictions of 60 random candidates, with noise of 0.3 points. Tau with the
negative predictions of all.

small: the labels are test accuracies that were measured on a small budget (220 networks): random k of the 200 of
``labels/darts`` and ``labels/darts-pool``, and Kendall's tau with the labels of all others. The other 20 are those of
the two ``labels/search-gain-darts``: the top 10 of 10,000 candidates by an earlier ``darts-cifar10``, and 10 random
ones. The script that trained them is gone, since ``replayed_searches`` compares whole searches instead. Beside the
updated predictor: the predictor alone, and a Gaussian process on the k labels alone.
"""

import argparse
import copy
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.experiments.label_targets import SPACES, labels_in, networks_of
from tart_nas.experiments.methods import ranking_tau
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import table
from tart_nas.predictors import Predictor
from tart_nas.predictors.correction import Correction
from tart_nas.predictors.feature_rows import CellRows
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.population import Population
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies import acquire

Floats = npt.NDArray[np.float64]

UNITS = {"own": (1.0, 0.0), "another": (0.1, 40.0)}  # times the points, plus
TOPS, POOLS, NOISES, NEXT = (4, 8, 12), (1500, 3000), (0.1, 0.5, 2.0), 8
_OTHERS = ("search-gain-darts-random", "search-gain-darts-top")
FEW = (5, 10, 20, 48, 100, 150)
SMALL_METHODS = ("predictor alone", "labels alone", "updated")
SPACE = DartsSpace()


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
        told = (labels, self.scores[rows], self.spread[rows])
        correction.fit(CellRows.of(self.inputs).take(rows), *told, population)
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
        orders = (left[np.argsort(-values[left], kind="stable")[:NEXT]] for values in (mean, improvement))
        ranks = [float(np.median(order + 1)) / pool for order in orders]
        results[f"{unit} {n} {noise}"] = [ranking_tau(mean, candidates.scores), *ranks]
    return results


def contradiction_draw(predictor: Predictor, seed: int) -> float:
    """Tau with the negative predictions."""
    candidates, rng = Candidates.sampled(predictor, min(POOLS), seed), np.random.default_rng(seed)
    rows = rng.permutation(len(candidates.scores))[:60]
    labels = -candidates.scores[rows] + rng.normal(scale=0.3, size=60)
    return ranking_tau(candidates.corrected(rows, labels)[0], -candidates.scores)


@cache
def measured() -> tuple[list[Architecture], Floats, int]:
    """Networks and test accuracies, first those of random networks that k are drawn from, and their number."""
    drawn, others = (labels_in(names) for names in (SPACES["DARTS"], _OTHERS))
    accuracies = np.array([float(label["test_acc"]) for label in (*drawn, *others)])
    return networks_of([*drawn, *others]), accuracies, len(drawn)


def small_draws(predictor: Predictor, seed: int) -> dict[str, list[float]]:
    """Tau of each method on the networks that are not among the k, for each k."""
    networks, accuracies, n = measured()
    population = predictor.population(SPACE.sample_tokens(1500, seed=10))
    results: dict[str, list[float]] = {method: [] for method in SMALL_METHODS}
    for k in FEW:
        known = np.random.default_rng(seed).permutation(n)[:k]
        others = np.setdiff1d(np.arange(len(networks)), known)
        labelled, held_out = [networks[i] for i in known], [networks[i] for i in others]
        # A copy is updated, since `update` changes a predictor in place and the first is asked again.
        models = (
            predictor,
            Predictor("gp").fit(labelled, accuracies[known], extend_scope=held_out),
            copy.copy(predictor).update(labelled, accuracies[known], population=population),
        )
        for method, model in zip(SMALL_METHODS, models, strict=True):
            results[method].append(ranking_tau(model.predict(held_out), accuracies[others]))
    return results


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """One table for each of the three."""
    rows = []
    for unit, n, pool, noise in product(UNITS, TOPS, POOLS, NOISES):
        if draws := [draw[f"{unit} {n} {noise}"] for draw in results.get("top", {}).get(str(pool), {}).values()]:
            mean, low, high = np.mean(draws, axis=0), np.min(draws, axis=0), np.max(draws, axis=0)
            shares = [f"{100 * share:.1f} %" for share in (mean[1], high[1], mean[2], high[2])]
            rows.append((unit, n, pool, noise, len(draws), f"{mean[0]:.2f}", f"{low[0]:.2f}", *shares))
    columns = ("unit", "labels", "of", "noise", "seeds", "tau", "least", "next by mean", "most", "by EI", "most")
    yield table(columns, rows)
    if taus := list(results.get("contradiction", {}).values()):
        row = ("tau with them", len(taus), f"{np.mean(taus):.2f}", f"{min(taus):.2f}")
        yield table(("60 labels that contradict", "seeds", "mean", "least"), [row])
    if draws := list(results.get("small", {}).values()):
        means = {method: np.mean([draw[method] for draw in draws], axis=0) for method in SMALL_METHODS}
        rows = [(method, *(f"{tau:.3f}" for tau in taus)) for method, taus in means.items()]
        yield table(("labels of a small budget", *FEW), rows)


def plan(arguments: argparse.Namespace) -> Plan:
    predictor = Predictor.from_pretrained("darts-cifar10")
    half = range(arguments.seeds // 2)
    jobs = [
        *jobs_for(partial(small_draws, predictor), half, under=("small",)),
        *jobs_for(partial(contradiction_draw, predictor), half, under=("contradiction",)),
        *jobs_for(partial(top_draws, predictor), POOLS, range(arguments.seeds), under=("top",)),
    ]
    return Plan({"predictor": predictor.identity}, jobs, tables)


main = partial(experiment, plan, {"--seeds": (20, "of the top; half as many of the two others")})


if __name__ == "__main__":
    sys.exit(main())
