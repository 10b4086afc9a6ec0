"""The folder of a measurement: the study of its networks, and the file of their labels."""

import json
import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console

from tart_nas.checks import differences
from tart_nas.devices import described_kind
from tart_nas.errors import InsufficientMemoryError, MachineError, RunFolderError, TartError, reason
from tart_nas.measurements.label_file import LabelFile, relative_time, write_label_file
from tart_nas.measurements.outcome import MeasuringOutcome
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.measurements.study import MeasuringStudy, StudyResults, trial_value
from tart_nas.search_spaces import DartsSpace
from tart_nas.search_spaces.trial_architecture import AnyArchitecture, architecture_from_dict
from tart_nas.trials import Claim
from tart_nas.version import versions

__all__ = ["Claimed", "LabelFolder"]

# In the file. Earlier versions took a fault of the machine for a failure, and timed the latency alone of networks that
# keep running statistics, whatever the settings said.
_FAILURES_ARE_FINAL, _STATISTICS_ARE_AS_SET = "failures_are_final", "statistics_are_as_set"

# What reading a value of a damaged file raises; errors of architectures, graphs and settings are among them.
_DAMAGES = (KeyError, TypeError, ValueError, AttributeError, ArithmeticError)

Claimed = tuple[int, AnyArchitecture, Claim]
"""A network to measure: its index, its architecture and the claim of its trial."""


@dataclass(frozen=True)
class _Before:
    """What a file of labels holds of a measurement that goes on.

    Args:
        labels: by index.
        networks: of these labels.
        failed: the reasons of failures, by index.
        failures_are_final: whether these need not be tried again.
    """

    labels: dict[int, dict[str, Any]] = field(default_factory=dict)
    networks: dict[int, AnyArchitecture] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    failures_are_final: bool = True


