"""The trials of a measuring run: an Optuna study with one trial for each network, shared by any number of workers.

Networks are enqueued once. A worker claims a trial by a lock file that the system frees when its process ends, however
it ends: a trial that is running but not locked was left by a killed worker, and the next one takes it up again. So the
workers may be processes of one machine, or of several with a common file system.
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState

from tart_nas.architecture import Architecture
from tart_nas.errors import RunFolderError
from tart_nas.study_file import open_study_file

__all__ = ["MeasuringStudy"]

_NAME = "tart-nas measure"


class MeasuringStudy:
    """The study in a folder, made when there is none.

    Args:
        folder: where ``study.sqlite3`` and the lock files are.

    Raises:
        RunFolderError: if the file is not a study of measurements.
    """

    def __init__(self, folder: Path) -> None:
        self._locks = folder / ".locks"
        self._locks.mkdir(parents=True, exist_ok=True)
        path = folder / "study.sqlite3"
        try:
            with FileLock(self._locks / "study.lock"):  # of several workers, one makes it
                storage = open_study_file(path)
            self._study = optuna.create_study(
                storage=storage, study_name=_NAME, direction="maximize", load_if_exists=True
            )
        except Exception as error:  # whatever SQLAlchemy, SQLite and Optuna raise on a foreign or truncated file
            raise RunFolderError(f"{path} is not the study of a measurement: {str(error).splitlines()[0]}") from error

    def plan(self, architectures: Mapping[int, Architecture]) -> None:
        """Enqueues the networks that the study does not have yet.

        Raises:
            RunFolderError: if the study has another network under an index.
        """
        known = {trial.user_attrs["index"]: trial.user_attrs["architecture"] for trial in self._study.get_trials()}
        for index, architecture in architectures.items():
            if index not in known:
                attributes = {"index": index, "architecture": json.dumps(architecture.to_dict())}
                self._study.enqueue_trial({}, user_attrs=attributes)
            elif Architecture.from_dict(json.loads(known[index])) != architecture:
                raise RunFolderError(f"The folder has a label of another network under the index {index}.")

    def add(self, labels: Mapping[int, Mapping[str, Any]], failed: Mapping[int, tuple[Architecture, str]]) -> None:
        """Takes over networks that were measured before, of which the study knows nothing."""
        known = {trial.user_attrs["index"] for trial in self._study.get_trials(deepcopy=False)}
        for index, label in labels.items():
            if index not in known:
                attributes = {"index": index, "architecture": json.dumps(label["architecture"]), "label": dict(label)}
                trial = optuna.create_trial(value=label["val_acc"], user_attrs=attributes)
                self._study.add_trial(trial)
        for index, (architecture, reason) in failed.items():
            if index not in known:
                attributes = {"index": index, "architecture": json.dumps(architecture.to_dict()), "failure": reason}
                self._study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs=attributes))

    @contextmanager
    def claimed(self) -> Iterator[tuple[int, Architecture, Trial] | None]:
        """The index, the architecture and the trial of a network to measure, which no other worker has; or None."""
        for known in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING)):
            lock = FileLock(self._locks / f"{known.number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            try:
                state = self._state(known)
                if state == TrialState.WAITING:
                    self._study._storage.set_trial_state_values(known._trial_id, TrialState.RUNNING)
                elif state != TrialState.RUNNING:
                    continue
                architecture = Architecture.from_dict(json.loads(known.user_attrs["architecture"]))
                yield known.user_attrs["index"], architecture, Trial(self._study, known._trial_id)
                return
            finally:
                lock.release()
        yield None

    def _state(self, trial: FrozenTrial) -> TrialState:
        return self._study._storage.get_trial(trial._trial_id).state

    def tell(self, trial: Trial, label: Mapping[str, Any]) -> None:
        """A network was measured."""
        trial.set_user_attr("label", dict(label))
        self._study.tell(trial, label["val_acc"])

    def fail(self, trial: Trial, reason: str) -> None:
        """A network cannot be measured."""
        trial.set_user_attr("failure", reason)
        self._study.tell(trial, state=TrialState.FAIL)

    def results(self) -> tuple[dict[int, dict[str, Any]], dict[int, str]]:
        """The labels, and the reasons of failures, by index."""
        labels, failed = {}, {}
        for trial in self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL)):
            if trial.state == TrialState.COMPLETE:
                labels[trial.user_attrs["index"]] = trial.user_attrs["label"]
            else:
                failed[trial.user_attrs["index"]] = trial.user_attrs["failure"]
        return labels, failed
