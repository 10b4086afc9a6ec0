"""A generator against random sampling and regularized evolution, with as many calls of the predictor that guides them.

``python -m tart_nas.experiments.generation`` splits the 718 labels of ``darts-cifar10`` in halves, anew for each seed.
A Gaussian process that is fitted to one half, the guide, is what each method may ask 20,000 times. One that is fitted
to the other half, the judge, scores the ten networks that the guide finds best: a method that has found the errors of
its guide scores high by the guide alone. Both are Gaussian processes, whose fits take seconds, so that they may err
alike; a judge of another kind, gradient boosting, is told beside them.

The methods: ``random``, a sample of the space; ``evolution``, :func:`tart_nas.strategies.evolve`; ``generator``, all
that a generator scores when it is fitted, a tenth of them random networks. ``fresh`` are 1,000 further draws of the
fitted generator, which asked the guide for none of them: of these the table tells the mean of all.

Of each method: the mean scores of its top ten by guide and judges; the diversity of these ten, the mean
``cell_distance`` of their pairs; and of the generator's first 1,000 draws, repeats included, the shares that are valid,
unique, and not among what it was trained on.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from functools import cache, partial
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.experiments.plots import panels
from tart_nas.experiments.runner import Plan, experiment, jobs_for
from tart_nas.experiments.tables import mean_and_spread, table
from tart_nas.generators import ArchitectureGenerator
from tart_nas.predictors import LabelledData, Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies import cell_distance, evolve, top_k

CALLS, SEEDS, TOP, FRESH = 20_000, 5, 10, 1000
METHODS = ("random", "evolution", "generator")
SPACE = DartsSpace()

Floats = npt.NDArray[np.float64]


def _settings(calls: int) -> dict[str, Any]:
    """How the generator is fitted."""
    return {"first": max(100, calls // 10), "rounds": max(1, round(9 * (calls / 5000) ** 0.5))}


@cache
def judges(seed: int) -> dict[str, Predictor]:
    """The guide of a seed and its judges."""
    data = Predictor.from_pretrained("darts-cifar10").training_data()
    order = np.random.default_rng(seed).permutation(len(data.architectures))
    first, second = (data.take(np.sort(half)) for half in np.array_split(order, 2))
    return {
        "guide": _fitted("gp", first, seed),
        "judge": _fitted("gp", second, seed),
        "boosting": _fitted("boosting", second, seed),
    }


def _fitted(kind: str, data: LabelledData, seed: int) -> Predictor:
    return Predictor(kind).fit(
        data.architectures, data.targets, seed=seed, auxiliary=data.auxiliary, label_size=data.label_size
    )


class Recorder:
    """A predictor that keeps what it scored."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self.architectures: list[Architecture] = []
        self.scores: list[float] = []

    def predict(self, architectures: Sequence[Architecture], *, outside: Any = "raise") -> Floats:
        """The predictor's scores."""
        scores = self._predictor.predict(architectures, outside=outside)
        self.architectures += architectures
        self.scores += scores.tolist()
        return scores


def measured(method: str, seed: int, calls: int) -> dict[str, Any]:
    """What a method finds with a seed."""
    guide = Recorder(judges(seed)["guide"])
    start, generator = time.process_time(), None
    if method == "random":
        guide.predict(SPACE.sample(calls, seed))
    elif method == "evolution":
        evolve(SPACE, guide.predict, calls, seed)
    else:
        generator = ArchitectureGenerator().fit(SPACE, guide, seed=seed, calls=calls, **_settings(calls))
    seconds = time.process_time() - start
    assert len(guide.scores) == calls, "all methods ask as often"
    top = [guide.architectures[place] for place in top_k(np.array(guide.scores), TOP)]
    result = {"top": [str(architecture) for architecture in top], **_scored(top, seed), "seconds": seconds}
    if generator is not None:
        known = set(map(SPACE.canonical, guide.architectures))
        result["fresh"] = _fresh(generator, known, seed)
    return result