class LabelFolder:
    """What several processes share that measure the same networks: what waits, and what was measured.

    Args:
        folder: made when there is none.
        architectures: by the index that their labels get.
        group: the name over the labels in the file.
        about: what the file says of them, JSON values; the ``settings`` and ``images`` must be those of the folder.
        device: the kind of device that measures, such as ``"cpu"``: times of two kinds do not compare.
        console: is told how each measurement went.

    Raises:
        RunFolderError: if it is a folder of another group, other settings, images, networks or another kind of device,
            or its file is damaged. Then nothing was written: what is there is somebody's hours of training.
    """

    def __init__(
        self,
        folder: Path,
        architectures: Mapping[int, AnyArchitecture],
        group: str,
        about: Mapping[str, Any],
        device: str,
        console: Console,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "labels.json"
        self._architectures, self._group, self._about, self._console = architectures, group, about, console
        self._left: dict[int, TartError] = {}  # to the next call, and why
        self._lock = FileLock(folder / ".lock")
        # One process at a time: two that plan at once would enqueue each network twice.
        with self._lock:
            before = _read_before(self.file, about, group) if self.file.exists() else _Before()
            _check_networks(self.file, before.networks, architectures, about)
            if not (folder / "study.sqlite3").exists():  # nor is it made where the file alone is refused
                _check_kind(folder, device, architectures, before, StudyResults({}, {}, frozenset()))
            self._study = MeasuringStudy(folder)
            if self._study.group is not None:  # of earlier versions the file alone tells it
                _check_group(folder / "study.sqlite3", [self._study.group], group)
            if (index := self._study.differing(architectures)) is not None:
                raise _another_network(folder / "study.sqlite3", index, about)
            if (index := self._study.differing(before.networks)) is not None:
                raise RunFolderError(
                    f"{self.file} has a label of another network than study.sqlite3 beside it has under the index "
                    f"{index}: the two are of different measurements, of which a new folder is for one."
                )
            _check_kind(folder, device, architectures, before, self._study.results())
            self._study.name_group(group)
            here = {i: (architectures[i], reason) for i, reason in before.failed.items() if i in architectures}
            self._study.add(before.labels, here if before.failures_are_final else {})
            self._study.plan(architectures)
            # A file names no networks of failures. So the study cannot have them before they are given again.
            self._others_failed = {i: reason for i, reason in before.failed.items() if i not in here}
            self._others_are_final = before.failures_are_final
        # Before the first network: a folder whose work is all done still gets its file, a running one shows the plan.
        self._write()

    def plan(self) -> bool:
        """Enqueues the networks that somebody else's ``optimize`` took; whether there were any."""
        with self._lock:
            return self._study.plan(self._architectures)

    @contextmanager
    def claimed(self, without: Collection[int] = ()) -> Iterator[Claimed | None]:
        """A network to measure, which no other worker has; None if none waits.

        Args:
            without: indices that are left to others, beside those that failed here by a fault of the machine.
        """
        with self._study.claimed(without={*self._left, *without}) as claimed:
            yield claimed

    def settle(self, claimed: Claimed, outcome: MeasuringOutcome | MachineError) -> None:
        """Writes how the measurement of a network went, while the claim holds.

        Raises:
            RunFolderError: if somebody wrote times of another kind of device meanwhile. Then the network is left.
        """
        index, _, claim = claimed
        if isinstance(outcome, MachineError):
            self._left[index] = outcome
            self._study.interrupt(claim)
        elif outcome.too_large is not None:
            self._left[index] = InsufficientMemoryError(outcome.too_large)
            self._study.interrupt(claim)
        elif outcome.failure is not None:
            self._study.fail(claim, outcome.failure)
        elif outcome.label is not None:
            with self._lock:  # two that begin at once on two kinds of devices both find no times
                kind = described_kind(outcome.label["device"])
                _check_times(self.file.parent, kind, self._study.results().labels.values())
                self._study.tell(claim, outcome.label, outcome.accuracies)
        self._console.print(f"{index}: {outcome}")
        self._write()

    def check_none_left(self) -> None:
        """Makes sure that no network is left to the next call.

        Raises:
            MachineError: if the cluster lost some.
            InsufficientMemoryError: if some do not fit into memory.
        """
        for kind, what in (
            (MachineError, "were lost by the cluster"),
            (InsufficientMemoryError, "do not fit into memory here"),
        ):
            if those := {index: error for index, error in self._left.items() if isinstance(error, kind)}:
                raise kind(
                    f"{len(those)} networks {what} ({', '.join(map(str, those))}); the same call tries them again, "
                    f"what was measured is in {self.file}: {next(iter(those.values()))}"
                )

    def _write(self) -> None:
        with self._lock:
            known = self._study.results()
            others = {i: reason for i, reason in self._others_failed.items() if i not in known.indices}
            failed = known.failed | others
            # Of all calls: fewer networks in this one than in those before are not fewer than were measured.
            planned = len(known.indices) + len(others)
            counts = {"planned": planned, "measured": len(known.labels), "failed": len(failed)}
            final = {_FAILURES_ARE_FINAL: True} if self._others_are_final or not others else {}
            marks = {**final, **({_STATISTICS_ARE_AS_SET: True} if self._about["settings"].get("only") else {})}
            about = {**counts, **self._about, **marks, "versions": versions("torch", "numpy")}
            write_label_file(self.file, about, self._group, known.labels, failed)


def _read_before(file: Path, about: Mapping[str, Any], group: str) -> _Before:
    """Reads a file of labels whose measurement goes on.

    Raises:
        RunFolderError: if it is of another group, was made with other settings or on other images, or is damaged.
    """
    stored = LabelFile.read(file)
    _check_group(file, stored.groups(), group)
    made, labels = stored.about, stored.labels.get(group, {})
    try:
        # Read, since the version before did not write all settings that there are now.
        settings = MeasuringSettings.from_dict(made["settings"])
        if settings.only == "latency" and not made.get(_STATISTICS_ARE_AS_SET):
            settings = replace(settings, track_running_stats=True)
        # Earlier versions did not note them, and of the latency alone there are none.
        images, wanted = dict(made.get("images") or {}), about["images"] or {}
    except _DAMAGES as error:
        raise RunFolderError(f"{file} does not tell how its labels were measured: {reason(error)}.") from None
    if found := differences(settings.to_dict(), about["settings"]):
        raise RunFolderError(f"{file} was made with other settings ({found}): use a new folder.")
    if any(images.get(name, wanted.get(name)) != wanted.get(name) for name in ("fingerprint", "test_fingerprint")):
        raise RunFolderError(
            f"The networks of {file} were measured on other images of {images.get('name', images.get('source'))} than "
            f"these of {wanted['name']}: give the same ones, or use a new folder."
        )
    networks = {}
    for index, label in labels.items():
        try:
            networks[index] = architecture_from_dict(label["architecture"])
            _check_label(label, settings)
        except _DAMAGES as error:
            raise RunFolderError(f"Label {index} of {file} is damaged: {reason(error)}.") from None
    return _Before(labels, networks, stored.failed.get(group, {}), bool(made.get(_FAILURES_ARE_FINAL)))


def _check_label(label: Mapping[str, Any], settings: MeasuringSettings) -> None:
    """Makes sure that a label has what is learned from it, and can be written again.

    Raises:
        KeyError: if it lacks something.
        TypeError, ValueError, ZeroDivisionError: if a value is no number that it can be.
    """
    needed = [label["time"], relative_time(label), trial_value(label)]
    if settings.only is None:
        needed.append(label["val_acc"])
    if not all(math.isfinite(value) for value in needed):
        raise ValueError("not finite")
    if not isinstance(label.get("device", ""), str):
        raise TypeError("a device is a text")
    json.dumps(label, allow_nan=False)  # as it will be written


def _check_kind(
    folder: Path, device: str, given: Mapping[int, AnyArchitecture], before: _Before, known: StudyResults
) -> None:
    """Makes sure that networks which are left to be measured get times of the kind of device that the others have.

    Raises:
        RunFolderError: if not.
    """
    settled = {*known.labels, *known.failed, *before.labels, *(before.failed if before.failures_are_final else ())}
    if not settled >= known.indices | given.keys():
        _check_times(folder, device, [*known.labels.values(), *before.labels.values()])


def _check_times(folder: Path, device: str, labels: Iterable[Mapping[str, Any]]) -> None:
    """Makes sure that times of a kind of device come to no times of another one.

    Raises:
        RunFolderError: if they would.
    """
    # Labels of earlier versions may lack it.
    kinds = sorted({described_kind(label["device"]) for label in labels if "device" in label})
    there = " and ".join(kinds)
    if len(kinds) > 1:  # by an earlier version
        raise RunFolderError(f"The times in {folder} were measured on {there}, which do not compare: use a new folder.")
    if kinds and kinds != [device]:
        raise RunFolderError(
            f"The times in {folder} were measured on {there}, those of {device} do not compare with them: measure on "
            f"{there} again (`device`, or `gpus_per_trial` of Ray), or use a new folder."
        )


def _check_group(where: Path, there: Collection[str], group: str) -> None:
    """Makes sure that a file has labels of no other group, whose labels would be lost or get this name.

    Raises:
        RunFolderError: if it has.
    """
    if others := [name for name in there if name != group]:
        raise RunFolderError(
            f"{where} is of the group {', '.join(map(repr, others))}, but got networks of the group {group!r}: give "
            "them by the same name, that of a file, a split, a space or a network, or use a new folder."
        )


def _check_networks(
    file: Path,
    there: Mapping[int, AnyArchitecture],
    given: Mapping[int, AnyArchitecture],
    about: Mapping[str, Any],
) -> None:
    """Makes sure that a file has no label of another network under an index.

    Raises:
        RunFolderError: if it has.
    """
    for index in there.keys() & given.keys():
        if there[index] != given[index]:
            raise _another_network(file, index, about)


def _another_network(where: Path, index: int, about: Mapping[str, Any]) -> RunFolderError:
    # Its sample is drawn at once, so that one of n networks is no beginning of one of more.
    is_darts = about.get("networks", {}).get("space") == DartsSpace.name
    told = ", or give `networks` as before: a sample of another number has other networks" if is_darts else ""
    return RunFolderError(f"{where} has a label of another network under the index {index}: use a new folder{told}.")
