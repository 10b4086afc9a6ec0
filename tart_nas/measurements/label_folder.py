"""The folder of a measurement: the study of its networks, and the file of their labels."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from rich.console import Console

from tart_nas.checks import differences
from tart_nas.errors import InsufficientMemoryError, MachineError, RunFolderError, TartError
from tart_nas.measurements.label_file import read_label_file, write_label_file
from tart_nas.measurements.outcome import MeasuringOutcome
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.measurements.study import MeasuringStudy
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.trials import Claim
from tart_nas.version import versions

__all__ = ["Claimed", "LabelFolder"]

_FAILURES_ARE_FINAL = "failures_are_final"  # in the file: earlier versions took a fault of the machine for a failure

Claimed = tuple[int, AnyArchitecture, Claim]
"""A network to measure: its index, its architecture and the claim of its trial."""


class LabelFolder:
    """What several processes share that measure the same networks: what waits, and what was measured.

    Args:
        folder: made when there is none.
        architectures: by the index that their labels get.
        group: the name over the labels in the file.
        about: what the file says of them, JSON values; the ``settings`` and ``images`` must be those of the folder.
        console: is told how each measurement went.

    Raises:
        RunFolderError: if it is a folder of other settings, images or networks.
    """

    def __init__(
        self,
        folder: Path,
        architectures: Mapping[int, AnyArchitecture],
        group: str,
        about: Mapping[str, Any],
        console: Console,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.file = folder / "labels.json"
        self._architectures, self._group, self._about, self._console = architectures, group, about, console
        self._left: dict[int, TartError] = {}  # to the next call, and why
        self._lock = FileLock(folder / ".lock")
        # One process at a time: two that plan at once would enqueue each network twice.
        with self._lock:
            self._study = MeasuringStudy(folder)
            if self.file.exists():
                _take_over(self._study, self.file, about, group, architectures)
            self._study.plan(architectures)
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
        """Writes how the measurement of a network went, while the claim holds."""
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
            labels, failed = self._study.results()
            counts = {"planned": len(self._architectures), "measured": len(labels), "failed": len(failed)}
            about = {**counts, **self._about, _FAILURES_ARE_FINAL: True, "versions": versions("torch", "numpy")}
            write_label_file(self.file, about, self._group, labels, failed)


def _take_over(
    study: MeasuringStudy,
    file: Path,
    about: Mapping[str, Any],
    group: str,
    architectures: Mapping[int, AnyArchitecture],
) -> None:
    """Gives the study what a file of labels holds.

    Raises:
        RunFolderError: if it was made with other settings, or of other networks.
    """
    made, labels, failed = read_label_file(file, group)
    # Read, since the version before did not write all settings that there are now.
    then = MeasuringSettings.from_dict(made["settings"]).to_dict()
    if found := differences(then, about["settings"]):
        raise RunFolderError(f"{file} was made with other settings ({found}): use a new folder.")
    # Earlier versions did not note them, and of the latency alone there are none.
    images, wanted = made.get("images") or {}, about["images"] or {}
    if any(images.get(name, wanted.get(name)) != wanted.get(name) for name in ("fingerprint", "test_fingerprint")):
        raise RunFolderError(
            f"The networks of {file} were measured on other images of {images.get('name', images.get('source'))} than "
            f"these of {wanted['name']}: give the same ones, or use a new folder."
        )
    failures = failed.items() if made.get(_FAILURES_ARE_FINAL) else ()
    study.add(labels, {i: (architectures[i], reason) for i, reason in failures if i in architectures})
