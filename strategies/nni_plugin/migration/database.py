"""The database of an NNI experiment, ``nni.sqlite``, read without NNI.

NNI 3.0 keeps three tables in it. ``ExperimentProfile`` has the configuration as JSON, a row for each revision.
``TrialJobEvent`` has what happened to each trial: the first event bears its sample, the last its status.
``MetricData`` has what trials reported: JSON within JSON, and the number of the sample that the trial really ran.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from os import PathLike
from pathlib import Path
from typing import Any

from tart_nas.errors import NniError, reason
from tart_nas.strategies.nni_plugin.swapped_trials import actual_parameters

__all__ = ["NniExperiment", "NniTrial", "read_experiment"]

_COLUMNS = {
    "ExperimentProfile": {"params", "id", "revision"},
    "TrialJobEvent": {"timestamp", "trialJobId", "event", "data", "sequenceId"},
    "MetricData": {"timestamp", "trialJobId", "parameterId", "type", "sequence", "data"},
}
"""What is read of the tables. All versions of NNI from 2.0 on have them; only 3.0 was tried."""

_PATIENCE = 10.0  # seconds that NNI may hold the file; each of its writes is one row

_ENDED = ("SUCCEEDED", "FAILED", "USER_CANCELED", "SYS_CANCELED", "EARLY_STOPPED")


@dataclass
class NniTrial:
    """A trial as the database has it.

    Attributes:
        id: NNI's name of it.
        number: its place in the experiment, from 0.
        status: NNI's: ``SUCCEEDED``, ``FAILED``, ``EARLY_STOPPED``, ``USER_CANCELED``, ``SYS_CANCELED``, ``RUNNING``,
            ``WAITING``, ...
        sample: the parameters that it ran; None where none are known.
        sample_number: theirs, which NNI calls parameter id.
        noted_number: of those that the database notes with it; another one where NNI swapped them.
        curve: what it reported on its way, in order, as it reported it.
        final: what it reported last; None for nothing.
        started: when, in local time.
        ended: when; None if it did not.
        was_cancelled: whether somebody cancelled it on the web page.
    """

    id: str
    number: int
    status: str = "UNKNOWN"
    sample: Any = None
    sample_number: int | None = None
    noted_number: int | None = None
    curve: list[Any] = field(default_factory=list)
    final: Any = None
    started: datetime | None = None
    ended: datetime | None = None
    was_cancelled: bool = False


@dataclass(frozen=True)
class NniExperiment:
    """An experiment as its database has it.

    Attributes:
        id: of the experiment.
        profile: its configuration.
        search_space: in NNI's JSON form; of a search of networks only what NNI can show on its web page.
        trials: in the order of their numbers.
    """

    id: str
    profile: Mapping[str, Any]
    search_space: Mapping[str, Any]
    trials: list[NniTrial]

    @property
    def is_maximized(self) -> bool:
        """Whether larger metrics are better: what the tuner, or the advisor, was told; the default of both is yes."""
        for kind in ("tuner", "advisor"):
            arguments = (self.profile.get(kind) or {}).get("classArgs") or {}
            if arguments.get("optimize_mode") == "minimize":
                return False
        return True

    @property
    def has_assessor(self) -> bool:
        """Whether trials may have been stopped by their curve."""
        return bool(self.profile.get("assessor") or self.profile.get("advisor"))


def read_experiment(path: str | PathLike[str]) -> NniExperiment:
    """Reads an experiment; nothing is written, and it may run meanwhile.

    Args:
        path: the folder of the experiment (``~/nni-experiments/ID``) or its database, ``db/nni.sqlite``.

    Raises:
        NniError: if there is none, or if it is locked, truncated or of another form.
    """
    file = _database(Path(path).expanduser())
    try:
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)) as database:
            database.row_factory = sqlite3.Row
            _refuse_foreign(file, database)
            profiles = database.execute("select * from ExperimentProfile order by revision desc limit 1").fetchall()
            events = database.execute("select * from TrialJobEvent order by rowid").fetchall()
            metrics = database.execute("select * from MetricData order by rowid").fetchall()
    except (sqlite3.Error, UnicodeDecodeError) as error:  # the names of columns may be damaged
        raise NniError(f"{file} cannot be read: {reason(error)}.") from None
    if not profiles:
        raise NniError(f"{file} holds no experiment yet: its table ExperimentProfile is empty.")
    try:
        profile = json.loads(profiles[0]["params"])
        space = profile.get("searchSpace") or {}
        space = json.loads(space) if isinstance(space, str) else space
        return NniExperiment(str(profiles[0]["id"]), profile, dict(space), _trials(events, metrics, profile))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, OSError) as error:
        raise NniError(f"{file} is not an experiment of NNI 3.0: {reason(error)}.") from None


def _database(path: Path) -> Path:
    for file in (path, path / "nni.sqlite", path / "db/nni.sqlite"):
        if file.is_file():
            return file
    raise NniError(
        f"{path} holds no experiment of NNI: expected its folder, such as ~/nni-experiments/ID, or its db/nni.sqlite."
    )


def _refuse_foreign(file: Path, database: sqlite3.Connection) -> None:
    for table, expected in _COLUMNS.items():
        found = {row["name"] for row in database.execute(f"pragma table_info({table})")}
        if lacking := sorted(expected - found):
            what = f"no table {table}" if not found else f"no {', '.join(lacking)} in its table {table}"
            raise NniError(f"{file} is not a database of NNI 3.0: it has {what}.")


def _trials(events: Iterable[Any], metrics: Iterable[Any], profile: Mapping[str, Any]) -> list[NniTrial]:
    """Replays the events, as NNI's manager does, and gives each trial what it reported and the sample that it ran."""
    of_networks = (
        profile.get("experimentType") == "nas"
    )  # whose trials get a model: its sample, in either of NNI's forms, is a part of it
    trials: dict[str, NniTrial] = {}
    samples: dict[int, Any] = {}  # by their numbers
    for row in events:
        if not row["trialJobId"]:  # data that were imported from elsewhere
            continue
        trial = trials.setdefault(row["trialJobId"], NniTrial(row["trialJobId"], len(trials)))
        if row["sequenceId"] is not None:
            trial.number = int(row["sequenceId"])
        _replay(trial, row["event"], _time(row["timestamp"]))
        if row["data"] and (noted := json.loads(row["data"])):
            trial.noted_number = int(noted["parameter_id"])
            model = noted["parameters"]
            sample = model.get("sample", model.get("_sample")) if of_networks else model
            samples[trial.noted_number] = sample if isinstance(sample, dict) else None  # people submit others by hand
    reported: dict[str, int] = {}
    curves: dict[str, dict[int, Any]] = defaultdict(dict)
    for row in metrics:
        if (found := trials.get(row["trialJobId"])) is None:
            continue
        reported[found.id] = int(row["parameterId"])
        value = _metric(row["data"])
        if row["type"] == "FINAL":
            found.final = value
        elif row["type"] == "PERIODICAL":
            curves[found.id][int(row["sequence"])] = value  # a trial that was started anew counts from 0 again
    for name, number in _numbers(trials, reported, samples).items():
        trials[name].sample_number, trials[name].sample = number, samples.get(number)
        trials[name].curve = [value for _, value in sorted(curves[name].items())]
    return sorted(trials.values(), key=lambda trial: trial.number)


def _replay(trial: NniTrial, event: str, time: datetime) -> None:
    if event == "USER_TO_CANCEL":
        trial.was_cancelled = True
        event = "USER_CANCELED"
    if event == "RUNNING" or trial.started is None:
        trial.started = time
    if event != "ADD_HYPERPARAMETER":
        trial.status = "WAITING" if event == "ADD_CUSTOMIZED" else event
        trial.ended = time if event in _ENDED else None


def _numbers(trials: Mapping[str, NniTrial], reported: dict[str, int], samples: Mapping[int, Any]) -> dict[str, int]:
    noted = {name: trial.noted_number for name, trial in trials.items() if trial.noted_number is not None}
    reported = {name: number for name, number in reported.items() if number in samples and name in noted}
    if len(set(noted.values())) < len(noted):  # somebody submitted a sample again: whose it is cannot be told
        return {**noted, **reported}
    return actual_parameters(noted, reported)


def _metric(data: str) -> Any:
    """What a trial reported: NNI keeps the JSON text of its JSON text."""
    value = json.loads(data)
    try:
        return json.loads(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _time(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000)
