"""Pruners that ask a predictor before a trial is trained, and another pruner from then on."""

from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner
from optuna.trial import BaseTrial, FrozenTrial, Trial

from tart_nas.checks import short
from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.strategies.optuna_plugin.gate import Gate, Population
from tart_nas.strategies.optuna_plugin.judging import ToArchitecture, call_text
from tart_nas.strategies.optuna_plugin.parameters import SuggestibleSpace, checked_space, prefixed, refuse_patience
from tart_nas.trials.optuna_internals import set_user_attr, stored_trial

__all__ = ["TartHyperbandPruner", "TartPruner"]


class _Gated(BasePruner):
    """What both pruners share: the gate, asked by :meth:`gate` or from ``should_prune``, then another pruner."""

    _gate: Gate
    _arguments: dict[str, Any]

    def __repr__(self) -> str:
        return call_text(self, self._arguments)

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Whether to prune the trial now.

        Raises:
            SettingError: if the study has several objectives or a ``PatientPruner`` around this one, or if the trial's
                parameters make no architecture.
        """
        refuse_patience(study.pruner)  # which functions that do without `suggest_architecture` have not met yet
        if len(study.directions) > 1:
            raise SettingError(
                "A study with several objectives cannot be pruned by should_prune: ask the pruner's gate(trial) before "
                "training and raise optuna.TrialPruned when it says so."
            )

        def tell(name: str, value: Any) -> None:
            set_user_attr(study, trial, name, value)
            trial.user_attrs[name] = value  # which the running trial shares, so that it need not read it again

        if self._gate.prunes(study, trial, tell):
            return True
        return trial.last_step is not None and self._prunes_by_curve(study, trial)

    def _prunes_by_curve(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        raise NotImplementedError

    def gate(self, trial: BaseTrial) -> bool:
        """Whether to prune a trial by its predicted score; for studies with several objectives too.

        There Optuna's own ``should_prune`` raises; ask this once, before training, and raise ``TrialPruned`` yourself::

            if pruner.gate(trial):
                raise optuna.TrialPruned

        Args:
            trial: one whose architecture was suggested. Trials without a study (``FixedTrial``) are let through.
        """
        if not isinstance(trial, Trial):
            return False
        frozen = stored_trial(trial.study, trial)
        return self._gate.prunes(trial.study, frozen, trial.set_user_attr)


class TartPruner(_Gated):
    """Prunes a trial before its training when the predicted score of its architecture is low; later, as ``inner`` does.

    Ask once before training, ``if trial.should_prune(): raise optuna.TrialPruned``, and after each ``trial.report`` as
    usual. The first time of asking is the predictor's, wherever it comes; all others are the inner pruner's. Whatever
    the study's direction, a higher score is taken as the better network. User attributes of each trial tell its
    ``predicted_score`` and, where it was pruned for it, ``pruned_because``.

    Two kinds of trials pass whatever their score: those whose whole architecture a person enqueued, and those that a
    :class:`TartSampler` chose by a predictor.

    Example:
        >>> pruner = TartPruner("darts-cifar10", DartsSpace(), quantile=0.7)
        >>> study = optuna.create_study(direction="maximize", pruner=pruner)

    Args:
        predictor: a fitted predictor, the name of a bundled one, or the path of a saved one.
        space: of the architectures, as given to :func:`suggest_architecture`.
        inner: what prunes by the learning curve; by default Optuna's ``MedianPruner``. Not a ``HyperbandPruner``, of
            which samplers would not know: :class:`TartHyperbandPruner` is that.
        to_architecture: instead of a space: makes the architecture of a trial, by the trial's ``suggest_...``.
        quantile: of the population's scores, in [0, 1], below which a trial is pruned. The default prunes half of all
            random architectures; a higher one saves more training and relies more on the predictor.
        population: whose scores: ``"space"``, a random sample of the space, or ``"study"``, the trials judged so far;
            by default the space where there is one.
        n_population: size of the sample, at least 1. The default tells the quantile's place within 0.03.
        n_startup_trials: the study's first trials, let through whatever their score.
        min_share: in [0, 1], of the judged trials that are let through whatever their score, so that the study never
            starves where it samples nothing but what the predictor thinks little of.
        seed: of the sample.
        prefix: as given to :func:`suggest_architecture`, together with the space.

    Raises:
        SettingError: on a value outside its range, or when neither or both of space and function are given.
        PredictorError: if the predictor is not fitted or judges no architecture of the space.
    """

    def __init__(
        self,
        predictor: Predictor | str | Path,
        space: SuggestibleSpace | None = None,
        *,
        inner: BasePruner | None = None,
        to_architecture: ToArchitecture | None = None,
        quantile: float = 0.5,
        population: Population | None = None,
        n_population: int = 1000,
        n_startup_trials: int = 0,
        min_share: float = 0.1,
        seed: int = 0,
        prefix: str = "",
    ) -> None:
        # The first statement, as `locals()` must hold nothing but the arguments.
        self._arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        if isinstance(inner, HyperbandPruner):
            raise SettingError("`inner` must not be a HyperbandPruner: use TartHyperbandPruner.")
        if inner is not None and not isinstance(inner, BasePruner):
            raise SettingError(f"`inner` must be a pruner of Optuna's, such as MedianPruner(), but got {short(inner)}.")
        self._inner = inner or MedianPruner()
        space = space if space is None else prefixed(checked_space(space), prefix)
        self._gate = Gate(
            predictor, space, to_architecture, quantile, population, n_population, n_startup_trials, min_share, seed
        )

    def _prunes_by_curve(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return self._inner.prune(study, trial)


# A subclass, since samplers find its brackets by isinstance: inside another pruner they would not.
class TartHyperbandPruner(_Gated, HyperbandPruner):
    """Hyperband behind the same gate as :class:`TartPruner`; samplers see its brackets.

    Args:
        predictor: a fitted predictor, the name of a bundled one, or the path of a saved one.
        space: of the architectures, as given to :func:`suggest_architecture`.
        min_resource: as in Optuna's ``HyperbandPruner``.
        max_resource: likewise.
        reduction_factor: likewise.
        bootstrap_count: likewise.
        to_architecture: as in :class:`TartPruner`.
        quantile: likewise.
        population: likewise.
        n_population: likewise.
        n_startup_trials: likewise.
        min_share: likewise.
        seed: likewise.
        prefix: likewise.

    Raises:
        SettingError: on a value outside its range.
        PredictorError: if the predictor is not fitted or judges no architecture of the space.
    """

    def __init__(
        self,
        predictor: Predictor | str | Path,
        space: SuggestibleSpace | None = None,
        *,
        min_resource: int = 1,
        max_resource: str | int = "auto",
        reduction_factor: int = 3,
        bootstrap_count: int = 0,
        to_architecture: ToArchitecture | None = None,
        quantile: float = 0.5,
        population: Population | None = None,
        n_population: int = 1000,
        n_startup_trials: int = 0,
        min_share: float = 0.1,
        seed: int = 0,
        prefix: str = "",
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name not in ("self", "__class__")}
        super().__init__(min_resource, max_resource, reduction_factor, bootstrap_count)
        space = space if space is None else prefixed(checked_space(space), prefix)
        self._gate = Gate(
            predictor, space, to_architecture, quantile, population, n_population, n_startup_trials, min_share, seed
        )

    def _prunes_by_curve(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        return HyperbandPruner.prune(self, study, trial)
