"""The pictures of a search result: four panels, each by itself for a page, or together in one figure.

All colours are those of :data:`PALETTE`, each with a name and a value of its own, so that a page can exchange them for
its own (:mod:`tart_nas.runs.inline_svg`). Texts that may come from users are never read as mathematics.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from textwrap import wrap
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from tart_nas.runs.budgets import predicted_value, predicted_with, trained_with
from tart_nas.runs.result import SearchResult
from tart_nas.runs.trained_pick import TrainedPick

__all__ = ["PALETTE", "draw_dots", "label_axes", "new_panel", "result_figure", "result_panels"]

PALETTE = {
    "top": "#0b63c5",
    "random": "#b85c00",
    "bars": "#b8c0cc",
    "ink": "#1d2530",
    "muted": "#55606e",
    "paper": "#fefefe",
}
"""The colours of the figures by what they show; no two are equal."""

_PANEL = (5.0, 3.5)  # inches: 360 points wide, so that its text is as large as the page's on a telephone of 390 pixels
_FONT, _TITLE_FONT = 11.5, 13.5  # points
_LINE = 50  # characters of a label that fit into a line of a panel
_LINE_HEIGHT = 1.35  # of a label's font
_MARKED_EPOCHS = 30  # up to so many every epoch has a marker, without which a curve of one epoch would not be seen


def result_figure(result: SearchResult) -> Figure:
    """Four panels: scores with the picks marked, learning curves, predicted against measured, the best so far."""
    layout = ConstrainedLayoutEngine(w_pad=0.15, h_pad=0.15)
    figure = Figure(figsize=(2 * _PANEL[0], 2 * _PANEL[1]), layout=layout)
    for axes, draw in zip(figure.subplots(2, 2).flat, _PANELS.values(), strict=True):
        draw(axes, result)
    return figure


def result_panels(result: SearchResult) -> dict[str, Figure]:
    """The panels by name, each as a figure of its own; of a run that is not finished, those that show something."""
    shown = ["scores"]
    if any(p.curve for p in result.picks):
        shown.append("curves")
    if any(p.validation_accuracy is not None for p in result.picks):
        shown += ["measured", "best"]
    panels = {}
    for name in shown:
        panels[name], axes = new_panel()
        _PANELS[name](axes, result)
    return panels


def new_panel(height: float = _PANEL[1]) -> tuple[Figure, Axes]:
    """An empty figure of one panel, and its axes.

    Args:
        height: in inches.
    """
    figure = Figure(figsize=(_PANEL[0], height), layout="constrained")
    return figure, figure.subplots()


def label_axes(axes: Axes, title: str, x: str, y: str, line: int = _LINE) -> None:
    """Gives a panel its texts and its look: the title above, below it the name of the y axis, written level.

    Args:
        axes: of the panel.
        title: of the panel.
        x: the name of the x axis, with its unit.
        y: likewise.
        line: characters of a label that fit into a line.
    """
    lines = wrap(y, line, break_on_hyphens=False)
    above = len(lines) * _FONT * _LINE_HEIGHT
    axes.set_title(
        title, loc="left", fontsize=_TITLE_FONT, weight="bold", color=PALETTE["ink"], pad=above + 10, parse_math=False
    )
    muted: dict[str, Any] = {"fontsize": _FONT, "color": PALETTE["muted"], "parse_math": False}
    axes.set_xlabel("\n".join(wrap(x, line, break_on_hyphens=False)), **muted)
    axes.set_ylabel("\n".join(lines), rotation=0, ha="left", va="bottom", **muted)
    axes.yaxis.set_label_coords(0.0, 1.03)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(PALETTE["bars"])
    axes.tick_params(labelcolor=PALETTE["muted"], color=PALETTE["bars"], labelsize=_FONT)
    axes.set_facecolor("none")
    for axis in (axes.xaxis, axes.yaxis):
        if isinstance(axis.get_major_formatter(), ScalarFormatter):  # as many digits as tell the ticks apart
            axis.set_major_formatter(ScalarFormatter(useOffset=False))
    if axes.get_legend_handles_labels()[0]:
        # Framed: its dots are not among those of the networks.
        frame = {"facecolor": PALETTE["paper"], "edgecolor": PALETTE["bars"]}
        axes.legend(fontsize=_FONT, labelcolor=PALETTE["muted"], loc="best", **frame)


def draw_dots(axes: Axes, x: npt.ArrayLike, y: npt.ArrayLike, is_random: bool) -> None:
    """Draws networks as dots."""
    name = "random" if is_random else "picked"
    axes.plot(x, y, linestyle="none", markersize=6, color=PALETTE[_side(is_random)], label=name, **_marker(is_random))


def _marker(is_random: bool) -> dict[str, Any]:
    """Picked networks are full dots, random ones hollow squares: told apart without colours, and one on the other."""
    return {"marker": "s", "markerfacecolor": "none"} if is_random else {"marker": "o"}


def _count_along(axes: Axes, n: int) -> None:
    """Lets the x axis count from 1 to n, in whole numbers, even if that is one number or none."""
    n = max(n, 1)
    axes.set_xlim(1 - max(0.5, 0.03 * n), n + max(0.5, 0.03 * n))
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))


def _side(is_random: bool) -> str:
    return "random" if is_random else "top"


def _name(picks: Sequence[TrainedPick]) -> str:
    return f"{len(picks)} {'random' if picks[0].pick.is_random else 'picked'}"


def _draw_scores(axes: Axes, result: SearchResult) -> None:
    scores = result.scores[np.isfinite(result.scores)]
    axes.hist(scores, bins=int(np.clip(2 * np.sqrt(len(scores)), 10, 60)), color=PALETTE["bars"])
    height = axes.get_ylim()[1]
    for side, style in ((result.random, "dashed"), (result.top, "solid")):
        if side:
            places = [p.pick.predicted for p in side]
            colour = PALETTE[_side(side[0].pick.is_random)]
            axes.vlines(places, 0, 0.45 * height, color=colour, linestyle=style, linewidth=1.8, label=_name(side))
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    x = f"predicted {predicted_value(result)}; {predicted_with(result)}"
    label_axes(axes, f"Scores of {len(result.scores):,} candidates", x, "number of candidates")


def _draw_curves(axes: Axes, result: SearchResult) -> None:
    labelled = set()
    for p in result.picks:
        if not p.curve:
            continue
        side = _side(p.pick.is_random)
        epochs = [int(epoch.get("epoch", number)) for number, epoch in enumerate(p.curve, start=1)]
        values = [100 * epoch["validation_accuracy"] for epoch in p.curve]
        axes.plot(
            epochs,
            values,
            color=PALETTE[side],
            linestyle="dashed" if p.pick.is_random else "solid",
            linewidth=1.6,
            markersize=5 if len(values) <= _MARKED_EPOCHS else 0,
            **_marker(p.pick.is_random),
            label=None if side in labelled else ("random" if p.pick.is_random else "picked"),
        )
        labelled.add(side)
    axes.margins(y=0.1)
    _count_along(axes, max((len(p.curve) for p in result.picks), default=0))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    label_axes(axes, "Learning curves", "epoch", f"validation accuracy (%); {trained_with(result)}")


def _draw_measured(axes: Axes, result: SearchResult) -> None:
    tested = any(p.test_accuracy is not None for p in result.picks)
    for side in (result.random, result.top):
        measured = [(p.pick.predicted, p.test_accuracy if tested else p.validation_accuracy) for p in side]
        points = [(predicted, 100 * value) for predicted, value in measured if value is not None]
        if points:
            x, y = np.transpose(points)
            draw_dots(axes, x, y, side[0].pick.is_random)
            axes.axhline(y.mean(), color=PALETTE[_side(side[0].pick.is_random)], linestyle=":", linewidth=1.2)
    axes.margins(0.12)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    x = f"predicted {predicted_value(result)}; {predicted_with(result)}"
    y = f"{'test' if tested else 'validation'} accuracy (%); {trained_with(result)}; dotted: means"
    label_axes(axes, "Predicted against measured", x, y)


def _draw_best(axes: Axes, result: SearchResult) -> None:
    trained = [p for p in result.picks if p.validation_accuracy is not None]
    numbers = range(1, len(trained) + 1)
    best = [100 * accuracy for accuracy in result.best_so_far()]
    axes.step(numbers, best, where="post", color=PALETTE["muted"], linewidth=1.6)
    labelled = set()
    for number, p in zip(numbers, trained, strict=True):
        side = _side(p.pick.is_random)
        axes.plot(
            number,
            100 * (p.validation_accuracy or 0.0),
            linestyle="none",
            color=PALETTE[side],
            markersize=6,
            **_marker(p.pick.is_random),
            label=None if side in labelled else ("random" if p.pick.is_random else "picked"),
        )
        labelled.add(side)
    for number, (earlier, later) in enumerate(pairwise(trained), start=1):
        if later.pick.round != earlier.pick.round:
            axes.axvline(number + 0.5, color=PALETTE["bars"], linewidth=1, linestyle=":")
    axes.margins(y=0.12)
    _count_along(axes, len(trained))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    title = "Best so far" + (" (dotted: rounds)" if result.settings.rounds > 1 else "")
    label_axes(axes, title, "number of trained networks", f"validation accuracy (%); {trained_with(result)}")


_PANELS: dict[str, Callable[[Axes, SearchResult], None]] = {
    "scores": _draw_scores,
    "curves": _draw_curves,
    "measured": _draw_measured,
    "best": _draw_best,
}
