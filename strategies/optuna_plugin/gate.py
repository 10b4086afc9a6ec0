"""The gate before training: lets a trial through, or has it pruned, by the predicted score of its architecture."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import optuna
from optuna.trial import FrozenTrial

from tart_nas.architecture import Architecture
from tart_nas.checks import number, one_of, whole
from tart_nas.errors import SettingError, TartError
from tart_nas.predictors import Predictor
from tart_nas.strategies.optuna_plugin.finished import FinishedTrials
from tart_nas.strategies.optuna_plugin.history import RESERVED
from tart_nas.strategies.optuna_plugin.judging import (
    ToArchitecture,
    check_compatible,
    load_predictor,
    resolve_to_architecture,
    state_of,
)
from tart_nas.strategies.optuna_plugin.parameters import PRUNED_BECAUSE, SuggestibleSpace
from tart_nas.strategies.optuna_plugin.rebuilding import Rebuilder
from tart_nas.trials.optuna_internals import study_key

__all__ = ["PREDICTED_SCORE", "Gate", "Population"]

PREDICTED_SCORE = "predicted_score"
"""The user attribute of a trial that holds what the predictor said of its architecture."""

_NOT_JUDGED = "not_judged_because"

Population = Literal["space", "study"]


class Gate:
    """Decides once for each trial, at the first time of asking; the decision stays with the trial.

    It is kept as user attributes, never as an intermediate value, which other pruners would compare with accuracies.

    The arguments are those of :class:`TartPruner`.
    """

    def __init__(
        self,
        predictor: Predictor | str | Path,
        space: SuggestibleSpace | None,
        to_architecture: ToArchitecture | None,
        quantile: float,
        population: Population | None,
        n_population: int,
        n_startup_trials: int,
        min_share: float,
        seed: int,
    ) -> None:
        self._given = predictor
        self._predictor = load_predictor(predictor)
        self._rebuild = Rebuilder(resolve_to_architecture(space, to_architecture), space)
        has_sample = hasattr(space, "sample")
        population = population or ("space" if has_sample else "study")
        one_of("population", population, ("space", "study"))
        if population == "space" and not has_sample:
            raise SettingError("`population` is 'space', but there is no space that can be sampled: use 'study'.")
        for name, share in (("quantile", quantile), ("min_share", min_share)):
            number(name, share, 0, 1)
        for name, count, least in (("n_population", n_population, 1), ("n_startup_trials", n_startup_trials, 0)):
            whole(name, count, least)
        check_compatible(self._predictor, space)
        self._space: Any = space
        self._quantile, self._population, self._n_population = quantile, population, n_population
        self._n_startup_trials, self._min_share, self._seed = n_startup_trials, min_share, seed
        self._threshold: float | None = None  # of the space's sample
        self._warned = False
        self._judged = _Judged()
        self._lock = Lock()

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_judged")}
        return state_of({"predictor": self._given}, state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        if "_predictor" not in state:
            self._predictor = load_predictor(self._given)
        self._judged = _Judged()
        self._lock = Lock()

    def prunes(self, study: optuna.Study, trial: FrozenTrial, tell: Callable[[str, Any], None]) -> bool:
        """Whether the trial is to be pruned.

        Args:
            study: its study.
            trial: what is known of it; all parameters of its architecture must have been suggested.
            tell: sets a user attribute of the trial: ``predicted_score`` and, with the reason, ``pruned_because`` or
                ``not_judged_because``.

        Raises:
            SettingError: if the trial's parameters make no architecture.
        """
        if PRUNED_BECAUSE in trial.user_attrs:
            return True
        if PREDICTED_SCORE in trial.user_attrs or _NOT_JUDGED in trial.user_attrs:
            return False
        score = float(self._predictor.predict([self._rebuild(trial)], outside="nan")[0])
        if not np.isfinite(score):
            tell(_NOT_JUDGED, "the architecture is outside what the predictor was trained on")
            self._warn_once("The predictor does not know some architectures: these are never pruned.")
            return False
        tell(PREDICTED_SCORE, score)
        if trial.number < self._n_startup_trials or self._is_wanted(trial):
            return False
        with self._lock:  # threads of one study read it one after another
            if self._judged.key != study_key(study):
                self._judged = _Judged(study)
            judged, pruned = self._judged.others(study, trial.number, self._rebuild)
        # The first trial of a study has nothing to be compared with.
        if not len(judged) and self._population == "study":
            return False
        threshold = self._space_threshold() if self._population == "space" else np.quantile(judged, self._quantile)
        # `not <`, so that no score is below a threshold of NaN.
        if not score < threshold or len(judged) - pruned < int(self._min_share * (len(judged) + 1)):
            return False
        of = f"{self._n_population} architectures of the space" if self._population == "space" else "the earlier trials"
        reason = f"predicted score {score:.6g} is below {threshold:.6g}, the {self._quantile:g} quantile of {of}"
        tell(PRUNED_BECAUSE, reason)
        return True

    def _is_wanted(self, trial: FrozenTrial) -> bool:
        """Whether a person asked for the architecture, or a predictor has already chosen it among many candidates.

        A TartSampler that has learned from the study knows more than the gate's predictor, and takes what is uncertain
        on purpose: the gate would prune what it proposes.
        """
        chosen = trial.system_attrs.get(RESERVED, {})
        return bool(chosen.get("informed")) or self._rebuild.is_enqueued(trial)

    def _warn_once(self, message: str) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(message, stacklevel=4)

    def _space_threshold(self) -> float:
        """The quantile of the scores of a sample of the space; NaN, below which nothing is, where none is judged."""
        with self._lock:  # threads of one study wait for the first of them
            if self._threshold is None:
                scores = self._predictor.predict(self._space.sample(self._n_population, self._seed), outside="nan")
                judged = scores[np.isfinite(scores)]
                self._threshold = float(np.quantile(judged, self._quantile)) if len(judged) else np.nan
                if not len(judged):
                    self._warn_once(
                        f"The predictor judges none of the {len(scores)} architectures that were sampled of the space: "
                        "no trial is pruned by its score."
                    )
            return self._threshold


class _Judged:
    """The trials of a study that were judged, each read once it has finished."""

    def __init__(self, study: optuna.Study | None = None) -> None:
        self.key = None if study is None else study_key(study)
        self._finished = FinishedTrials()
        self._scores: list[float] = []
        self._pruned = 0

    def others(
        self, study: optuna.Study, number: int, rebuild: Callable[[FrozenTrial], Architecture]
    ) -> tuple[npt.NDArray[np.float64], int]:
        """The scores of all judged trials but this one, and how many were pruned for theirs.

        Trials whose architecture cannot be rebuilt do not count: they are of another space or of other settings.
        """
        finished, unfinished = self._finished.read(study)
        for trial in _judged(finished, rebuild):
            self._scores.append(trial.user_attrs[PREDICTED_SCORE])
            self._pruned += PRUNED_BECAUSE in trial.user_attrs
        running = [trial.user_attrs for trial in _judged(unfinished, rebuild) if trial.number != number]
        pruned = self._pruned + sum(PRUNED_BECAUSE in attributes for attributes in running)
        return np.array([*self._scores, *(attributes[PREDICTED_SCORE] for attributes in running)]), pruned


def _judged(trials: Sequence[FrozenTrial], rebuild: Callable[[FrozenTrial], Architecture]) -> Iterator[FrozenTrial]:
    for trial in trials:
        if PREDICTED_SCORE in trial.user_attrs:
            with suppress(TartError):
                rebuild(trial)
                yield trial
