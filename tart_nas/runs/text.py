"""Tables as text for a terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from tart_nas.errors import printable
from tart_nas.runs.trained_pick import TrainedPick

__all__ = ["per_cent", "picks_table", "table"]

_NARROW = 72  # below, a table would break its cells: each row becomes a paragraph


def picks_table(picks: Sequence[TrainedPick], width: int) -> str:
    """The picked networks, one a row, with what training them gave.

    Args:
        picks: of a run, finished or not.
        width: of the terminal, in characters.
    """
    timed = ["latency"] if any("latency_ms" in p.pick.costs for p in picks) else []
    header = ["", "rank", "predicted", "parameters", *timed, "validation", "test"]
    return table(header, [_row(p, bool(timed)) for p in picks], width)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> str:
    """A table with a frame; on a narrow terminal a paragraph for each row.

    Args:
        header: names of the columns.
        rows: a text for each column.
        width: of the terminal, in characters.
    """
    rows = [[printable(text) for text in row] for row in rows]
    if width < _NARROW:
        return "\n".join(_paragraph(header, row) for row in rows)
    framed = Table(*header)
    for row in rows:
        framed.add_row(*row)
    console = Console(width=width, no_color=True, highlight=False, markup=False)  # a folder may be called [bold]
    with console.capture() as capture:
        console.print(framed)
    return capture.get().rstrip()


def _paragraph(header: Sequence[str], row: Sequence[str]) -> str:
    values = [f"  {name} {value}" for name, value in zip(header[1:], row[1:], strict=True) if value]
    return "\n".join([row[0], *values])


def per_cent(value: float | None) -> str:
    """A fraction as ``58.63 %``; nothing for None."""
    return "" if value is None else f"{100 * value:.2f} %"


def _row(p: TrainedPick, is_timed: bool) -> list[str]:
    measured = [per_cent(p.validation_accuracy), per_cent(p.test_accuracy)]
    if p.state != "trained":
        measured = [p.state, ""]
    timed = [f"{p.pick.costs['latency_ms']:.3g} ms"] if is_timed else []
    return [p.pick.name, f"{p.pick.rank:,}", f"{p.pick.predicted:.3f}", f"{p.pick.parameters:,}", *timed, *measured]
