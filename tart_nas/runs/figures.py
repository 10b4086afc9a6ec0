"""The pictures of a search result."""

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

if TYPE_CHECKING:
    from tart_nas.runs.result import SearchResult

__all__ = ["result_figure"]

_TOP, _RANDOM, _ALL = "#0b63c5", "#e07b00", "#b8c0cc"
_GREY = "#55606e"


def result_figure(result: "SearchResult") -> Figure:
    """Four panels: scores with the picks marked, learning curves, predicted against measured, the best so far."""
    figure = Figure(figsize=(16, 3.9), layout="constrained")
    scores, curves, measured, best = figure.subplots(1, 4)
    _draw_scores(scores, result)
    _draw_curves(curves, result)
    _draw_measured(measured, result)
    _draw_best(best, result)
    for axes in (scores, curves, measured, best):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=_GREY, labelsize=9)
        axes.title.set_fontsize(11)
    return figure


def _color(is_random: bool) -> str:
    return _RANDOM if is_random else _TOP


def _draw_scores(axes: Axes, result: "SearchResult") -> None:
    axes.hist(result.scores, bins=60, color=_ALL)
    height = axes.get_ylim()[1]
    for side, label in ((result.top, f"top {len(result.top)}"), (result.random, f"{len(result.random)} random")):
        if side:
            places = [p.pick.predicted for p in side]
            axes.vlines(places, 0, 0.45 * height, color=_color(side[0].pick.is_random), linewidth=1.8, label=label)
    axes.set(title=f"Scores of {len(result.scores):,} candidates", xlabel="predicted accuracy", ylabel="candidates")
    axes.legend(frameon=False, fontsize=9, loc="upper left")


def _draw_curves(axes: Axes, result: "SearchResult") -> None:
    seen = set()
    for p in result.picks:
        if p.curve:
            label = None if p.pick.is_random in seen else ("random" if p.pick.is_random else "picked")
            seen.add(p.pick.is_random)
            epochs = range(1, len(p.curve) + 1)
            values = [100 * epoch["validation_accuracy"] for epoch in p.curve]
            axes.plot(epochs, values, color=_color(p.pick.is_random), linewidth=1.6, alpha=0.85, label=label)
    axes.set(title="Learning curves", xlabel="epoch", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
    if seen:
        axes.legend(frameon=False, fontsize=9, loc="lower right")


def _draw_measured(axes: Axes, result: "SearchResult") -> None:
    for side in (result.top, result.random):
        points = [(p.pick.predicted, 100 * p.test_accuracy) for p in side if p.test_accuracy is not None]
        if points:
            x, y = np.transpose(points)
            color = _color(side[0].pick.is_random)
            axes.scatter(x, y, color=color, s=42, zorder=3, edgecolor="white", linewidth=0.8)
            axes.axhline(y.mean(), color=color, linestyle=":", linewidth=1.2)
    axes.set(title="Predicted against measured (dotted: means)", xlabel="predicted accuracy", ylabel="test accuracy")
    axes.margins(0.12)
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=1))


def _draw_best(axes: Axes, result: "SearchResult") -> None:
    trained = [p for p in result.picks if p.validation_accuracy is not None]
    numbers = range(1, len(trained) + 1)
    axes.step(numbers, [100 * best for best in result.best_so_far()], where="post", color=_GREY, linewidth=1.6)
    for number, p in zip(numbers, trained, strict=True):
        color = _color(p.pick.is_random)
        axes.plot(number, 100 * (p.validation_accuracy or 0.0), "o", color=color, markersize=5, markeredgecolor="white")
    for number, (earlier, later) in enumerate(pairwise(trained), start=1):
        if later.pick.round != earlier.pick.round:
            axes.axvline(number + 0.5, color=_ALL, linewidth=1, linestyle=":")
    title = "Best so far" + (" (dotted: rounds)" if result.settings.rounds > 1 else "")
    axes.set(title=title, xlabel="trained networks", ylabel="validation accuracy")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
