"""What the predictor buys an NNI strategy: the best of as many trained models, with and without it.

``python -m tart_nas.experiments.nni_gain DATA`` runs NNI's strategies on NNI's DARTS space with labelled architectures
in the place of training. For each seed, 100 of them are drawn for the predictor, a Gaussian process, to learn from; no
strategy is ever shown these. The others are the table: a model that a strategy submits stands for the nearest
architecture of the table (by the number of different choices) that was not trained in this run yet, and its label is
the metric. All strategies are given the same table, train as many models, and choose by their own rules.
"""

import argparse
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from rich.table import Table

from tart_nas.architecture import Architecture
from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import DATA, Plan, experiment, jobs_for
from tart_nas.experiments.tables import table
from tart_nas.predictors import Predictor, read_labelled
from tart_nas.strategies import nni_plugin  # of which a name imports NNI when it is used

_LEARNED = 100  # labels that the predictor learns from
_TRAINED = 50  # models that each strategy trains
_SHOWN = (10, 20, 50)

Floats = npt.NDArray[np.float64]


class LabelledTable:
    """Labelled architectures in the place of training.

    Args:
        hub: the space whose samples they are.
        architectures: n of them.
        labels: (n,) of them.
    """

    def __init__(self, hub: "nni_plugin.HubSpace", architectures: Sequence[Architecture], labels: Floats) -> None:
        self.samples = [hub.sample(architecture) for architecture in architectures]
        self.architectures, self.labels = architectures, labels
        self.trained: list[int] = []
        self._names = list(self.samples[0])
        self._values = np.array([self._codes(sample) for sample in self.samples])  # (n, choices) of small integers

    def nearest(self, sample: dict[str, Any]) -> int:
        """The row that a sample stands for."""
        distances = (self._values != self._codes(sample)).sum(axis=1)
        distances[self.trained] = len(self._names) + 1
        return int(distances.argmin())

    def train(self, sample: dict[str, Any]) -> float:
        """The label of the row that a sample stands for."""
        self.trained.append(self.nearest(sample))
        return float(self.labels[self.trained[-1]])

    def convert(self, sample: dict[str, Any]) -> Architecture:
        """What the predictor is to judge: the row that the sample stands for."""
        return self.architectures[self.nearest(sample)]

    def _codes(self, sample: dict[str, Any]) -> npt.NDArray[np.int64]:
        return np.array([crc32(str(sample[name]).encode()) for name in self._names])


def evolution(seed: int) -> Any:
    from nni.nas.strategy import RegularizedEvolution

    return RegularizedEvolution(population_size=20, sample_size=5, seed=seed)


def random(seed: int) -> Any:
    from nni.nas.strategy import Random

    return Random(seed=seed)


def top_k(table: LabelledTable, predictor: Predictor | str) -> Any:
    return nni_plugin.TartTopK(_TRAINED, samples=table.samples, predictor=predictor, convert=table.convert)


STRATEGIES: dict[str, Callable[[int, LabelledTable, Predictor], Any]] = {
    "Random": lambda seed, table, predictor: random(seed),
    "RegularizedEvolution": lambda seed, table, predictor: evolution(seed),
    "RegularizedEvolution + TartBestOfN(10)": lambda seed, table, predictor: nni_plugin.tart_chain(
        evolution(seed), nni_plugin.TartBestOfN(10, predictor, table.convert)
    ),
    "RegularizedEvolution + TartOverSampling(10, 2)": lambda seed, table, predictor: nni_plugin.tart_chain(
        evolution(seed), nni_plugin.TartOverSampling(10, 2, "predicted", predictor, table.convert)
    ),
    "TartTopK": lambda seed, table, predictor: top_k(table, predictor),
    "TartTopK, number of parameters": lambda seed, table, predictor: top_k(table, "params"),
}


class Searches:
    """Runs of the strategies.

    Args:
        architectures: labelled ones.
        labels: (n,) of them.
    """

    def __init__(self, architectures: Sequence[Architecture], labels: Floats) -> None:
        self._architectures, self._labels = architectures, labels
        self._drawn = cache(self._draw)

    def _draw(self, seed: int) -> tuple[Predictor, npt.NDArray[np.int64]]:
        """The predictor, and the rows that it has not learned."""
        order = np.random.default_rng(seed).permutation(len(self._labels))
        known, rest = order[:_LEARNED], order[_LEARNED:]
        return Predictor("gp").fit([self._architectures[i] for i in known], self._labels[known], seed=seed), rest

    def run(self, name: str, seed: int) -> dict[str, Any]:
        """One run: the labels of what was trained, in order."""
        import nni
        from nni.nas.evaluator import Evaluator
        from nni.nas.execution import SequentialExecutionEngine
        from nni.nas.hub.pytorch import DARTS
        from nni.nas.space import SimplifiedModelSpace

        predictor, rest = self._drawn(seed)
        model_space, labels = DARTS(width=32, num_cells=8, dataset="cifar"), self._labels[rest]
        table = LabelledTable(nni_plugin.HubSpace.of(model_space), [self._architectures[i] for i in rest], labels)

        class Looked(Evaluator):  # type: ignore[misc]
            def _execute(self, model: Any) -> None:
                nni.report_final_result(table.train(model.sample))

        space = SimplifiedModelSpace.from_model(model_space, Looked())
        STRATEGIES[name](seed, table, predictor)(space, SequentialExecutionEngine(max_model_count=_TRAINED))
        return {"best of the table": float(labels.max()), "labels": labels[table.trained].tolist()}


def regrets(results: dict[str, Any], name: str) -> Floats:
    """(seeds, trained models) how far the best so far lies below the best of the table."""
    return np.array([run["best of the table"] - np.maximum.accumulate(run["labels"]) for run in results[name].values()])


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Mean and median over seeds after some numbers of trained models."""
    after = {name: regrets(results, name)[:, np.array(_SHOWN) - 1] for name in STRATEGIES if name in results}
    rows = [
        (
            name,
            *(f"{mean:.3f}, {middle:.3f}" for mean, middle in zip(v.mean(axis=0), np.median(v, axis=0), strict=True)),
        )
        for name, v in after.items()
    ]
    yield table(("strategy", *(f"after {n}" for n in _SHOWN)), rows, "below the best of the table: mean, median")


def figure(results: dict[str, Any]) -> Figure:
    """The best label by the number of trained models: mean and quartiles over seeds."""
    lines = {name: Line.quartiles(regrets(results, name), mean=True) for name in STRATEGIES if name in results}
    ylabel = "best label of the table minus best found (points of accuracy)"
    axis = {"xlabel": "trained models", "ylabel": ylabel, "ylim": (0, None), "xlim": (1, _TRAINED)}
    return line_plot({"": lines}, axis)


def plan(arguments: argparse.Namespace) -> Plan:
    logging.getLogger("nni").setLevel(logging.ERROR)
    architectures, labels, description = read_labelled(arguments.data)
    searches = Searches(architectures, labels)
    jobs = jobs_for(searches.run, STRATEGIES, range(arguments.seeds))
    return Plan({"data": description, "learned": _LEARNED, "trained": _TRAINED}, jobs, tables, figure)


main = partial(experiment, plan, {**DATA, "--seeds": 10})


if __name__ == "__main__":
    sys.exit(main())
