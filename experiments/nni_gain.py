"""What the predictor buys an NNI strategy: the best of as many trained models, with and without it.

``python -m tart_nas.experiments.nni_gain DATA`` runs NNI's strategies on NNI's DARTS space with labelled architectures
in the place of training. For each seed, 100 of them are drawn for the predictor, a Gaussian process, to learn from; no
strategy is ever shown these. The others are the table: a model that a strategy submits stands for the nearest
architecture of the table (by the number of different choices) that was not trained in this run yet, and its label is
the metric. All strategies are given the same table, train as many models, and choose by their own rules.

What was measured goes into a JSON file after each run; the same command measures what is missing. At the end it prints
the table and draws the best label found by the number of trained models.
"""

import argparse
import json
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table as PrintedTable

from tart_nas.architecture import Architecture
from tart_nas.drawing import save_figure
from tart_nas.files import replacing
from tart_nas.predictors import Predictor, read_labelled
from tart_nas.strategies.nni_plugin import HubSpace, TartBestOfN, TartOverSampling, TartTopK, tart_chain

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

    def __init__(self, hub: HubSpace, architectures: Sequence[Architecture], labels: Floats) -> None:
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
        row = self.nearest(sample)
        self.trained.append(row)
        return float(self.labels[row])

    def convert(self, sample: dict[str, Any]) -> Architecture:
        """What the predictor is to judge: the row that the sample stands for."""
        return self.architectures[self.nearest(sample)]

    def _codes(self, sample: dict[str, Any]) -> npt.NDArray[np.int64]:
        return np.array([crc32(str(sample[name]).encode()) for name in self._names])


def strategies() -> dict[str, Callable[[int, LabelledTable, Predictor], Any]]:
    """The strategies to compare, made of a seed, a table and a predictor."""
    from nni.nas.strategy import Random, RegularizedEvolution

    def evolution(seed: int) -> Any:
        return RegularizedEvolution(population_size=20, sample_size=5, seed=seed)

    return {
        "Random": lambda seed, table, predictor: Random(seed=seed),
        "RegularizedEvolution": lambda seed, table, predictor: evolution(seed),
        "RegularizedEvolution + TartBestOfN(10)": lambda seed, table, predictor: tart_chain(
            evolution(seed), TartBestOfN(10, predictor, table.convert)
        ),
        "RegularizedEvolution + TartOverSampling(10, 2)": lambda seed, table, predictor: tart_chain(
            evolution(seed), TartOverSampling(10, 2, "predicted", predictor, table.convert)
        ),
        "TartTopK": lambda seed, table, predictor: TartTopK(
            _TRAINED, samples=table.samples, predictor=predictor, convert=table.convert
        ),
        "TartTopK, number of parameters": lambda seed, table, predictor: TartTopK(
            _TRAINED, samples=table.samples, predictor="params", convert=table.convert
        ),
    }


def run(
    make: Any, seed: int, architectures: Sequence[Architecture], labels: Floats, predictor: Predictor
) -> list[float]:
    """One run; the labels of what was trained, in order."""
    import nni
    from nni.nas.evaluator import Evaluator
    from nni.nas.execution import SequentialExecutionEngine
    from nni.nas.hub.pytorch import DARTS
    from nni.nas.space import SimplifiedModelSpace

    model_space = DARTS(width=32, num_cells=8, dataset="cifar")
    table = LabelledTable(HubSpace.of(model_space), architectures, labels)

    class Looked(Evaluator):  # type: ignore[misc]
        def _execute(self, model: Any) -> None:
            nni.report_final_result(table.train(model.sample))

    space = SimplifiedModelSpace.from_model(model_space, Looked())
    make(seed, table, predictor)(space, SequentialExecutionEngine(max_model_count=_TRAINED))
    return [float(labels[row]) for row in table.trained]


def draw(results: dict[str, dict[str, Any]], names: Sequence[str]) -> Figure:
    """The best label by the number of trained models: mean and quartiles over seeds."""
    figure = Figure(figsize=(9, 5.5), layout="constrained")
    axes = figure.subplots()
    steps = np.arange(1, _TRAINED + 1)
    for name in names:
        regrets = np.array(_regrets(results, name))
        line = axes.plot(steps, regrets.mean(axis=0), label=name)[0]
        low, high = np.quantile(regrets, [0.25, 0.75], axis=0)
        axes.fill_between(steps, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    axes.set_xlabel("trained models")
    axes.set_ylabel("best label of the table minus best found (points of accuracy)")
    axes.set_ylim(bottom=0)
    axes.set_xlim(1, _TRAINED)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure


def _regrets(results: dict[str, dict[str, Any]], name: str) -> list[list[float]]:
    """(seeds, trained models) of how far the best so far lies below the best of the table."""
    return [
        (run["best of the table"] - np.maximum.accumulate(run["labels"])).tolist() for run in results[name].values()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled architectures, as for tart-nas fit")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--seeds", type=int, default=10)
    arguments = parser.parse_args()
    logging.getLogger("nni").setLevel(logging.ERROR)
    console = Console(highlight=False)
    architectures, labels, description = read_labelled(arguments.data)
    content = json.loads(arguments.out.read_text()) if arguments.out.exists() else {"results": {}}
    content |= {"data": description, "learned": _LEARNED, "trained": _TRAINED}
    results = content["results"]
    made = strategies()
    for seed in range(arguments.seeds):
        missing = [name for name in made if str(seed) not in results.setdefault(name, {})]
        if not missing:
            continue
        order = np.random.default_rng(seed).permutation(len(architectures))
        known, rest = order[:_LEARNED], order[_LEARNED:]
        predictor = Predictor("gp").fit([architectures[i] for i in known], labels[known], seed)
        for name in missing:
            table = [architectures[i] for i in rest]
            found = run(made[name], seed, table, labels[rest], predictor)
            results[name][str(seed)] = {"best of the table": float(labels[rest].max()), "labels": found}
            console.print(f"seed {seed}  {name:<48} best {max(found):.3f} of {labels[rest].max():.3f}")
            with replacing(arguments.out) as temporary:
                temporary.write_text(json.dumps(content) + "\n")
    printed = PrintedTable(
        "strategy", *(f"after {n}" for n in _SHOWN), title="below the best of the table: mean, median"
    )
    for name in made:
        regrets = np.array(_regrets(results, name))
        printed.add_row(name, *(f"{regrets[:, n - 1].mean():.3f}, {np.median(regrets[:, n - 1]):.3f}" for n in _SHOWN))
    console.print(printed)
    console.print(f"{arguments.out}, {save_figure(draw(results, list(made)), arguments.out.with_suffix('.png'))}")


if __name__ == "__main__":
    main()
