"""Runs an experiment: its command line, what is still to be measured, the file of results, tables and the figure.

An experiment is a :class:`Plan`: jobs by their place in the results, and how results become tables and a figure. The
runner measures the jobs that the file lacks, one after the other, and writes the file after each. So the same command
goes on after an interruption, and several processes may share the work.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import optuna
import torch
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from tart_nas.drawing import save_figure
from tart_nas.errors import SettingError, TartError
from tart_nas.experiments.results_file import Key, ResultsFile, read_results

__all__ = [
    "CIFAR10",
    "DATA",
    "EVALUATION_FILES",
    "Job",
    "Options",
    "Plan",
    "command",
    "experiment",
    "jobs_for",
    "measure_missing",
]

Options = Mapping[str, Any]
"""Options of a command: by flag the default, or a pair of it and the help text. ``False`` is a switch, a list is an
option with several values, a type stands for no default, and a dict is what ``ArgumentParser.add_argument`` takes."""

Job = tuple[Key, Callable[[], Any]]
"""A place in the results and what gives the JSON value for it."""

DATA: Options = {"data": (Path, "labelled architectures, as for tart-nas fit")}
EVALUATION_FILES: Options = {"data": (Path, "the folder of DeepNets-1M's evaluation files")}
CIFAR10: Options = {"cifar10": (Path, "where CIFAR-10 is")}


@dataclass(frozen=True)
class Plan:
    """What an experiment measures and shows.

    Args:
        setting: JSON values that decide what is measured; results of another setting are refused.
        jobs: all that there is to measure.
        tables: of the results.
        figure: of the results; None for none.
        by_name: parts of places whose jobs are left out unless ``--only`` names them, since they take long.
        about: further JSON values for the file, which do not decide.
    """

    setting: Mapping[str, Any]
    jobs: Sequence[Job]
    tables: Callable[[dict[str, Any]], Iterable[Table]]
    figure: Callable[[dict[str, Any]], Figure] | None = None
    by_name: Sequence[str] = ()
    about: Mapping[str, Any] = field(default_factory=dict)


def jobs_for(measure: Callable[..., Any], *axes: Iterable[Any], under: Key = ()) -> list[Job]:
    """A job for each combination of values, which are its place in the results and what ``measure`` takes.

    Args:
        measure: gives the JSON value for a value of each axis.
        axes: such as the methods and the seeds. All of the others are measured with a value of the last axis before
            any with its next, so that an interruption leaves whole seeds.
        under: what comes before the values in a place.
    """
    *others, last = map(list, axes)
    combinations = [(*values, value) for value in last for values in product(*others)]
    return [((*under, *map(str, values)), partial(measure, *values)) for values in combinations]


def command(
    doc: str | None,
    options: Options,
    run: Callable[[argparse.Namespace, Console], None],
    arguments: Sequence[str] | None = None,
) -> int:
    """Reads the options and runs.

    Args:
        doc: of the module, for ``--help``.
        options: by flag.
        run: given the options and where to print.
        arguments: of the command line; None for those of this process.

    Returns:
        The exit status: 0, or 2 after one line on what is wrong.
    """
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    for flags, value in options.items():
        default, help_text = value if isinstance(value, tuple) else (value, None)
        parser.add_argument(*flags.split(), **{"help": help_text, **_argument(default)})
    chosen = parser.parse_args(arguments)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it prints a line for each trial
    try:
        run(chosen, Console(highlight=False, width=150))  # else a table is cut to 80 columns where there is no terminal
    except (TartError, OSError) as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _argument(default: Any) -> dict[str, Any]:
    """What ``ArgumentParser.add_argument`` takes for the default of an option."""
    if isinstance(default, dict):
        return default
    # Before `type`: a switch takes no value.
    if isinstance(default, bool):
        return {"action": "store_true"}
    if isinstance(default, type):
        return {"type": default}
    if isinstance(default, list):
        return {"nargs": "+", "type": type(default[0]), "default": default}
    return {"type": type(default), "default": default}


def experiment(
    plan: Callable[[argparse.Namespace], Plan], options: Options, arguments: Sequence[str] | None = None
) -> int:
    """The command of an experiment with results: ``--out`` and ``--only`` beside its own options.

    Args:
        plan: what to measure, by the options. The help is its module's docstring, and results lie beside its module.
        options: its own, by flag.
        arguments: as :func:`command` takes.

    Returns:
        The exit status.
    """
    module = sys.modules[plan.__module__]
    own: Options = {
        "--out": (Path(str(module.__file__)).with_suffix(".json"), "the file of results"),
        "--only --methods": ({"nargs": "*", "metavar": "NAME"}, "measure these alone; no NAME: only show"),
    }

    def run(chosen: argparse.Namespace, console: Console) -> None:
        made = plan(chosen)
        results = measure_missing(made, chosen.out, chosen.only, console)
        for table in made.tables(results):
            if table.row_count:
                console.print(table)
        if made.figure is not None and results:
            console.print(f"{chosen.out}, {save_figure(made.figure(results), chosen.out.with_suffix('.png'))}")

    return command(module.__doc__, {**options, **own}, run, arguments)


def measure_missing(plan: Plan, out: Path, only: Sequence[str] | None, console: Console) -> dict[str, Any]:
    """Measures what the file of results lacks.

    Args:
        plan: what there is to measure.
        out: the file of results.
        only: measure the jobs that have one of these names in their place; None for all but those by name.
        console: where each result is told.

    Returns:
        All results in the file.

    Raises:
        SettingError: if no job has one of the names.
        RunFolderError: if the file is something else, or of another setting; results are shown all the same.
    """
    names = list(dict.fromkeys(part for key, _ in plan.jobs for part in key))
    if unknown := [name for name in only or () if name not in names]:
        raise SettingError(f"There is no {unknown[0]!r} to measure: expected some of {', '.join(names)}.")
    if only is not None and not only and out.exists():  # results are shown, whatever has changed since
        results, difference = read_results(out, plan.setting)
        if difference is not None:
            console.print(difference)
        return results
    file = ResultsFile(out, plan.setting)
    about = {"threads": torch.get_num_threads(), "cores": os.cpu_count(), **plan.about}
    for key, measure in plan.jobs:
        wanted = set(plan.by_name).isdisjoint(key) if only is None else not set(only).isdisjoint(key)
        if wanted and key not in file:
            # Written at once: an interruption loses the job that was running, no other.
            value = measure()
            file.add(key, value, about)
            numbers = value.items() if isinstance(value, dict) else ()
            first = next((f"{name} {number:.4f}" for name, number in numbers if isinstance(number, float)), "")
            console.print("  ".join((*key, first)))
    return file.results
