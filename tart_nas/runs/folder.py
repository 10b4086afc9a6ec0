"""The folder of a run: what lies where, and that it belongs to one run and one process at a time.

config.json          the settings and versions that made the run, and where its study is
candidates.parquet   every candidate with its score, best first
study.sqlite3        the Optuna study, unless it is elsewhere: one trial for each trained network
weights/<pick>/      each trained network: network.json, weights.safetensors (tart_nas.networks.load)
.claims/             networks whose trial has not ended yet, each in a folder of the claim that trains it
artifacts/           pictures of the cells, for optuna-dashboard
report.html, report.json
nni/                 NNI's files of a search with the engine "nni"

``config.json`` holds everything that decides the result. The folder refuses other settings once a trial of it was
claimed; before, a search with other settings takes it over.
"""

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tart_nas.checks import differences
from tart_nas.errors import RunFolderError, SettingError, reason
from tart_nas.files import remove_leftovers, replacing, writing_into
from tart_nas.runs.giving_up import give_up
from tart_nas.runs.provenance import Provenance
from tart_nas.runs.settings import SearchSettings
from tart_nas.runs.storage import OWN_STUDY, file_of, masked

__all__ = ["RunFolder", "flat", "write_json"]

# Two locks, since a report may be written while a search holds the folder.
_LOCK, _REPORT_LOCK = ".lock", ".report.lock"
_REPORT_PATIENCE = 60.0  # seconds; a report takes one or two, many times that on a busy machine


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run.

    Args:
        path: the folder; made when it is not there.
    """

    path: Path

    @property
    def config(self) -> Path:
        """Settings, versions and date, JSON."""
        return self.path / "config.json"

    @property
    def candidates(self) -> Path:
        """The scored candidates, parquet."""
        return self.path / "candidates.parquet"

    @property
    def study(self) -> Path:
        """The Optuna study, SQLite."""
        return self.path / "study.sqlite3"

    @property
    def artifacts(self) -> Path:
        """The store of the study's artifacts, a folder."""
        return self.path / "artifacts"

    @property
    def report(self) -> Path:
        """The report for people, HTML."""
        return self.path / "report.html"

    @property
    def picture(self) -> Path:
        """The report's figure, PNG."""
        return self.path / "report.png"

    @property
    def report_data(self) -> Path:
        """The numbers of the report, JSON."""
        return self.path / "report.json"

    @property
    def claims(self) -> Path:
        """The folder of what claims of trials write."""
        return self.path / ".claims"

    def network(self, pick: str) -> Path:
        """The folder of a pick's trained network, for :func:`tart_nas.networks.load`."""
        return self.path / "weights" / pick

    def claimed_network(self, trial: int, claim: int) -> Path:
        """Where a claim of a trial writes its network, and nobody else."""
        return self.claims / f"{trial}-{claim}"

    def publish_network(self, pick: str, trial: int, claim: int, *, replace: bool = False) -> None:
        """Gives the network that a claim has written its place in the run, if it has written one.

        Args:
            pick: its name.
            trial: its number.
            claim: its number, of the claim that ended the trial.
            replace: whether another network there goes, such as one that a killed process of an earlier version left.
                Only the search itself may do that: of two processes, one could remove what the other has just put.
        """
        written, place = self.claimed_network(trial, claim), self.network(pick)
        if not written.exists():
            return
        place.parent.mkdir(exist_ok=True)
        if replace and place.exists():
            shutil.rmtree(place)
        try:
            os.rename(written, place)  # which the system refuses if there is a network
        except OSError:
            if not place.exists():
                raise

    def discard_network(self, trial: int, claim: int) -> None:
        """Removes what a claim has written that does not hold any more."""
        shutil.rmtree(self.claimed_network(trial, claim), ignore_errors=True)

    @contextmanager
    def claimed(self, settings: SearchSettings, storage: str | None, provenance: Provenance) -> Iterator[None]:
        """Holds the folder for this process and makes sure that it belongs to these settings and this storage.

        Args:
            settings: of the run.
            storage: the address of its study, None for the folder's own file.
            provenance: of a run that begins here; one that is resumed keeps its own.

        Raises:
            RunFolderError: if another process holds it, something was trained in it with other settings, it is no run
                folder, or it cannot be written (inside the block as well: a disk that is full).
        """
        with writing_into(self.path, "run folder"):
            self.path.mkdir(parents=True, exist_ok=True)
            with self._locked():
                for folder in (self.path, *self.path.glob("weights/*"), *self.claims.glob("*")):
                    remove_leftovers(folder)
                if self.config.exists():
                    self._refuse_others(settings, storage)
                if not self.config.exists():
                    study = self.path.resolve().name or OWN_STUDY
                    if storage is not None:  # in which other runs may be, from folders of the same name
                        study += f" {secrets.token_hex(4)}"
                    place = {"storage": masked(storage), "study": study}
                    write_json(self.config, {"settings": settings.to_dict(), **place, **provenance.to_dict()})
                yield

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._refuse_foreign()
        lock = FileLock(self.path / _LOCK)  # the system frees it when the process ends, however it ends
        try:
            lock.acquire(timeout=0.5)  # a worker that looks whether the search still runs holds it for a moment
        except Timeout:
            raise RunFolderError(f"Another search is running in {self.path}: wait for it, or use another.") from None
        try:
            yield
        finally:
            lock.release()

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """One report at a time: an earlier state of the run must not be written over a later one.

        Raises:
            RunFolderError: if another process writes one for longer than a minute.
        """
        lock = FileLock(self.path / _REPORT_LOCK)
        try:
            lock.acquire(timeout=_REPORT_PATIENCE)
        except Timeout:
            raise RunFolderError(f"Another process writes the report of {self.path}: try again.") from None
        try:
            yield
        finally:
            lock.release()

    def is_claimed(self) -> bool:
        """Whether a search runs in the folder."""
        if not (self.path / _LOCK).exists():  # and looking must not make it
            return False
        lock = FileLock(self.path / _LOCK)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return True
        except OSError:  # no search can write there either
            return False
        lock.release()
        return False

    def read_place(self) -> tuple[str | None, str]:
        """The address of the storage, its password masked, or None for the folder's own file; the study's name.

        Raises:
            RunFolderError: if there is no readable ``config.json``.
        """
        self.read_settings()
        config = json.loads(self.config.read_text())
        place, study = config.get("storage"), config.get("study", OWN_STUDY)
        if not (isinstance(place, str | None) and isinstance(study, str)):
            raise RunFolderError(f"{self.config} is not the configuration of a search: it names no study.")
        return place, study

    def address(self, given: str | None) -> str | None:
        """The address at which to work on the study, None for the folder's own file.

        The folder may be somebody else's, and its ``config.json`` may name any server or file of this user: what is
        outside of the folder is opened only if its address is given.

        Args:
            given: by the user.

        Raises:
            RunFolderError: if there is no readable ``config.json``.
            SettingError: if the study is outside of the folder and no address is given.
        """
        place, _ = self.read_place()
        if given is None and place is not None and not self._holds(place):
            raise SettingError(
                f"The study of {self.path} is in {masked(place)}, outside of the folder, and is opened only "
                f"when it is asked for: give its address, with its password if it has one, as `storage`."
            )
        return given or place

    def _holds(self, address: str) -> bool:
        """Whether an address names a file within the folder."""
        file = file_of(address)
        if file is None or str(file).startswith("file:"):  # of SQLite, with options, which may say another path
            return False
        return file.resolve().is_relative_to(self.path.resolve())

    def read_settings(self) -> SearchSettings:
        """The settings that the folder was made with.

        Raises:
            RunFolderError: if there is no readable ``config.json``.
        """
        try:
            return SearchSettings.from_dict(json.loads(self.config.read_text())["settings"])
        except FileNotFoundError:
            raise RunFolderError(f"{self.path} is not a run folder: it has no {self.config.name}.") from None
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise RunFolderError(f"{self.config} is not the configuration of a search: {reason(error)}.") from None

    def read_provenance(self) -> Provenance:
        """What made the run.

        Raises:
            RunFolderError: if there is no readable ``config.json``.
        """
        self.read_settings()
        return Provenance.from_dict(json.loads(self.config.read_text()))

    def _refuse_foreign(self) -> None:
        if not self.config.exists() and (found := sorted(p.name for p in self.path.iterdir() if p.name[0] != ".")):
            raise RunFolderError(
                f"{self.path} is not a run folder (it holds {found[0]} but no {self.config.name}): use a new one."
            )

    def _refuse_others(self, settings: SearchSettings, storage: str | None) -> None:
        """Makes sure that the folder is of these settings; one in which nothing was trained is emptied if not."""
        place, name = self.read_place()
        problem = self._difference(settings, storage, place)
        if problem is None:
            self.address(storage)
            return
        is_there = storage if storage is not None and masked(storage) == place else place  # with the password
        is_asked = is_there == storage or is_there is None or self._holds(is_there)  # as in `address`
        if any(self.path.glob("weights/*")) or not is_asked or not give_up(is_there, name, self.study):
            raise RunFolderError(f"{problem}: use a new folder.")
        self.candidates.unlink(missing_ok=True)
        self.config.unlink()  # last: killed before, the folder is still one of a run

    def _difference(self, settings: SearchSettings, storage: str | None, place: str | None) -> str | None:
        """How the run of the folder differs from one with these settings and this storage, None if it does not."""
        if storage is not None and masked(storage) != place:
            return f"The study of {self.path} is in {place or self.study}, not in {masked(storage)}"
        made, asked = flat(self.read_settings().to_dict()), flat(settings.to_dict())
        if "latency_predictor" not in json.loads(self.config.read_text())["settings"]:  # of a version before
            asked.pop("latency_predictor", None)
            made.pop("latency_predictor", None)
        found = differences(made, asked)
        return f"{self.path} was made with other settings ({found})" if found else None


def write_json(path: Path, values: Any) -> None:
    """Writes JSON values, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n")


def flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, the keys joined by dots."""
    joined: dict[str, Any] = {}
    for key, value in values.items():
        joined |= flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
    return joined
