"""What each part of the predictors is good for: the same tasks with the part taken out.

``python -m tart_nas.experiments.ablations DATA`` measures variants of the Gaussian process, of TART on cell tokens and
of TART on graph tokens on tasks of ``compare_predictors`` (the first draws of N labels, and the first folds of the full
set). A row of the table is the mean difference to the variant with all parts *on the same tasks*, with its standard
error where there are several.
"""

import argparse
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from statistics import mean, stdev
from typing import Any

from matplotlib.figure import Figure
from rich.table import Table

from tart_nas.experiments.compare_predictors import description_of, labels_of, tasks
from tart_nas.experiments.methods import SMALL_TRANSFORMERS, Measurement, Method
from tart_nas.experiments.plots import bar_plot
from tart_nas.experiments.runner import DATA, Plan, experiment
from tart_nas.experiments.tables import table
from tart_nas.predictors import LabelledData
from tart_nas.predictors.models.kernel import BY_INPUT

_GRAPH = {**SMALL_TRANSFORMERS["TART, graph"], "epochs": 20}


@dataclass(frozen=True)
class Study:
    """Variants of one predictor.

    Args:
        variants: settings by name, the first with all parts.
        tasks: names of the tasks of ``compare_predictors``.
    """

    variants: Mapping[str, Method]
    tasks: tuple[str, ...]


def _draws(*numbers: int, draws: int) -> tuple[str, ...]:
    return tuple(f"{n}/{draw}" for n in numbers for draw in range(draws))


STUDIES = {
    "Gaussian process": Study(
        {"all features": {"kind": "gp"}}
        | {
            f"without {block}": {"kind": "gp", "without": [block]}
            for block in ("counts", "attributes", "flow", "paths", "edges", "pairs", "size", *BY_INPUT)
        }
        | {"without the cells' inputs apart": {"kind": "gp", "without": list(BY_INPUT)}},
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


def differences(results: dict[str, Any], study: str, variant: str, n: int) -> list[float]:
    """Kendall's tau less that of the variant with all parts, of each task with n labels that both were measured on."""
    variant_results, whole = (results[study].get(v, {}) for v in (variant, next(iter(STUDIES[study].variants))))
    # Paired by task, so that it does not count how hard a draw of labels is.
    common = [task for task in variant_results if task in whole and labels_of(task) == n]
    return [variant_results[task]["tau"] - whole[task]["tau"] for task in common]


def _numbers(study: str) -> list[int]:
    return list(dict.fromkeys(map(labels_of, STUDIES[study].tasks)))


def _cell(results: dict[str, Any], study: str, variant: str, n: int) -> str:
    if variant == next(iter(STUDIES[study].variants)):
        taus = [measured["tau"] for task, measured in results[study][variant].items() if labels_of(task) == n]
        return f"{mean(taus):.3f}" if taus else ""
    change = differences(results, study, variant, n)
    error = f" ± {stdev(change) / len(change) ** 0.5:.3f}" if len(change) > 1 else ""
    return f"{mean(change):+.3f}{error}" if change else ""


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """One for each study."""
    for name in (name for name in STUDIES if name in results):
        numbers = _numbers(name)
        rows = [(variant, *(_cell(results, name, variant, n) for n in numbers)) for variant in STUDIES[name].variants]
        yield table((name, *numbers), rows, "Kendall tau, and differences to it")


def figure(results: dict[str, Any]) -> Figure:
    """The differences, one panel for each study."""
    bars = {
        f"{name}: parts taken out or exchanged": {
            f"{n} labels": {
                variant: mean(change) if (change := differences(results, name, variant, n)) else float("nan")
                for variant in list(STUDIES[name].variants)[1:]
            }
            for n in _numbers(name)
        }
        for name in STUDIES
        if name in results
    }
    return bar_plot(bars, "change of Kendall tau")


def plan(arguments: argparse.Namespace) -> Plan:
    data = LabelledData.read(arguments.data)
    measurement = Measurement(data)
    by_name = {task.name: task for task in tasks(len(data.architectures), draws=5, repeats=1)}
    jobs = [
        ((name, variant, task), partial(measurement.of, settings, by_name[task]))
        for name, study in STUDIES.items()
        for task in study.tasks
        for variant, settings in study.variants.items()
    ]
    studies = {name: asdict(study) for name, study in STUDIES.items()}
    return Plan({"data": description_of(data), "studies": studies}, jobs, tables, figure)


main = partial(experiment, plan, DATA)


if __name__ == "__main__":
    sys.exit(main())
