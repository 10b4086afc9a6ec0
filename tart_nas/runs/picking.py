"""Which candidates a round trains."""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import islice

import numpy as np
import numpy.typing as npt
import optuna

from tart_nas.errors import SettingError
from tart_nas.images import ImageData
from tart_nas.predictors import Predictor
from tart_nas.runs.agreement import Agreement
from tart_nas.runs.candidate_networks import multiply_accumulates, parameters
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.costs import Costs
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.study import Pick, is_trained, trials
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies import Acquisition, Surrogate, acquire, random_others, select_diverse

__all__ = ["acquisition_of_round", "agreement_of_round", "explores", "picks_of_round"]

_MEASURED_COSTS = "measured_costs"  # user attribute of the study: costs by the place of the candidate

Floats = npt.NDArray[np.float64]


def picks_of_round(
    number: int,
    settings: SearchSettings,
    scored: ScoredCandidates,
    predictor: Predictor,
    study: optuna.Study,
    images: ImageData,
    costs: Costs | None = None,
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
        costs: measures the latency of what is picked; None for a search with no goals but accuracy.

    Raises:
        SettingError: if the latency of too few networks can be predicted, or too few keep its limit when it is
            measured.
    """
    known = [pick for pick, _ in trials(study)]
    own = [pick for pick in known if pick.round == number]
    if len(own) == settings.top_k + (settings.random if number == 1 else 0):
        return own
    earlier = [pick for pick in known if pick.round < number]
    taken = {pick.rank - 1 for pick in earlier}  # ranks count from 1, places from 0
    if number == 1:  # once more: candidates of the folder may be of a version that did not look at the latency
        settings.goals.check_some(scored.costs, len(scored), settings.planned)
    order: list[int] = list(range(len(scored)))
    expected: Floats | None = None  # (n, 2): means and standard deviations
    if number > 1:
        order, expected = _ranked_again(number, settings, scored, predictor, study)
    values = scored.scores if expected is None else _by_place(order)
    timed = _Timed(scored, costs, settings, study)
    preferred = settings.goals.order(values, scored.costs, [place for place in order if place not in taken])
    beside = [pick.architecture for pick in earlier if not pick.is_random]
    top = _top(preferred, scored, settings, beside, timed)
    first = (number - 1) * settings.top_k + 1
    names = [f"top-{first + i}" for i in range(len(top))]
    if number == 1:
        others = _random_others(scored, settings, top, timed)
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
                costs=timed.costs(place),
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


def explores(number: int, settings: SearchSettings, study: optuna.Study, picks: Sequence[Pick]) -> bool:
    """Whether a round was picked by the upper bound in place of expected improvement.

    Where too few networks were trained to learn from, it was picked by the scores alone, and nothing was expected of
    its picks, whatever acquisition would have been taken.

    Args:
        number: of the round, from 1.
        settings: of the run.
        study: of the run.
        picks: of the round.
    """
    is_learned = any(pick.expected is not None for pick in picks)
    return number > 1 and is_learned and acquisition_of_round(number, settings, study) == "upper-bound"


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


def _by_place(order: Sequence[int]) -> Floats:
    """What ranks candidates as an order of their places does: the first has the highest value."""
    values = np.empty(len(order))
    values[list(order)] = -np.arange(len(order))
    return values


def _top(
    preferred: Iterator[int],
    scored: ScoredCandidates,
    settings: SearchSettings,
    beside: Sequence[AnyArchitecture],
    timed: "_Timed",
) -> list[int]:
    """The places of the first k candidates that differ enough and keep the limit of the latency as it is measured.

    To time a network takes far longer than to compare it with some others: only what differs enough is timed. What is
    then too slow leaves, and the others are chosen as if it had not been there.

    Raises:
        SettingError: if there are fewer than k.
    """
    architecture = cache(scored.architecture)  # which reads it from a text
    looked_at: list[int] = []  # so far, of an order that takes longer to find the further it goes
    too_slow: set[int] = set()

    def left() -> Iterator[int]:
        yield from (place for place in looked_at if place not in too_slow)
        for place in preferred:
            looked_at.append(place)
            yield place

    while True:
        try:
            top = select_diverse(left(), architecture, settings.top_k, settings.min_distance, beside)
        except SettingError as error:
            if not too_slow:
                raise
            raise timed.refusal(settings.top_k) from error
        slow = next((place for place in top if not timed.is_within(place)), None)
        if slow is None:
            return top
        too_slow.add(slow)


def _random_others(scored: ScoredCandidates, settings: SearchSettings, top: list[int], timed: "_Timed") -> list[int]:
    """Random candidates beside the picked ones, which keep the limits too, and of which all costs are known."""
    kept = np.flatnonzero(settings.goals.usable(scored.costs, len(scored)))
    if len(kept) == len(scored) and not timed.is_limited:
        return random_others(len(scored), settings.random, top, settings.seed)
    others = np.random.default_rng(settings.seed).permutation(np.setdiff1d(kept, top)).tolist()
    chosen = list(islice(filter(timed.is_within, others), settings.random))
    if len(chosen) < settings.random:
        raise timed.refusal(settings.random)
    return chosen


class _Timed:
    """Measures the latency of candidates that may be picked, each once: what was measured stays in the study."""

    def __init__(
        self, scored: ScoredCandidates, costs: Costs | None, settings: SearchSettings, study: optuna.Study
    ) -> None:
        self._scored, self._costs, self._study = scored, costs, study
        self._limit = settings.goals.limits.get("latency_ms")
        self._known: dict[str, dict[str, float]] = dict(study.user_attrs.get(_MEASURED_COSTS, {}))

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit of the latency."""
        return self._limit is not None

    def is_within(self, place: int) -> bool:
        """Whether a candidate keeps the limit of the latency as it is measured."""
        return self._limit is None or self.costs(place)["latency_ms"] <= self._limit

    def costs(self, place: int) -> dict[str, float]:
        """The costs of a candidate, with its latency measured."""
        if self._costs is None or not self._scored.costs:
            return {}
        if str(place) not in self._known:
            predicted = {name: float(values[place]) for name, values in self._scored.costs.items()}
            self._known[str(place)] = self._costs.of_pick(self._scored.architecture(place), predicted)
            if "latency_ms" in predicted:
                self._study.set_user_attr(_MEASURED_COSTS, self._known)
        return self._known[str(place)]

    def refusal(self, wanted: int) -> SettingError:
        """The error of a search in which too few candidates keep the limit."""
        nearest = min(costs["latency_ms"] for costs in self._known.values())
        return SettingError(
            f"Fewer than {wanted} of the {len(self._known)} candidates whose latency was measured keep the limit of "
            f"{self._limit:g} ms; the nearest takes {nearest:.3g} ms."
        )
