"""Progress bars of commands that report several things one after the other."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

__all__ = ["Bars", "download_bars", "network_bars", "training_bars"]


class Bars:
    """Progress bars on stderr, one for each thing that is reported; none before the first report.

    Args:
        columns: of each bar.
        quiet: whether to show none.
    """

    def __init__(self, columns: tuple[ProgressColumn, ...], quiet: bool) -> None:
        self._progress = Progress(*columns, console=Console(stderr=True), disable=quiet)
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> "Bars":
        return self

    def __exit__(self, *_: object) -> None:
        if self._tasks:
            self._progress.stop()

    def report(self, what: str, done: int, total: int | None, note: str = "") -> None:
        """Advances the bar of a thing; ``total`` is None where it is not known, ``note`` is shown beside it."""
        if what not in self._tasks:  # what an interrupted run did counts as done, but not in the rate
            self._progress.start()
            self._tasks[what] = self._progress.add_task(what, total=total, completed=done, note=note)
        self._progress.update(self._tasks[what], completed=done, total=total, note=note)


def download_bars(quiet: bool) -> Bars:
    """Bars for downloads, in bytes."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn()
    )  # fmt: skip
    return Bars(columns, quiet)


def network_bars(quiet: bool) -> Bars:
    """Bars for what is done with one network after the other."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Bars(columns, quiet)


def training_bars(quiet: bool) -> Bars:
    """A bar for the steps of a training, with a note such as the loss."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[note]}"),
        TimeRemainingColumn(),
    )  # fmt: skip
    return Bars(columns, quiet)
