"""Figures of results: lines with intervals, and bars, in one panel or several side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

__all__ = ["Line", "bar_plot", "line_plot", "panels"]


@dataclass(frozen=True)
class Line:
    """A line and the band around it.

    Args:
        x: (n,).
        y: (n,); NaN where unknown.
        low: (n,) lower ends of the intervals; None for no band.
        high: (n,) upper ends.
        is_goal: drawn black and dotted.
    """

    x: npt.ArrayLike
    y: npt.ArrayLike
    low: npt.ArrayLike | None = None
    high: npt.ArrayLike | None = None
    is_goal: bool = False

    @classmethod
    def quartiles(cls, values: npt.NDArray[np.float64], mean: bool = False) -> "Line":
        """Medians, or means, of values (seeds, steps) against 1, 2, ..., with a band between the quartiles."""
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75], axis=0)
        return cls(np.arange(1, len(middle) + 1), values.mean(axis=0) if mean else middle, low, high)


def panels(titles: Sequence[str], width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure with a panel of this size, in inches, for each title."""
    figure = Figure(figsize=(width * len(titles), height), layout="constrained")
    all_axes = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for axes, title in zip(all_axes, titles, strict=True):
        axes.set_title(title, fontsize=10)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, all_axes


def line_plot(
    by_panel: Mapping[str, Mapping[str, Line]], axis: Mapping[str, Any], ticks: Sequence[int] | None = None
) -> Figure:
    """Lines by name, in panels by title.

    Args:
        by_panel: the lines; a method has the same colour in all panels if they name methods in one order.
        axis: what ``Axes.set`` takes: ``xlabel``, ``ylabel``, ``xscale``, ...
        ticks: the only ones of the x axis.
    """
    figure, all_axes = panels([*by_panel], 6.2 if len(by_panel) > 1 else 9, 5)
    for axes, lines in zip(all_axes, by_panel.values(), strict=True):
        for i, (name, line) in enumerate(lines.items()):
            color = "black" if line.is_goal else f"C{i % 10}"  # matplotlib has ten colours
            style = ":" if line.is_goal else "-" if i < 10 else "--"
            marker = "." if np.size(line.y) < 10 else ""
            axes.plot(line.x, line.y, label=name, color=color, linestyle=style, marker=marker)
            if line.low is not None and line.high is not None:
                axes.fill_between(line.x, line.low, line.high, color=color, alpha=0.12, linewidth=0)
        axes.set(**axis)
        if "xscale" not in axis:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))  # epochs, trials, trainings
        if ticks is not None:
            axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
            axes.minorticks_off()
    all_axes[-1].legend(frameon=False, fontsize=9, bbox_to_anchor=(1.01, 1), loc="upper left")  # beside the panel
    return figure


def bar_plot(by_panel: Mapping[str, Mapping[str, Mapping[str, float]]], xlabel: str) -> Figure:
    """Horizontal bars in panels by title: for each series by name, a bar for each category, NaN where unknown."""
    is_beside = any(len(series) > 3 for series in by_panel.values())  # the legend, where no corner is free for it
    figure, all_axes = panels([*by_panel], 7 if is_beside else 4.6, 4.2)
    for axes, series in zip(all_axes, by_panel.values(), strict=True):
        for k, (name, bars) in enumerate(series.items()):
            places = np.arange(len(bars)) + 0.8 * ((k + 0.5) / len(series) - 0.5)
            axes.barh(places, list(bars.values()), 0.8 / len(series), label=name, color=f"C{k}")
            axes.set_yticks(np.arange(len(bars)), list(bars))
        axes.invert_yaxis()
        axes.axvline(0, color="#333333", linewidth=0.8)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.set_xlabel(xlabel)
        place: dict[str, Any] = {"bbox_to_anchor": (1.01, 1), "loc": "upper left"} if is_beside else {}
        axes.legend(frameon=False, **place)
    return figure
