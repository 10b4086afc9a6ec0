"""The progress bar of a training."""

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from tart_nas.training.metrics import EpochMetrics

__all__ = ["TrainingBar"]


class TrainingBar:
    """Steps and epochs on one line of the terminal's error stream, which is gone when the training is over.

    Args:
        epochs: how many there will be.
        visible: False to show nothing.
    """

    def __init__(self, epochs: int, visible: bool) -> None:
        self._epochs = epochs
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[known]}"))
        console = Console(stderr=True)
        self._progress = Progress(
            *columns,
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (visible and console.is_terminal),
        )
        # How many steps there are is known with the first one: until then the bar has no end.
        self._task: TaskID = self._progress.add_task("training", total=None, known="")

    def __enter__(self) -> "TrainingBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, epoch: int, step: int, steps: int) -> None:
        """A step of an epoch is done, both counted from 0, of so many steps in an epoch."""
        if self._progress.tasks[0].total is None:
            # A training that goes on begins in the middle: what was done before tells nothing of the time left.
            self._progress.reset(self._task, total=steps * self._epochs, completed=epoch * steps)
        self._progress.update(
            self._task, completed=epoch * steps + step + 1, description=f"epoch {epoch + 1}/{self._epochs}"
        )

    def epoch(self, metrics: EpochMetrics) -> None:
        """An epoch is done."""
        known = f"loss {metrics.train_loss:.3f}, validation {metrics.validation_accuracy:.1%}"
        self._progress.update(self._task, known=known)
