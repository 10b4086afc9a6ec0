"""The candidates of a run, sampled or found, with their predicted scores."""

import time
from functools import partial

import numpy as np
import optuna
from rich.console import Console
from rich.progress import Progress

from tart_nas.predictors import Predictor
from tart_nas.runs.arguments import check_budget
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.cold_start import first_scores
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.settings import SearchSettings
from tart_nas.search_spaces import ArchitectureSource
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies import evolve, top_k

__all__ = ["score_candidates"]

_CHUNK = 4096  # candidates scored between two updates of the progress bar


def score_candidates(
    folder: RunFolder,
    settings: SearchSettings,
    study: optuna.Study,
    pool: ArchitectureSource | list[AnyArchitecture],
    predictor: Predictor,
    console: Console,
) -> ScoredCandidates:
    """The scored candidates: of the run folder when they are there, else found, scored and written.

    Args:
        folder: of the run.
        settings: of the run.
        study: of the run, which notes the seconds that scoring took.
        pool: what candidates are sampled from, or the candidates.
        predictor: what scores them; candidates outside its scope are left out.
        console: for progress.

    Raises:
        SettingError: if too few candidates are left for the networks to train, or the budget does not fit one.
    """
    if folder.candidates.exists():
        return ScoredCandidates.read(folder.candidates)
    start, n = time.perf_counter(), settings.candidates
    architectures: list[AnyArchitecture]
    with Progress(console=console) as bar:
        task = bar.add_task(f"Scoring {n:,} candidates", total=n)
        if settings.strategy == "evolution":
            score = partial(predictor.predict, outside="nan")
            found, scores = evolve(pool, score, n, settings.seed, advance=lambda count: bar.advance(task, count))
            architectures = [*found]
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
    scored = ScoredCandidates.ranked(architectures, top_k(scores, len(scores)), scores)
    study.set_user_attr("scoring_seconds", time.perf_counter() - start)
    scored.write(folder.candidates)
    return scored
