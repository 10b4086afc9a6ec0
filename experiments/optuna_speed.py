"""How long a suggestion and a pruner's decision take, by the number of finished trials in the study.

``python -m tart_nas.experiments.optuna_speed DATA`` fills studies with finished trials of random architectures of the
DARTS space (labels: a predictor fitted to DATA) and times further trials: Optuna's own samplers and ours, and the first
and later decisions of the pruner. Medians of several, wall clock and processor time of this process, since the wall
clock of a busy machine says little. The first suggestion reads the whole study and fits the predictor; it stands apart,
and so would a later one that refits, as one does for each twentieth of new labels.

Results go into a JSON file, and a figure beside it.
"""

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import optuna
from matplotlib.figure import Figure
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, create_trial
from rich.console import Console
from rich.table import Table

from tart_nas.drawing import save_figure
from tart_nas.files import replacing
from tart_nas.predictors import Predictor, read_labelled
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import (
    TartPruner,
    TartSampler,
    architecture_parameters,
    suggest_architecture,
)

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


def finished_trials(n: int, truth: Predictor) -> list[FrozenTrial]:
    """Random architectures with labels, as an earlier part of the study."""
    architectures = SPACE.sample(n, seed=1)
    values = truth.predict(architectures)
    example = optuna.create_study().ask()
    suggest_architecture(example, SPACE)
    parameters = (architecture_parameters(architecture, SPACE) for architecture in architectures)
    return [
        create_trial(params=params, distributions=example.distributions, value=float(value))
        for params, value in zip(parameters, values, strict=True)
    ]


def timed(action: Callable[[], Any]) -> tuple[float, float]:
    """Milliseconds of wall clock and of processor time."""
    wall, own = time.perf_counter(), time.process_time()
    action()
    return 1e3 * (time.perf_counter() - wall), 1e3 * (time.process_time() - own)


def suggestions(study: optuna.Study, truth: Predictor, repeats: int) -> dict[str, float]:
    """Times suggestions; the first ones, which read the study and fit, come apart."""

    def suggest() -> None:
        trial = study.ask()
        architecture = suggest_architecture(trial, SPACE)
        pending.append((trial, architecture))

    pending: list[Any] = []
    times = []
    first = timed(suggest)
    for _ in range(repeats):  # without telling: nothing is to be refitted
        times.append(timed(suggest))
    for trial, architecture in pending:
        study.tell(trial, float(truth.predict([architecture])[0]))
    return {
        "first_ms": first[0],
        "wall_ms": median(wall for wall, _ in times),
        "processor_ms": median(own for _, own in times),
    }


def decisions(study: optuna.Study, pruner: TartPruner, repeats: int) -> dict[str, float]:
    """Times the pruner's decisions about trials that were just suggested."""
    study.pruner = pruner
    times = []
    for _ in range(repeats + 1):
        trial = study.ask()
        suggest_architecture(trial, SPACE)
        times.append(timed(trial.should_prune))
        study.tell(trial, state=optuna.trial.TrialState.PRUNED)
    return {
        "first_ms": times[0][0],
        "wall_ms": median(wall for wall, _ in times[1:]),
        "processor_ms": median(own for _, own in times[1:]),
    }


def table(results: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Wall clock and, in brackets, processor time, by the number of finished trials."""
    made = Table("milliseconds", *(f"{size:,} trials" for size in SIZES), "the first, at 10,000")
    for name, by_size in results.items():
        cells = [f"{by_size[str(n)]['wall_ms']:,.1f} ({by_size[str(n)]['processor_ms']:,.1f})" for n in SIZES]
        made.add_row(name, *cells, f"{by_size[str(SIZES[-1])]['first_ms']:,.0f}")
    return made


def draw(results: dict[str, dict[str, dict[str, float]]]) -> Figure:
    """Processor time by the number of finished trials."""
    figure = Figure(figsize=(8.5, 4.6), layout="constrained")
    axes = figure.subplots()
    for i, (name, by_size) in enumerate(results.items()):
        times = [by_size[str(n)]["processor_ms"] for n in SIZES]
        axes.plot([max(n, 10) for n in SIZES], times, "o-", label=name, color=f"C{i}")
    axes.set(xscale="log", yscale="log", xlabel="finished trials in the study", ylabel="processor time (ms)")
    axes.set_xticks([max(n, 10) for n in SIZES], [f"{n:,}" for n in SIZES])
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(bbox_to_anchor=(1.01, 1), loc="upper left", frameon=False)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="labelled architectures, as for tart-nas fit")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".json"))
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    architectures, targets, description = read_labelled(arguments.data)
    truth = Predictor("ridge").fit(architectures, targets)
    fitted = Predictor("gp").fit(architectures[:200], targets[:200])
    pretrained = Predictor.from_pretrained("darts-cifar10")
    results: dict[str, dict[str, dict[str, float]]] = {}
    for size in SIZES:
        trials = finished_trials(size, truth)
        for name, make in SAMPLERS.items():
            study = optuna.create_study(direction="maximize", sampler=make())
            study.add_trials(trials)
            results.setdefault(name, {})[str(size)] = suggestions(study, truth, arguments.repeats)
        study = optuna.create_study(direction="maximize", sampler=RandomSampler(seed=0))
        study.add_trials(trials)
        for name, predictor in (("pruner, Gaussian process", fitted), ("pruner, darts-cifar10", pretrained)):
            pruner = TartPruner(predictor, SPACE)
            results.setdefault(name, {})[str(size)] = decisions(study, pruner, arguments.repeats)
    content = {"data": description, "cores": os.cpu_count(), "load": os.getloadavg(), "results": results}
    with replacing(arguments.out) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
    console = Console(highlight=False, width=150)
    console.print(table(results))
    console.print(f"{arguments.out}, {save_figure(draw(results), arguments.out.with_suffix('.png'))}")


if __name__ == "__main__":
    main()
