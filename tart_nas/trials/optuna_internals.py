"""All that is used of Optuna beyond its documented interface, in one place.

A queue of trials claims a waiting trial and looks at one by its number; Optuna documents neither, only ``ask``, which
would make a new trial. Each function is known to work with Optuna 4.3.0 (the lowest version that pyproject.toml allows,
with which ``make test-lowest`` searches) and 5.0.0 (the latest when this was written, with which the suite runs).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.pruners import BasePruner, PatientPruner
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileSymlinkLock
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import make_url

__all__ = [
    "all_trials",
    "contains",
    "fixed_by",
    "legal_value",
    "running_trial",
    "set_system_attr",
    "set_user_attr",
    "storage_address",
    "storage_of",
    "stored_trial",
    "study_key",
    "trial_id",
    "try_set_state",
    "wrapped_pruner",
]


def storage_of(study: optuna.Study) -> BaseStorage:
    """The storage of a study, which artifacts and the dashboard want: ``Study._storage``."""
    return study._storage


def storage_address(storage: BaseStorage) -> str | None:
    """The address by which another process opens the same storage; None if there is none, as of one in memory.

    It is made of the ``url`` of an ``RDBStorage``, which ``get_storage`` hides in ``_CachedStorage._backend``; of
    ``JournalStorage._backend``, its ``_file_path`` and ``_lock``; of ``GrpcStorageProxy._host`` and ``_port``.
    """
    if not isinstance(storage, JournalStorage):
        storage = getattr(storage, "_backend", storage)
    if isinstance(storage, RDBStorage):
        url = make_url(storage.url)
        in_memory = url.drivername.startswith("sqlite") and url.database in (None, "", ":memory:")
        return None if in_memory else str(storage.url)
    if isinstance(storage, JournalStorage):
        file = storage._backend
        # Two kinds of locks would not keep each other's processes out.
        if isinstance(file, JournalFileBackend) and isinstance(file._lock, JournalFileSymlinkLock):
            return f"journal://{Path(file._file_path).resolve()}"
        return None
    host, port = getattr(storage, "_host", None), getattr(storage, "_port", None)
    return None if host is None or port is None else f"grpc://{host}:{port}"


def study_key(study: optuna.Study) -> tuple[BaseStorage, int]:
    """Identifies a study for as long as its storage is open: ``Study._study_id``.

    Two studies may have the same name in two storages.
    """
    return study._storage, study._study_id


def trial_id(trial: Trial | FrozenTrial) -> int:
    """The number of a trial in its storage; ``trial.number`` is that in its study: ``_trial_id`` of both classes."""
    return trial._trial_id


def all_trials(study: optuna.Study) -> Sequence[FrozenTrial]:
    """The trials of a study, not copied. ``get_trials`` gives those of one bracket under Hyperband's pruner."""
    return study._storage.get_all_trials(study._study_id, deepcopy=False)


def stored_trial(study: optuna.Study, trial: Trial | FrozenTrial) -> FrozenTrial:
    """A trial as the storage knows it now: ``BaseStorage.get_trial``."""
    return study._storage.get_trial(trial._trial_id)


def running_trial(study: optuna.Study, trial: FrozenTrial) -> Trial:
    """What reports and attributes of a trial that runs are given to: the constructor of ``Trial``."""
    return Trial(study, trial._trial_id)


def try_set_state(
    study: optuna.Study, trial: Trial | FrozenTrial, state: TrialState, value: float | None = None
) -> bool:
    """Changes the state of a trial that has not ended: ``BaseStorage.set_trial_state_values``.

    ``Study.tell`` first looks at the trial and then ends it: between the two another process may end it.

    Returns:
        False if the state is to be RUNNING and another process was quicker: of several, one gets True.

    Raises:
        UpdateFinishedTrialError: if it has ended.
    """
    values = None if value is None else [value]
    return study._storage.set_trial_state_values(trial._trial_id, state=state, values=values)


def set_user_attr(study: optuna.Study, trial: FrozenTrial, name: str, value: Any) -> None:
    """Sets a user attribute of a trial that has not ended: ``BaseStorage.set_trial_user_attr``."""
    study._storage.set_trial_user_attr(trial._trial_id, name, value)


def set_system_attr(study: optuna.Study, trial: FrozenTrial, name: str, value: Any) -> None:
    """Sets a system attribute, which dashboards do not show: ``BaseStorage.set_trial_system_attr``."""
    study._storage.set_trial_system_attr(trial._trial_id, name, value)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a distribution has the value: ``BaseDistribution._contains``.

    Of a value of another type, ``to_internal_repr`` of some distributions raises.
    """
    try:
        return distribution._contains(distribution.to_internal_repr(value))
    except (TypeError, ValueError):
        return False


def legal_value(distribution: BaseDistribution, value: Any) -> Any:
    """The value that a distribution has of a legal one: 2 for ``numpy.int64(2)`` and 2.0, which data frames hold.

    There and back again, by ``to_internal_repr`` and ``to_external_repr``.
    """
    return distribution.to_external_repr(distribution.to_internal_repr(value))


def fixed_by(sampler: PartialFixedSampler) -> tuple[dict[str, Any], BaseSampler]:
    """The parameters that it fixes, and the sampler of the others: its ``_fixed_params`` and ``_base_sampler``."""
    return sampler._fixed_params, sampler._base_sampler


def wrapped_pruner(pruner: PatientPruner) -> BasePruner | None:
    """The pruner inside, if any: ``PatientPruner._wrapped_pruner``."""
    return pruner._wrapped_pruner
