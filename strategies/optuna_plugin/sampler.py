"""A sampler that lets a predictor choose among many candidates, and learns from the study's own trials."""

import secrets
import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock
from typing import Any, Literal

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from tart_nas.checks import one_of, short, whole
from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, is_trial_space
from tart_nas.strategies.acquisition import ACQUISITIONS, Acquisition
from tart_nas.strategies.optuna_plugin.candidates import (
    Candidate,
    drawn_by_sampler,
    drawn_by_space,
    with_parameters,
)
from tart_nas.strategies.optuna_plugin.fixed import fixed_parameters, with_fixed
from tart_nas.strategies.optuna_plugin.history import RESERVED, History, canonical_form
from tart_nas.strategies.optuna_plugin.judging import (
    ToArchitecture,
    call_text,
    check_compatible,
    load_predictor,
    resolve_to_architecture,
    state_of,
)
from tart_nas.strategies.optuna_plugin.parameters import SuggestibleSpace, checked_space, prefixed
from tart_nas.strategies.optuna_plugin.rebuilding import Rebuilder
from tart_nas.strategies.optuna_plugin.surrogate import KnownObjective, MultiObjectiveSurrogate
from tart_nas.trials.optuna_internals import set_system_attr, set_user_attr, study_key, trial_id

__all__ = ["TartSampler"]

EXPECTED_VALUE = "expected_value"
"""The user attribute of a trial that holds what the sampler expected of it, in the study's own unit and sign.

It is absent until the predictor has learned from trials of the study, since its unit may be another before.
"""

_N_PARENTS = 10  # of the mutations: few enough to be good, enough for candidates to differ
_N_BASE, _N_RANDOM, _N_TRACED = 32, 500, 48  # candidates of a base sampler, of a space, of one that is traced (2 s)
_N_UNINFORMED = 8  # candidates while nothing is known: enough to find one that was not tried
_MANY = 10  # times as many candidates where all were tried: of a hundred networks they miss none
_N_POPULATION = 500  # random architectures that stand for the space: they tell standard deviations within 3 %
_N_TRACED_POPULATION = 100  # likewise, of networks that are traced: within 7 %, in 4 s


