"""How long a suggestion and a pruner's decision take, by the number of finished trials in the study.

``python -m tart_nas.experiments.optuna_speed DATA`` fills studies with finished trials of random architectures of the
DARTS space (labels: a predictor fitted to DATA) and times further trials: Optuna's own samplers and ours, and the first
and later decisions of the pruner. Medians of several, wall clock and processor time of this process, since the wall
clock of a busy machine says little. The first suggestion reads the whole study and fits the predictor; it stands apart,
and so would a later one that refits, as one does for each twentieth of new labels.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from matplotlib.figure import Figure
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState, create_trial
from rich.table import Table

from tart_nas.experiments.plots import Line, line_plot
from tart_nas.experiments.runner import DATA, Plan, experiment, jobs_for
from tart_nas.experiments.tables import table
from tart_nas.experiments.timing import Timing, timed
from tart_nas.predictors import Predictor, read_labelled
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import TartPruner, TartSampler, architecture_parameters, suggest_architecture

SIZES = (0, 100, 1000, 10_000)
SPACE = DartsSpace()

SAMPLERS: dict[str, Callable[[], BaseSampler]] = {
    "Optuna's random": lambda: RandomSampler(seed=0),
    "Optuna's TPE": lambda: TPESampler(seed=0),
    "ours, 1,000 random": lambda: TartSampler(space=SPACE, candidates="random", n_candidates=1000, seed=0),
    "ours, 1,000 evolutionary": lambda: TartSampler(space=SPACE, n_candidates=1000, seed=0),
    "ours, 1,000 evolutionary, darts-cifar10": lambda: TartSampler("darts-cifar10", SPACE, n_candidates=1000, seed=0),
    "ours, 32 of TPE": lambda: TartSampler(space=SPACE, candidates="base", n_candidates=32, seed=0),
}
PRUNERS = ("pruner, Gaussian process", "pruner, darts-cifar10")


class Filled:
    """Studies with finished trials, and what is timed in them.

    Args:
        data: the file of labelled architectures.
        repeats: later suggestions or decisions, of which the medians count.
    """

    def __init__(self, data: Path, repeats: int) -> None:
        architectures, targets, self.description = read_labelled(data)
        # Quick to ask, as ten thousand trials need a label.
        self._truth = Predictor("ridge").fit(architectures, targets)
        # Of few labels: what is timed is the use of a Gaussian process, not its fit.
        self._fitted = Predictor("gp").fit(architectures[:200], targets[:200])
        self._repeats, self._trials = repeats, cache(self._finished_trials)

    def _finished_trials(self, n: int) -> list[FrozenTrial]:
        architectures = SPACE.sample(n, seed=1)
        example = optuna.create_study().ask()
        suggest_architecture(example, SPACE)
        parameters = (architecture_parameters(architecture, SPACE) for architecture in architectures)
        return [
            create_trial(params=params, distributions=example.distributions, value=float(value))
            for params, value in zip(parameters, self._truth.predict(architectures), strict=True)
        ]

    def times(self, name: str, size: int) -> dict[str, float]:
        """Times a sampler's suggestions, or a pruner's decisions, in a study of so many trials.

        Returns:
            Milliseconds of the first, which reads the study and fits, and medians of the others.
        """
        study = optuna.create_study(direction="maximize", sampler=SAMPLERS.get(name, SAMPLERS["Optuna's random"])())
        study.add_trials(self._trials(size))
        if name in PRUNERS:
            study.pruner = TartPruner("darts-cifar10" if name == PRUNERS[1] else self._fitted, SPACE)
        once = suggestion if name in SAMPLERS else decision
        first, *later = [once(study) for _ in range(self._repeats + 1)]
        return {
            "first_ms": 1e3 * first.seconds,
            "wall_ms": 1e3 * median(timing.seconds for timing in later),
            "processor_ms": 1e3 * median(timing.processor for timing in later),
        }


def suggestion(study: optuna.Study) -> Timing:
    """Times one. No value is told, so that nothing is refitted."""
    return timed(lambda: suggest_architecture(study.ask(), SPACE))


def decision(study: optuna.Study) -> Timing:
    """Times one. The trial is told pruned, else it would go on running, and be read again at each later decision."""
    trial = study.ask()
    suggest_architecture(trial, SPACE)
    timing = timed(trial.should_prune)
    study.tell(trial, state=TrialState.PRUNED)
    return timing


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """Wall clock and, in brackets, processor time, by the number of finished trials."""
    rows = []
    for name, by_size in results.items():
        measured = [by_size.get(str(n)) for n in SIZES]
        cells = [f"{t['wall_ms']:,.1f} ({t['processor_ms']:,.1f})" if t else "" for t in measured]
        rows.append((name, *cells, f"{measured[-1]['first_ms']:,.0f}" if measured[-1] else ""))
    yield table(("milliseconds", *(f"{n:,} trials" for n in SIZES), "the first, at 10,000"), rows)


def figure(results: dict[str, Any]) -> Figure:
    """Processor time by the number of finished trials; 0 trials stand at 10, since the axis is logarithmic."""
    lines = {
        name: Line([max(int(n), 10) for n in by_size], [times["processor_ms"] for times in by_size.values()])
        for name, by_size in results.items()
    }
    axis = {"xlabel": "finished trials in the study", "ylabel": "processor time (ms)", "xscale": "log", "yscale": "log"}
    return line_plot({"": lines}, axis, [max(n, 10) for n in SIZES])


def plan(arguments: argparse.Namespace) -> Plan:
    filled = Filled(arguments.data, arguments.repeats)
    jobs = jobs_for(filled.times, (*SAMPLERS, *PRUNERS), SIZES)
    return Plan({"data": filled.description}, jobs, tables, figure, about={"load": os.getloadavg()})


main = partial(experiment, plan, {**DATA, "--repeats": 15})


if __name__ == "__main__":
    sys.exit(main())
