"""What each part of the predictors is good for: the same tasks with the part taken out.

``python -m tart_nas.experiments.ablations DATA`` measures variants of the Gaussian process, of TART on cell tokens and
of TART on graph tokens on tasks of ``compare_predictors`` (the first draws of N labels, and the first folds of the full
set). A row of the table is the mean difference to the variant with all parts *on the same tasks*, with its standard
error where there are several. What was measured goes into a JSON file as soon as it is known; the same command measures
what is missing.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.console import Console
from rich.table import Table

from tart_nas.drawing import save_figure
from tart_nas.experiments.command import exit_status
from tart_nas.experiments.compare_predictors import Data, Measurement, Task, measure, read_data, tasks
from tart_nas.experiments.methods import SMALL_TRANSFORMERS
from tart_nas.experiments.results_file import ResultsFile
from tart_nas.predictors import Predictor
from tart_nas.predictors.pretraining import pretrained
from tart_nas.search_spaces import DartsSpace

_GRAPH = SMALL_TRANSFORMERS["TART, graph"] | {"epochs": 20}


@dataclass(frozen=True)
class Study:
    """Variants of one predictor.

    Args:
        variants: settings by name, the first with all parts.
        tasks: names of the tasks of ``compare_predictors``.
    """

    variants: dict[str, dict[str, Any]]
    tasks: tuple[str, ...]


def _draws(*numbers: int, draws: int) -> tuple[str, ...]:
    return tuple(f"{n}/{draw}" for n in numbers for draw in range(draws))


STUDIES = {
    "Gaussian process": Study(
        {"all features": {"kind": "gp"}}
        | {
            f"without {block}": {"kind": "gp", "without": [block]}
            for block in ("counts", "attributes", "flow", "paths", "edges", "pairs", "size")
        },
        (*_draws(50, 100, draws=5), *(f"574/0.{fold}" for fold in range(5))),
    ),
    "TART, cell": Study(
        {
            "all parts": {"kind": "tart-cell"},
            "without proxies": {"kind": "tart-cell", "auxiliary_weight": 0.0},
            "without ranking loss": {"kind": "tart-cell", "ranking_weight": 0.0},
            "without dropout": {"kind": "tart-cell", "dropout": 0.0},
            "one member": {"kind": "tart-cell", "ensemble": 1},
            "from structure": {"kind": "tart-cell", "init": "structure"},
            "from a Gaussian process": {"kind": "tart-cell", "pretraining": 4096, "learning_rate": 1e-3},
        },
        (*_draws(50, 100, draws=3), "574/0.0"),
    ),
    "TART, graph": Study(
        {
            "all parts": _GRAPH,
            "LAP identifiers": {**_GRAPH, "identifiers": "lap"},
            "without identifiers": {**_GRAPH, "identifiers": "none"},
            "nodes alone": {**_GRAPH, "tokens": "nodes", "identifiers": "none"},
            "without places": {**_GRAPH, "features": "full"},
            "primitives alone": {**_GRAPH, "features": "primitive"},
        },
        _draws(200, draws=3),
    ),
}


class WithStarts(Measurement):
    """Measures variants of which some start from a transformer that was pretrained without labels."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        self._starts: dict[str, Predictor] = {}

    def fit(self, kind: str, settings: dict[str, Any], task: Task, init: Predictor | None = None) -> Predictor:
        """As :meth:`Measurement.fit`; ``"init"`` among the settings names what the fit starts from."""
        if settings.pop("init", None) is None:
            return super().fit(kind, settings, task, init)
        if not self._starts:
            self._starts["structure"] = pretrained(DartsSpace().sample(10_000, seed=1), kind, seed=1)
        return super().fit(kind, settings, task, self._starts["structure"])


Results = dict[str, dict[str, dict[str, dict[str, float]]]]


def differences(results: Results, study: str, variant: str, n: int) -> list[float]:
    """Kendall's tau less that of the variant with all parts, of each task with n labels that both were measured on."""
    first = next(iter(STUDIES[study].variants))
    own, whole = results[study].get(variant, {}), results[study].get(first, {})
    return [own[t]["tau"] - whole[t]["tau"] for t in own if t in whole and int(t.split("/")[0]) == n]


def tables(results: Results) -> Sequence[Table]:
    """One for each study."""
    made = []
    for study in (name for name in STUDIES if name in results):
        numbers = list(dict.fromkeys(int(task.split("/")[0]) for task in STUDIES[study].tasks))
        table = Table(study, *map(str, numbers), title="Kendall tau, and differences to it")
        for i, variant in enumerate(STUDIES[study].variants):
            cells = []
            for n in numbers:
                taus = [r["tau"] for t, r in results[study].get(variant, {}).items() if int(t.split("/")[0]) == n]
                change = differences(results, study, variant, n)
                error = f" ± {stdev(change) / len(change) ** 0.5:.3f}" if len(change) > 1 else ""
                cells.append("" if not taus else f"{mean(taus):.3f}" if i == 0 else f"{mean(change):+.3f}{error}")
            table.add_row(variant, *cells)
        made.append(table)
    return made


def draw(results: Results) -> Figure:
    """The differences, one panel for each study."""
    known = [name for name in STUDIES if name in results]
    figure = Figure(figsize=(4.6 * len(known), 4.2), layout="constrained")
    for axes, study in zip(np.atleast_1d(figure.subplots(1, len(known))), known, strict=True):
        variants = list(STUDIES[study].variants)[1:]
        numbers = list(dict.fromkeys(int(task.split("/")[0]) for task in STUDIES[study].tasks))
        for k, n in enumerate(numbers):
            values = [differences(results, study, variant, n) for variant in variants]
            places = np.arange(len(variants)) + 0.8 * ((k + 0.5) / len(numbers) - 0.5)
            heights = [mean(v) if v else np.nan for v in values]
            axes.barh(places, heights, 0.8 / len(numbers), label=f"{n} labels", color=f"C{k}")
        axes.set_yticks(np.arange(len(variants)), variants)
        axes.invert_yaxis()
        axes.axvline(0, color="#333333", linewidth=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel("change of Kendall tau")
        axes.set_title(f"{study}: parts taken out or exchanged", fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    return figure


def run(arguments: argparse.Namespace, console: Console) -> None:
    """Measures what the file of results lacks, prints the tables and draws the differences."""
    data, description = read_data(arguments.data)
    studies = {name: {"variants": study.variants, "tasks": study.tasks} for name, study in STUDIES.items()}
    file = ResultsFile(arguments.out, {"data": description, "studies": studies})
    measurement = WithStarts(data)
    by_name = {task.name: task for task in tasks(len(data.architectures), draws=5, repeats=1)}
    for study in arguments.studies:
        for task in STUDIES[study].tasks:
            for variant, settings in STUDIES[study].variants.items():
                known = file.results.setdefault(study, {}).setdefault(variant, {})
                if task in known:
                    continue
                known[task] = measure(settings, by_name[task], measurement)
                console.print(f"{task:>8}  {study}, {variant:<24} tau {known[task]['tau']:.4f}")
                file.save({"threads": torch.get_num_threads(), "cores": os.cpu_count()})
    for table in tables(file.results):
        console.print(table)
    console.print(f"{arguments.out}, {save_figure(draw(file.results), arguments.out.with_suffix('.png'))}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled architectures, as for tart-nas fit")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--studies", nargs="+", choices=STUDIES, default=list(STUDIES), metavar="STUDY")
    arguments = parser.parse_args()
    return exit_status(lambda: run(arguments, Console(highlight=False, width=140)))


if __name__ == "__main__":
    sys.exit(main())
