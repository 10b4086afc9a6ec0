"""Tables of results, as they are printed."""

from collections.abc import Iterable, Sequence
from statistics import mean, stdev

from rich.table import Table

__all__ = ["mean_and_spread", "table"]


def table(columns: Sequence[object], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """A table whose first column is text and whose others are numbers, which stand to the right."""
    made = Table(title=title or None)
    for index, column in enumerate(columns):
        made.add_column(str(column), justify="right" if index else "left")
    for row in rows:
        made.add_row(*map(str, row))
    return made


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation; nothing of no values, the mean alone of one."""
    if not values:
        return ""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"
