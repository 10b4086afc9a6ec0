"""The candidates of a run, sampled or found, with their predicted scores."""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from rich.console import Console
from rich.progress import Progress

from tart_nas.predictors import Predictor
from tart_nas.runs.arguments import check_budget
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.costs import Costs
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.settings import SearchSettings
from tart_nas.search_spaces import ArchitectureSource
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies import evolve, top_k
from tart_nas.strategies.cold_start import first_scores

__all__ = ["score_candidates"]

_FIRST_LOOK = 500  # random networks, which tell how much predictions in a space differ: evolution's first population
_PENALTY = 10  # standard deviations of these for a network that is twice as large as it may be

_CHUNK = 4096  # candidates scored between two updates of the progress bar


def score_candidates(
    folder: RunFolder,
    settings: SearchSettings,
    study: optuna.Study,
    pool: ArchitectureSource | list[AnyArchitecture],
    predictor: Predictor,
    console: Console,
    costs: Costs,
) -> ScoredCandidates:
    """The scored candidates: of the run folder when they are there, else found, scored and written.

    Args:
        folder: of the run.
        settings: of the run.
        study: of the run, which notes the seconds that scoring took.
        pool: what candidates are sampled from, or the candidates.
        predictor: what scores them; candidates outside its scope are left out.
        console: for progress.
        costs: what else is asked for of each candidate.

    Raises:
        SettingError: if too few candidates are left for the networks to train or keep the limits, or the budget does
            not fit one.
    """
    if folder.candidates.exists():
        return ScoredCandidates.read(folder.candidates)
    start, n = time.perf_counter(), settings.candidates
    architectures: list[AnyArchitecture]
    with Progress(console=console, disable=console.quiet) as bar:
        task = bar.add_task(f"Scoring {n:,} candidates", total=n)
        if settings.strategy == "evolution":
            fitness = _fitness(pool, predictor, settings, costs, console)
            found, scores = evolve(pool, fitness, n, settings.seed, advance=lambda count: bar.advance(task, count))
            architectures = [*found]
            if settings.goals:  # whose fitness is not what is predicted alone
                scores = predictor.predict(architectures, outside="nan")
        else:
            architectures = list(pool) if isinstance(pool, list) else [*pool.sample(n, settings.seed)]
            settings.check_count(len(architectures))
            check_budget(settings.budget, architectures)
            scores = np.empty(len(architectures))
            for i in range(0, len(architectures), _CHUNK):
                scores[i : i + _CHUNK] = first_scores(predictor, architectures[i : i + _CHUNK])
                bar.advance(task, min(_CHUNK, len(architectures) - i))
    judged = np.isfinite(scores)
    if not judged.all():  # evolution gives what is not judged the score -inf
        console.print(f"{(~judged).sum():,} candidates are outside what the predictor was trained on and are left out")
        architectures, scores = [architectures[i] for i in np.flatnonzero(judged)], scores[judged]
        settings.check_count(len(architectures))
    known = {}
    if settings.goals:
        if not costs.is_prepared:
            _prepare(costs, architectures, console)
        known = costs.of(architectures)
        settings.goals.check_some(known, len(architectures), settings.planned)
    scored = ScoredCandidates.ranked(architectures, top_k(scores, len(scores)), scores, known)
    study.set_user_attr("scoring_seconds", time.perf_counter() - start)
    scored.write(folder.candidates)
    return scored


def _prepare(costs: Costs, networks: Sequence[AnyArchitecture], console: Console) -> None:
    if measured := costs.prepare(networks):
        console.print(f"{measured} networks timed, of which the latency of all others is predicted")


def _fitness(
    space: Any, predictor: Predictor, settings: SearchSettings, costs: Costs, console: Console
) -> Callable[[Sequence[AnyArchitecture]], npt.NDArray[np.float64]]:
    """What evolution maximises: the objectives, (n,) or (n, m), less the more a network exceeds its limits.

    A network twice as large as allowed loses ten standard deviations of each objective in the space, so that all that
    keep the limits are better than any that does not come near.
    """
    predict, goals = partial(predictor.predict, outside="nan"), settings.goals
    if not goals:
        return predict
    sample = space.sample(min(_FIRST_LOOK, settings.candidates), settings.seed)
    _prepare(costs, sample, console)
    penalty = _PENALTY * np.nanstd(goals.columns(predict(sample), costs.of(sample)), axis=0)

    def fitness(architectures: Sequence[AnyArchitecture]) -> npt.NDArray[np.float64]:
        known = costs.of(architectures)
        columns = goals.columns(predict(architectures), known)
        if goals.limits:
            columns = columns - penalty * np.maximum(goals.excess(known), 0)[:, None]
        return columns[:, 0] if len(goals.objectives) == 1 else columns

    return fitness
