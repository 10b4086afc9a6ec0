"""The result of a run and the comparison of several as text for a terminal."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from tart_nas.runs.comparison import Comparison
    from tart_nas.runs.result import SearchResult, TrainedPick

__all__ = ["comparison_text", "result_text"]

_WIDTH = 88  # characters of a text that is not for a terminal
_NARROW = 72  # below, a table would break its cells: each row becomes a paragraph


def result_text(result: "SearchResult", width: int = _WIDTH) -> str:
    """The trained networks as a table, and what they gained.

    Args:
        result: of a run, finished or not.
        width: of the terminal, in characters.
    """
    n, seconds = len(result.scores), result.scoring_seconds
    speed = f" in {seconds:.1f} s ({n / seconds:,.0f}/s)" if seconds > 0 else ""  # NaN where the study was lost
    asked = result.settings.candidates
    fewer = f" (all that could be of the {asked:,} asked for)" if n < asked else ""
    header = ["", "rank", "predicted", "parameters", "validation", "test"]
    lines = [f"{n:,} candidates{fewer} scored{speed}", _table(header, [_row(result, p) for p in result.picks], width)]
    lines += [f"{p.pick.name} failed: {p.failure}" for p in result.picks if p.state == "failed"]
    gain = result.gain()
    lines += [] if gain is None else [gain.sentence()]
    if not result.is_finished:
        trained = sum(p.state == "trained" for p in result.picks)
        lines.append(f"not finished: {trained} of {result.planned} networks are trained")
    return "\n".join(lines)


def comparison_text(comparison: "Comparison", width: int = _WIDTH) -> str:
    """The gains of several runs as a table, and the settings that differ.

    Args:
        comparison: of the runs.
        width: of the terminal, in characters.
    """
    from tart_nas.runs.comparison import mean_test_accuracy

    rows = []
    for name, result in zip(comparison.names, comparison.results, strict=True):
        gain = result.gain()
        best = result.best.test_accuracy if result.has_best else None
        means = [_percent(mean_test_accuracy(result, is_random)) for is_random in (False, True)]
        interval = ""
        if gain is not None:
            interval = f"{100 * gain.difference:+.1f} ({100 * gain.low:+.1f} to {100 * gain.high:+.1f})"
        rows.append([name, _percent(best), *means, interval])
    header = ["run", "best, test", "picked, mean", "random, mean", "gain, points"]
    differing, _ = comparison.settings()
    settings = _table(["setting", *comparison.names], [[name, *row] for name, row in differing.items()], width)
    lines = [_table(header, rows, width), "gain: picked minus random networks, with 95 % interval"]
    lines.append(settings if differing else "no setting differs")
    if not comparison.is_alike:
        lines.append("These runs did not train or test alike: compare their gains, not their accuracies.")
    return "\n".join(lines)


def _row(result: "SearchResult", p: "TrainedPick") -> list[str]:
    measured = [_percent(p.validation_accuracy), _percent(p.test_accuracy)]
    if p.state != "trained":
        measured = [p.state, ""]
    return [p.pick.name, f"{p.pick.rank:,}", f"{p.pick.predicted:.3f}", f"{p.pick.parameters:,}", *measured]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.2f} %"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    if width < _NARROW:
        return "\n".join(_paragraph(header, row) for row in rows)
    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    console = Console(width=width, no_color=True, highlight=False, markup=False)  # a folder may be called [bold]
    with console.capture() as capture:
        console.print(table)
    return capture.get().rstrip()


def _paragraph(header: Sequence[str], row: Sequence[str]) -> str:
    values = [f"  {name} {value}" for name, value in zip(header[1:], row[1:], strict=True) if value]
    return "\n".join([row[0], *values])
