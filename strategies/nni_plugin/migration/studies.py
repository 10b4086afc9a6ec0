"""An NNI experiment as an Optuna study."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from typing import Any

import optuna
from optuna.exceptions import DuplicatedStudyError
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from tart_nas.checks import one_of
from tart_nas.errors import NniError, SettingError
from tart_nas.strategies.nni_plugin.metrics import metric_value
from tart_nas.strategies.nni_plugin.migration.database import NniExperiment, NniTrial, read_experiment
from tart_nas.strategies.nni_plugin.migration.json_parameters import JsonParameters, read_search_space
from tart_nas.trials.optuna_internals import storage_of

__all__ = ["to_optuna"]

_ATTRIBUTE = "nni_"  # before the names of the user attributes of a trial


def to_optuna(
    path: str | PathLike[str],
    *,
    search_space: Mapping[str, Any] | str | PathLike[str] | None = None,
    storage: str | BaseStorage | None = None,
    study_name: str | None = None,
    direction: str | None = None,
) -> optuna.Study:
    """An experiment of NNI 3.0 as a study of Optuna, which can be looked at, and continued by :func:`suggest_nni`.

    NNI need not be installed. Each trial has the parameters that it really ran: with several trials at a time, NNI
    notes some with others. They are those that :func:`suggest_nni` suggests. Labels that are not in the search space,
    such as the inputs of cells in a search of networks, become categories: those that occur in the experiment.

    ===========================================  ============================================================
    in NNI                                       in Optuna
    ===========================================  ============================================================
    ``SUCCEEDED``, with a metric                 ``COMPLETE``
    ``EARLY_STOPPED``, or stopped by an          ``PRUNED``; its value is the last of its curve
    assessor though NNI shows ``USER_CANCELED``
    ``WAITING``, ``RUNNING`` and the like        ``WAITING``: ``optimize`` trains it first
    all else                                     ``FAIL``; the user attribute ``nni_failure`` tells why
    ===========================================  ============================================================

    User attributes of each trial: ``nni_trial`` and ``nni_status`` are NNI's, ``nni_sample`` the sample in NNI's form,
    ``nni_metrics`` the final metrics where they were several, ``nni_noted_sample`` the parameter id that NNI's database
    notes with the trial, where that is another's. Data that were imported into the experiment are left out.

    Example:
        >>> import tart_nas as tn
        >>> study = tn.nni.to_optuna("~/nni-experiments/abcd1234")  # doctest: +SKIP
        >>> study.best_params  # doctest: +SKIP

    Args:
        path: the folder of the experiment, or its database ``db/nni.sqlite``.
        search_space: in NNI's JSON form, or the path of a file; by default the experiment's own.
        storage: of Optuna, in which the study is made; by default it is kept in memory.
        study_name: by default ``nni-ID``.
        direction: ``"maximize"`` or ``"minimize"``; by default as the experiment's tuner was told.

    Raises:
        NniError: if there is no such experiment, if its database is locked, truncated or of another version, or if its
            search space has types that NNI does not know.
        SettingError: if the storage has a study of that name, or on another direction.
    """
    if direction is not None:
        one_of("direction", direction, ("maximize", "minimize"))
    experiment = read_experiment(path)
    space = read_search_space(search_space) if search_space is not None else experiment.search_space
    parameters = JsonParameters(_completed(space, experiment))
    trials = [_converted(trial, experiment, parameters) for trial in experiment.trials]
    name = study_name or f"nni-{experiment.id}"
    try:
        study = optuna.create_study(
            study_name=name,
            storage=storage,
            direction=_direction(direction, experiment),
        )
    except DuplicatedStudyError:
        raise SettingError(f"The storage has a study {name!r} already: give another `study_name`.") from None
    try:
        study.set_user_attr("nni_experiment", experiment.id)
        for trial in trials:
            study.add_trial(trial)
    except BaseException:  # a whole study or none
        optuna.delete_study(study_name=name, storage=storage_of(study))
        raise
    return study


def _direction(given: str | None, experiment: NniExperiment) -> StudyDirection:
    is_maximized = experiment.is_maximized if given is None else given == "maximize"
    return StudyDirection.MAXIMIZE if is_maximized else StudyDirection.MINIMIZE


def _completed(space: Mapping[str, Any], experiment: NniExperiment) -> dict[str, Any]:
    """The search space, with a choice for each label that only samples have."""
    found: dict[str, list[Any]] = {}
    for sample in (trial.sample for trial in experiment.trials):
        for label, value in (sample or {}).items():
            if label not in space and value not in found.setdefault(label, []):
                found[label].append(value)
    return {**space, **{label: {"_type": "choice", "_value": values} for label, values in found.items()}}


@dataclass
class _End:
    """How a trial ended, as Optuna has it."""

    state: TrialState
    value: float | None = None
    failure: str | None = None


def _converted(trial: NniTrial, experiment: NniExperiment, parameters: JsonParameters) -> FrozenTrial:
    curve = {step: value for step, metric in enumerate(trial.curve) if (value := _number(metric)) is not None}
    end = _end(trial, curve, experiment.has_assessor)
    values: dict[str, Any] = {}
    distributions: dict[str, Any] = {}
    try:
        if trial.sample is None:
            raise NniError("NNI's database has no sample of it")
        values, distributions = parameters.of_sample(trial.sample)
    except NniError as error:  # a trial that was made by hand: a sampler cannot learn from it
        end = _End(TrialState.FAIL, failure=str(error))
    attributes = {
        "trial": trial.id,
        "status": trial.status,
        "sample": trial.sample,
        "metrics": trial.final if isinstance(trial.final, dict) or end.state == TrialState.FAIL else None,
        "noted_sample": trial.noted_number if trial.noted_number != trial.sample_number else None,
        "failure": end.failure,
    }
    is_waiting = end.state == TrialState.WAITING
    converted = create_trial(
        state=end.state,
        value=end.value,
        params=values,
        distributions=distributions,
        user_attrs={f"{_ATTRIBUTE}{name}": value for name, value in attributes.items() if value is not None},
        system_attrs={"fixed_params": values} if is_waiting else {},  # what `enqueue_trial` sets
        intermediate_values={} if is_waiting else curve,
    )
    if not is_waiting:
        converted.datetime_start = trial.started or trial.ended
        converted.datetime_complete = trial.ended or trial.started
    return converted


def _end(trial: NniTrial, curve: Mapping[int, float], has_assessor: bool) -> _End:
    if trial.status == "SUCCEEDED":
        try:
            return _End(TrialState.COMPLETE, metric_value(trial.final))
        except ValueError as error:
            return _End(TrialState.FAIL, failure="it reported no final metric" if trial.final is None else str(error))
    # NNI's manager stops a trial first and notes later that it was an early stop, often too late.
    was_stopped = trial.status == "USER_CANCELED" and has_assessor and not trial.was_cancelled and curve
    if trial.status == "EARLY_STOPPED" or was_stopped:
        last = list(curve.values())[-1] if curve else None
        return _End(TrialState.PRUNED, last if last is not None and math.isfinite(last) else None)
    if trial.ended is not None:
        return _End(TrialState.FAIL, failure=f"in NNI it ended as {trial.status}")
    return _End(TrialState.WAITING)


def _number(metric: Any) -> float | None:
    """The number of a point of a learning curve, which may be infinite or NaN; None if it is none."""
    value = metric.get("default") if isinstance(metric, dict) else metric
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