def _scored(architectures: Sequence[Architecture], seed: int) -> dict[str, float]:
    pairs = combinations(architectures[: 10 * TOP], 2)
    return {
        **{name: float(predictor.predict(architectures).mean()) for name, predictor in judges(seed).items()},
        "diversity": float(np.mean([cell_distance(a, b) for a, b in pairs])),
    }


def _fresh(generator: ArchitectureGenerator, known: set[Architecture], seed: int) -> dict[str, Any]:
    """What further samples are like."""
    start = time.process_time()
    drawn = generator.draws(FRESH, seed + 1)
    seconds = time.process_time() - start
    forms = list(map(SPACE.canonical, drawn))
    scores = judges(seed)["guide"].predict(drawn)
    return {
        **_scored(drawn, seed),
        "seconds": seconds,
        "valid": float(np.mean([SPACE.contains(architecture) for architecture in drawn])),
        "unique": len(set(forms)) / len(forms),
        "new": float(np.mean([form not in known for form in forms])),
        "as good as asked": float(np.mean(scores >= generator.thresholds[-1])),
    }


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Means over the seeds."""
    measures = ("guide", "judge", "boosting", "diversity", "seconds")
    rows = [_row(f"{method}: top {TOP}", list(results[method].values()), measures) for method in results]
    if "generator" in results:
        fresh = [by_seed["fresh"] for by_seed in results["generator"].values()]
        rows.append(_row(f"generator: {len(fresh)} x {FRESH} further samples", fresh, measures))
        shares = ("valid", "unique", "new", "as good as asked")
        yield table(("further samples, %", *shares), [_row("generator", fresh, shares, 100)])
    yield table(("mean predicted accuracy", *measures), rows)
    for method in results.keys() & {"evolution", "generator"}:
        pairs = [(results[method][seed], results["random"][seed]) for seed in results[method]]
        gains = [[a[name] - b[name] for a, b in pairs] for name in ("guide", "judge", "boosting")]
        yield table((f"{method} above random", "guide", "judge", "boosting"), [("", *map(mean_and_spread, gains))])


def _row(name: str, found: Sequence[Any], measures: Sequence[str], factor: float = 1) -> tuple[str, ...]:
    return (name, *(mean_and_spread([factor * one[measure] for one in found]) for measure in measures))


def figure(results: dict[str, Any]) -> Figure:
    """The top tens of all seeds by guide and judge, and their diversity."""
    drawn, (scores, diversity) = panels(["mean predicted accuracy of the top 10", "diversity of the top 10"], 5.2, 4.2)
    for color, (method, by_seed) in enumerate(results.items()):
        found = list(by_seed.values())
        guide, judge, apart = (np.array([one[name] for one in found]) for name in ("guide", "judge", "diversity"))
        scores.scatter(guide, judge, color=f"C{color}", label=method, s=36)
        diversity.scatter(apart, judge, color=f"C{color}", label=method, s=36)
    low = min(min(scores.get_xlim()), min(scores.get_ylim()))
    high = max(max(scores.get_xlim()), max(scores.get_ylim()))
    scores.plot([low, high], [low, high], color="#888888", linewidth=0.8, linestyle=":")
    scores.set(xlabel="by the guide (%)", ylabel="by the judge (%)")
    diversity.set(xlabel="mean cell_distance of pairs (edges of 16)", ylabel="by the judge (%)")
    scores.legend(frameon=False)
    return drawn


def plan(arguments: argparse.Namespace) -> Plan:
    jobs = jobs_for(partial(measured, calls=arguments.calls), METHODS, range(arguments.seeds))
    setting = {
        "calls": arguments.calls,
        "generator": _settings(arguments.calls),
        "labels": Predictor.from_pretrained("darts-cifar10").identity,
    }
    return Plan(setting, jobs, tables, figure)


main = partial(
    experiment,
    plan,
    {"--calls": (CALLS, "of the guide, for each method"), "--seeds": SEEDS},
)

if __name__ == "__main__":
    sys.exit(main())
