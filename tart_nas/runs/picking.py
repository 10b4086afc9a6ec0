"""Which candidates a round trains."""

import numpy as np
import numpy.typing as npt
import optuna

from tart_nas.architecture import Architecture
from tart_nas.graphs import ComputationalGraph
from tart_nas.images import ImageData
from tart_nas.networks import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.study import Pick, is_trained, trials
from tart_nas.strategies import Surrogate, acquire, random_others, select_diverse

__all__ = ["picks_of_round"]

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
    taken = {pick.rank - 1 for pick in earlier}
    order: list[int] = list(range(len(scored)))
    expected: Floats | None = None
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
        inputs = len(images.classes), images.image_size
        picks.append(
            Pick(
                name=name,
                rank=place + 1,
                predicted=float(scored.scores[place]),
                architecture=architecture,
                trained=trained,
                parameters=parameter_count(trained, *inputs),
                multiply_accumulates=int(ComputationalGraph.from_architecture(trained, *inputs).macs),
                round=number,
                expected=None if expected is None or np.isnan(expected[place]) else float(expected[place]),
            )
        )
    return picks


def _ranked_again(
    number: int, settings: SearchSettings, scored: ScoredCandidates, predictor: Predictor, study: optuna.Study
) -> tuple[list[int], Floats | None]:
    """All candidates, the most promising first, and the validation accuracy expected of each, None where unknown."""
    trained: dict[Architecture, float] = {}
    for pick, trial in trials(study):
        if pick.round < number and is_trained(trial) and trial.value is not None:
            trained[pick.architecture] = trial.value
    candidates = [scored.architecture(place) for place in range(len(scored))]
    surrogate = Surrogate(predictor, population=lambda: candidates)
    values = np.array(list(trained.values()))
    surrogate.fit(list(trained), values, settings.seed)
    if not surrogate.is_measured:  # too few were trained
        return list(range(len(scored))), None
    mean, std = surrogate.predict(candidates)
    acquisition_values = mean
    if settings.strategy == "active":
        rng = np.random.default_rng([settings.seed, number])
        acquisition_values = acquire("expected-improvement", mean, std, float(values.max()), rng)
    acquisition_values = np.where(np.isnan(acquisition_values), -np.inf, acquisition_values)
    return [int(place) for place in np.argsort(-acquisition_values, kind="stable")], mean
