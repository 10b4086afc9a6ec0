"""Which candidates a round trains."""

import numpy as np
import numpy.typing as npt
import optuna

from tart_nas.images import ImageData
from tart_nas.predictors import Predictor
from tart_nas.runs.agreement import Agreement
from tart_nas.runs.candidate_networks import multiply_accumulates, parameters
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.study import Pick, is_trained, trials
from tart_nas.strategies import Acquisition, Surrogate, acquire, random_others, select_diverse

__all__ = ["acquisition_of_round", "agreement_of_round", "picks_of_round"]

Floats = npt.NDArray[np.float64]


def picks_of_round(
    number: int,
    settings: SearchSettings,
    scored: ScoredCandidates,
    predictor: Predictor,
    study: optuna.Study,
    images: ImageData,
) -> list[Pick]:
    """The picks of a round, those included that the study has already; the same ones whenever they are asked for.

    Args:
        number: of the round, from 1. The first one picks by the predictor's scores, and the random candidates; the
            later ones by what the trained networks of earlier rounds say beside these.
        settings: of the run.
        scored: all candidates.
        predictor: what scored them.
        study: of the run, with the earlier rounds finished.
        images: what networks are trained on.
    """
    known = [pick for pick, _ in trials(study)]
    own = [pick for pick in known if pick.round == number]
    if len(own) == settings.top_k + (settings.random if number == 1 else 0):
        return own
    earlier = [pick for pick in known if pick.round < number]
    taken = {pick.rank - 1 for pick in earlier}  # ranks count from 1, places from 0
    order: list[int] = list(range(len(scored)))
    expected: Floats | None = None  # (n, 2): means and standard deviations
    if number > 1:
        order, expected = _ranked_again(number, settings, scored, predictor, study)
    left = (place for place in order if place not in taken)
    beside = [pick.architecture for pick in earlier if not pick.is_random]
    top = select_diverse(left, scored.architecture, settings.top_k, settings.min_distance, beside)
    first = (number - 1) * settings.top_k + 1
    names = [f"top-{first + i}" for i in range(len(top))]
    if number == 1:
        others = random_others(len(scored), settings.random, top, settings.seed)
        names += [f"random-{i + 1}" for i in range(len(others))]
        top += others
    picks = []
    for name, place in zip(names, top, strict=True):
        architecture = scored.architecture(place)
        trained = settings.budget.apply(architecture)
        picks.append(
            Pick(
                name=name,
                rank=place + 1,
                predicted=float(scored.scores[place]),
                architecture=architecture,
                trained=trained,
                parameters=parameters(trained, images),
                multiply_accumulates=multiply_accumulates(trained, images),
                round=number,
                expected=None if expected is None else _or_none(expected[place, 0]),
                expected_std=None if expected is None else _or_none(expected[place, 1]),
            )
        )
    return picks


def agreement_of_round(number: int, study: optuna.Study) -> Agreement:
    """How well the predictions of a round, from 1, agree with what was measured of it so far."""
    return Agreement.of_round(number, [(pick, accuracy) for pick, accuracy in _measured(study)])


def acquisition_of_round(number: int, settings: SearchSettings, study: optuna.Study) -> Acquisition:
    """What a round ranks candidates by, where the rounds before it have been measured.

    An ``active`` search takes expected improvement. It trusts the predicted means; so after a round whose predictions
    ranked its networks by chance, the upper bound takes its place, which puts more weight on what is not known yet.
    """
    if settings.strategy != "active":
        return "mean"
    return "upper-bound" if agreement_of_round(number - 1, study).is_by_chance else "expected-improvement"


def _measured(study: optuna.Study) -> list[tuple[Pick, float]]:
    """What was trained so far, and its validation accuracy."""
    return [(pick, trial.value) for pick, trial in trials(study) if is_trained(trial) and trial.value is not None]


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _ranked_again(
    number: int, settings: SearchSettings, scored: ScoredCandidates, predictor: Predictor, study: optuna.Study
) -> tuple[list[int], Floats | None]:
    """All candidates, the most promising first, and what accuracy is expected of each (n, 2), None where unknown."""
    trained = {pick.architecture: accuracy for pick, accuracy in _measured(study) if pick.round < number}
    candidates = [scored.architecture(place) for place in range(len(scored))]
    surrogate = Surrogate(predictor, population=lambda: candidates)
    values = np.array(list(trained.values()))
    surrogate.fit(list(trained), values, settings.seed)
    if not surrogate.is_measured:  # too few were trained
        return list(range(len(scored))), None
    mean, std = surrogate.predict(candidates)
    # Of the round alone, so that a resumed run ranks as an undisturbed one.
    rng = np.random.default_rng([settings.seed, number])
    name = acquisition_of_round(number, settings, study)
    acquisition_values = acquire(name, mean, std, float(values.max()), rng)
    # What the predictor does not judge comes last.
    acquisition_values = np.where(np.isnan(acquisition_values), -np.inf, acquisition_values)
    order = [int(place) for place in np.argsort(-acquisition_values, kind="stable")]
    return order, np.stack([mean, np.where(std > 0, std, np.nan)], axis=1)