class TartSampler(BaseSampler):
    """Draws many candidates for each trial, and takes the one with the best acquisition value by a predictor.

    Bayesian optimisation over a finite sample of candidates: the predictor is the surrogate model, by default a
    Gaussian process on features of the cells, and expected improvement chooses. The predictor learns from the study's
    finished trials, so that it need not know anything in advance; a fitted one is corrected by them
    (:meth:`Predictor.update <tart_nas.predictors.Predictor.update>`), whatever its unit. Enqueued values are kept, and
    no network is proposed twice. Trials that failed, gave NaN or were given up without a report have no value to learn
    from: they teach what is likely to fail. The final value of a pruned one is estimated from its last report. Settings
    that do not suit the study raise an error; whatever else goes wrong in choosing, ``base`` samples the trial, and a
    warning says why, once.

    The effect of parameters outside the architecture (a learning rate) is learned beside that of the architecture, if
    all trials have them, so that a bad learning rate is not put down to the network. In a study with one objective they
    are chosen by their expected improvement, unless a ``base`` is given, which then samples them.

    The sampler has no state of its own: what it learned is read again from the trials. A trial's random numbers depend
    on the seed and its number. So with a seed, and one worker at a time, a study is reproducible; resumed with the same
    seed, it goes on with new candidates. Threads (``n_jobs``) and processes may share a study.

    Example:
        >>> study = optuna.create_study(direction="maximize", sampler=TartSampler(space=DartsSpace()))

    Args:
        predictor: a fitted predictor, the name of a bundled one, or the path of a saved one, which knows the space
            beforehand; or an unfitted one, to learn from the trials alone: by default ``Predictor("gp")``, and
            ``Predictor("gp-graph")`` for a :class:`tart_nas.TrialSpace`.
        space: of the architectures, as given to :func:`suggest_architecture`.
        to_architecture: instead of a space: suggests parameters of a trial and makes an architecture of them. It is
            called for each candidate, so it must do nothing else.
        base: samples what is not chosen here, and the candidates with ``candidates="base"``; by default Optuna's
            ``TPESampler``. It is used by nothing else meanwhile.
        candidates: ``"random"``, from the space; ``"evolution"``, half of them mutations of the ten best architectures
            so far; ``"base"``, as the base sampler would sample the trial itself. By default evolution for a space
            that can be sampled, else base.
        n_candidates: for each trial; by default 500 of a space (48 of a :class:`tart_nas.TrialSpace`, whose networks
            are traced), 32 of a base sampler.
        acquisition: how predictions and their uncertainty are weighed, one of :data:`ACQUISITIONS`.
        refit_every: finished trials between two refits, at least 1; more when there are many (a twentieth of them).
        n_startup_trials: finished trials before an unfitted predictor is asked for the first time.
        objectives: for a study with several: for each, None, to be predicted, or a function of the architecture that
            knows it. The candidates are weighed by random weights, so that the whole Pareto front is sought.
        max_labels: most trials that are learned from: the better half of them and, of the others, a random half.
        seed: of everything random.
        prefix: as given to :func:`suggest_architecture`, together with the space.

    Constraints (``trial.set_constraint``, or ``constraints_func`` of the base sampler) are learned too: what promises
    to violate them is avoided.

    Raises:
        SettingError: on a value outside its range.
        PredictorError: if the predictor knows nothing like the space.
    """

    def __init__(
        self,
        predictor: Predictor | str | Path | None = None,
        space: SuggestibleSpace | None = None,
        *,
        to_architecture: ToArchitecture | None = None,
        base: BaseSampler | None = None,
        candidates: Literal["random", "evolution", "base"] | None = None,
        n_candidates: int | None = None,
        acquisition: Acquisition = "expected-improvement",
        refit_every: int = 1,
        n_startup_trials: int = 10,
        objectives: Sequence[KnownObjective | None] | None = None,
        max_labels: int = 200,
        seed: int | None = None,
        prefix: str = "",
    ) -> None:
        self._arguments = {name: value for name, value in locals().items() if name != "self"}
        space = space if space is None else prefixed(checked_space(space), prefix)
        self._is_traced = is_trial_space(space)
        self._predictor = Predictor(self._kind) if predictor is None else load_predictor(predictor)
        self._make = resolve_to_architecture(space, to_architecture)
        self._space: Any = space
        has_sample = hasattr(space, "sample")
        self._source = candidates or ("evolution" if has_sample else "base")
        one_of("candidates", self._source, ("random", "evolution", "base"))
        if self._source != "base" and not has_sample:
            raise SettingError(
                f"`candidates` is {candidates!r}, but there is no space that can be sampled: use 'base'."
            )
        usual = _N_BASE if self._source == "base" else (_N_TRACED if self._is_traced else _N_RANDOM)
        self._n_candidates = usual if n_candidates is None else n_candidates
        least = {"n_candidates": 1, "refit_every": 1, "n_startup_trials": 0, "max_labels": 4}
        given = (self._n_candidates, refit_every, n_startup_trials, max_labels)
        for (name, low), value in zip(least.items(), given, strict=True):
            whole(name, value, low)
        one_of("acquisition", acquisition, ACQUISITIONS)
        if self._predictor.is_fitted:
            check_compatible(self._predictor, space)
        if base is not None and not isinstance(base, BaseSampler):
            raise SettingError(f"`base` must be a sampler of Optuna's, such as TPESampler(), but got {short(base)}.")
        if objectives is not None and not (
            isinstance(objectives, Sequence) and all(known is None or callable(known) for known in objectives)
        ):
            raise SettingError(
                f"`objectives` must be None or a function for each objective, but got {short(objectives)}."
            )
        self._acquisition: Acquisition = acquisition
        self._refit_every, self._n_startup_trials, self._max_labels = refit_every, n_startup_trials, max_labels
        self._objectives = None if objectives is None else list(objectives)
        if seed is not None:
            whole("seed", seed)
        self._entropy = secrets.randbits(64) if seed is None else seed
        self._seed, self._base, self._chooses_others = seed, base, base is None
        self._canonical = canonical_form(space)
        self._warned = False
        self._lock = RLock()
        self._start(None)

    def _start(self, study: optuna.Study | None) -> None:
        """Forgets what was learned of another study."""
        self._study = None if study is None else study_key(study)
        self._history = History(Rebuilder(self._make, self._space), self._canonical)
        self._chosen: dict[int, Candidate] = {}  # by trial id, until it is sampled
        self._model = (
            None
            if study is None
            else MultiObjectiveSurrogate(
                self._predictor,
                self._objectives,
                study.directions,
                self._acquisition,
                self._refit_every,
                self._n_startup_trials,
                self._max_labels,
                lambda: self._population(study),
                self._kind,
            )
        )

    def __getstate__(self) -> dict[str, Any]:
        learned = ("_lock", "_study", "_history", "_chosen", "_model")  # the study has it all
        state = {name: value for name, value in self.__dict__.items() if name not in learned}
        return state_of(self._arguments, state)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        if "_predictor" not in state:
            self._predictor = load_predictor(self._arguments["predictor"])
        self._lock = RLock()
        self._start(None)

    def __repr__(self) -> str:
        return call_text(self, self._arguments)

    @property
    def _kind(self) -> str:
        """The kind of predictor that learns from few trials of the space."""
        return "gp-graph" if self._is_traced else "gp"

    @property
    def space(self) -> SuggestibleSpace | None:
        """The space of the architectures; None where a function makes them."""
        space: SuggestibleSpace | None = self._space
        return space

    # --- Optuna's interface

    def reseed_rng(self) -> None:
        """Lets the base sampler draw other numbers; the candidates' depend on the trial's number anyway."""
        if self._base is not None:
            self._base.reseed_rng()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Tells the base sampler."""
        self._base_for(trial).before_trial(study, trial)

    def after_trial(
        self, study: optuna.Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None:
        """Tells the base sampler, which may keep constraints."""
        with self._lock:
            self._chosen.pop(trial_id(trial), None)  # where nothing of it was asked for
        self._base_for(trial).after_trial(study, trial, state, values)

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Chooses the architecture, whose parameters these are, with those that the base sampler samples together."""
        base = self._base_for(trial)
        with self._lock:
            chosen = self._choose_safely(study, trial)
            if chosen is not None:
                self._chosen[trial_id(trial)] = chosen
        own = {} if chosen is None else dict(chosen.distributions)
        return {**base.infer_relative_search_space(study, trial), **own}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """The chosen architecture's parameters, and the base sampler's; of both, only those that are asked for.

        A sampler around this one, such as ``PartialFixedSampler``, asks for fewer than were inferred, and Optuna takes
        no others.
        """
        base = self._base_for(trial)
        chosen = self._chosen.pop(trial_id(trial), None)
        given = {} if chosen is None else chosen.values
        values = {name: value for name, value in given.items() if name in search_space}
        others = {name: distribution for name, distribution in search_space.items() if name not in values}
        # Samplers may give more than is asked for, as TPE by groups does in Optuna 4: the architecture is reserved.
        drawn = base.sample_relative(study, trial, others)
        values |= {name: value for name, value in drawn.items() if name in others}
        for name, distribution in others.items():
            if name not in values:  # such as while the base sampler starts up
                values[name] = base.sample_independent(study, trial, name, distribution)
        return values

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Whatever else is suggested, by the base sampler."""
        return self._base_for(trial).sample_independent(study, trial, param_name, param_distribution)

    def _base_for(self, trial: FrozenTrial) -> BaseSampler:
        with self._lock:
            if self._base is None:  # made at the first trial: a resumed study must not draw the same again
                seed = None if self._seed is None else int(self._rng(trial.number).integers(2**31))
                self._base = TPESampler(seed=seed)
            return self._base

    def _rng(self, number: int) -> np.random.Generator:
        """The random numbers of a trial: no other trial, thread or process has the same."""
        return np.random.default_rng([self._entropy, number])

    # --- choosing

    def _choose_safely(self, study: optuna.Study, trial: FrozenTrial) -> Candidate | None:
        try:
            return self._choose(study, trial)
        except SettingError:
            raise
        except Exception as error:
            if not self._warned:
                self._warned = True
                warnings.warn(
                    f"TartSampler leaves trial {trial.number} to its base sampler (and others like it, without a "
                    f"warning): {type(error).__name__}: {error}",
                    stacklevel=2,
                )
            return None

    def _choose(self, study: optuna.Study, trial: FrozenTrial) -> Candidate | None:
        """The best candidate that was not tried; None where nothing could be drawn."""
        if self._model is None or self._study != study_key(study):
            self._start(study)
        assert self._model is not None
        rng = self._rng(trial.number)
        self._history.read(study, trial.number)
        self._model.learn(self._history, rng)
        pool = self._pool(study, trial, rng)
        if not pool:
            return None
        best, expected, is_free = self._reserve_best(study, trial, pool, rng)
        if not is_free and (left := self._not_tried(study, trial, rng)):
            best, expected, _ = self._reserve_best(study, trial, left, rng)
        if len(expected) == 1 and np.isfinite(expected[0]):
            set_user_attr(study, trial, EXPECTED_VALUE, float(expected[0]))
        candidate = best if isinstance(best, Candidate) else with_parameters(best, self._space)
        others = self._model.others
        if not self._chooses_others or not others.distributions:
            return candidate
        values = {**others.chosen(rng, self._model.success.of_others), **candidate.values}
        return replace(candidate, values=values, distributions={**others.distributions, **candidate.distributions})

    def _reserve_best(
        self, study: optuna.Study, trial: FrozenTrial, pool: Sequence[AnyArchitecture | Candidate], rng: Any
    ) -> tuple[AnyArchitecture | Candidate, Sequence[float], bool]:
        """The best that was not tried, what is expected of it, and whether there is one; else the best of all."""
        assert self._model is not None
        architectures = [c.architecture if isinstance(c, Candidate) else c for c in pool]
        order, expected = self._model.ranked(architectures, self._history, rng)
        for place in order:
            if self._history.is_taken(architectures[place]):
                continue
            self._reserve(study, trial, architectures[place])
            # Another process may have chosen the same since the trials were read. Of two, at least the one that writes
            # later sees the other's reservation. Whoever sees one moves on: the other may be past its own look, so that
            # a rule by trial numbers would let both keep the network.
            self._history.read(study, trial.number)
            if not self._history.is_taken(architectures[place]):
                return pool[place], expected[place].tolist(), True
        self._reserve(study, trial, architectures[order[0]])  # everything was tried: once more
        return pool[order[0]], expected[order[0]].tolist(), False

    def _not_tried(
        self, study: optuna.Study, trial: FrozenTrial, rng: np.random.Generator
    ) -> list[AnyArchitecture | Candidate]:
        """What is left where a pool was tried: more of a space of which few networks are left."""
        fixed, n = fixed_parameters(self, self._base_for(trial), study, trial), _MANY * self._n_candidates
        many: Sequence[AnyArchitecture | Candidate]
        if self._source == "base":
            uniform = RandomSampler(seed=int(rng.integers(2**31)))
            many = list(drawn_by_sampler(uniform, study, trial, self._make, fixed, n))
        else:
            many = with_fixed(drawn_by_space(self._space, n, rng), self._space, fixed, rng)
        return [c for c in many if not self._history.is_taken(c.architecture if isinstance(c, Candidate) else c)]

    def _reserve(self, study: optuna.Study, trial: FrozenTrial, architecture: AnyArchitecture) -> None:
        """Tells other samplers of the study which network the trial is going to train."""
        assert self._model is not None
        reserved: dict[str, Any] = {
            "network": self._canonical(architecture).to_dict(),
            "informed": self._model.is_informed,
        }
        set_system_attr(study, trial, RESERVED, reserved)

    def _pool(
        self, study: optuna.Study, trial: FrozenTrial, rng: np.random.Generator
    ) -> Sequence[AnyArchitecture | Candidate]:
        assert self._model is not None
        base = self._base_for(trial)
        fixed = fixed_parameters(self, base, study, trial)
        n, parents = self._n_candidates, list[AnyArchitecture]()
        if not self._model.is_informed:
            n = min(n, _N_UNINFORMED)
        elif self._source == "evolution":
            parents = self._history.best(_N_PARENTS)
        if self._source == "base":
            return list(drawn_by_sampler(base, study, trial, self._make, fixed, n))
        pool = with_fixed(drawn_by_space(self._space, n, rng, parents), self._space, fixed, rng)
        # With fixed parameters, the sampling rules of a space may reject the few.
        return pool or with_fixed(drawn_by_space(self._space, self._n_candidates, rng), self._space, fixed, rng)

    def _population(self, study: optuna.Study) -> list[AnyArchitecture]:
        """Random architectures of the space, the same ones in each study with the same seed."""
        seed = int(np.random.default_rng([self._entropy, 0, 1]).integers(2**31))  # of no trial: those have one number
        if self._space is not None and hasattr(self._space, "sample"):
            return list(self._space.sample(_N_TRACED_POPULATION if self._is_traced else _N_POPULATION, seed))
        uniform, trial = RandomSampler(seed=seed), optuna.trial.create_trial(value=0.0)
        drawn = drawn_by_sampler(uniform, study, trial, self._make, {}, _N_POPULATION)
        return [candidate.architecture for candidate in drawn]
