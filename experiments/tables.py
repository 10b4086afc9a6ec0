"""Tables of results, as they are printed."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from rich.table import Table
from scipy import stats

__all__ = ["mean_and_error", "mean_and_interval", "mean_and_spread", "means", "table"]


def table(columns: Sequence[object], rows: Iterable[Sequence[object]], title: str = "") -> Table:
    """A table whose first column is text and whose others are numbers, which stand to the right."""
    made = Table(title=title or None)
    for index, column in enumerate(columns):
        made.add_column(str(column), justify="right" if index else "left")
    for row in rows:
        made.add_row(*map(str, row))
    return made


def means(
    results: Mapping[str, Mapping[str, Mapping[str, Any]]],
    columns: Iterable[tuple[str, str]],
    rows: Iterable[str],
    digits: int = 3,
) -> list[list[str]]:
    """The rows of a table of means and spreads over tasks.

    Args:
        results: measures by method and task.
        columns: of each the beginning of its tasks' names, and the measure.
        rows: the methods; one without results has no row.
        digits: after the point.
    """
    return [
        [
            method,
            *(
                mean_and_spread(
                    [r[measure] for t, r in by_task.items() if t.startswith(start) and measure in r], digits
                )
                for start, measure in columns
            ),
        ]
        for method in rows
        if (by_task := results.get(method))
    ]


def mean_and_spread(values: Sequence[float], digits: int = 3) -> str:
    """Mean ± standard deviation; nothing of no values, the mean alone of one."""
    if not values:
        return ""
    spread = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{spread}"


def mean_and_error(values: Sequence[float], digits: int = 1) -> str:
    """Mean ± its standard error; nothing of no values, the mean alone of one."""
    if not values:
        return ""
    error = f" ± {stdev(values) / len(values) ** 0.5:.{digits}f}" if len(values) > 1 else ""
    return f"{mean(values):.{digits}f}{error}"


def mean_and_interval(differences: Sequence[float], digits: int = 2) -> str:
    """Mean of differences and half of its 95 % interval by Student's t; the mean alone of one."""
    told = f"{mean(differences):+.{digits}f}"
    if (n := len(differences)) == 1:
        return told
    return f"{told}, 95 % ± {stats.t.ppf(0.975, n - 1) * stdev(differences) / n**0.5:.{digits}f}"
