"""The pictures of a search with limits or objectives besides accuracy: accuracy against cost, with Pareto fronts."""

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tart_nas.runs.budgets import predicted_value, trained_with
from tart_nas.runs.figures import PALETTE, draw_dots, label_axes, new_panel
from tart_nas.runs.goals_content import shown_cost
from tart_nas.runs.result import SearchResult
from tart_nas.strategies import pareto_front

__all__ = ["front_panels"]

Floats = npt.NDArray[np.float64]

_SHOWN = 400  # candidates: more dots hide each other and make a page of megabytes
_NAMES = {"params": "parameters (thousands)", "flops": "FLOPs (millions)", "latency_ms": "latency (ms)"}
_UNITS = {"params": 1e3, "flops": 1e6, "latency_ms": 1.0}


def front_panels(result: SearchResult) -> dict[str, Figure]:
    """The panels by name, each as a figure of its own; none where accuracy was the only goal."""
    if not result.settings.goals:
        return {}
    panels = {}
    panels["predicted-front"], axes = new_panel()
    _draw_predicted(axes, result)
    if any(p.validation_accuracy is not None and p.pick.costs for p in result.picks):
        panels["measured-front"], axes = new_panel()
        _draw_measured(axes, result)
    return panels


def _draw_predicted(axes: Axes, result: SearchResult) -> None:
    name = shown_cost(result)
    cost, scores = result.costs[name] / _UNITS[name], result.scores
    every = max(1, len(scores) // _SHOWN)
    # Of the muted colour, half seen through: that of bars is too faint for dots, on light and on dark ground.
    axes.plot(cost[::every], scores[::every], ".", color=PALETTE["muted"], alpha=0.5, markersize=5, label="candidates")
    _draw_front(axes, cost, scores)
    for side in (result.random, result.top):
        predicted = "predicted_latency_ms" if name == "latency_ms" else name  # all else is counted
        costs = [p.pick.costs.get(predicted, np.nan) for p in side]  # matplotlib draws no NaN
        if side:
            draw_dots(axes, np.array(costs) / _UNITS[name], [p.pick.predicted for p in side], side[0].pick.is_random)
    _finish(axes, result, name, "Predicted accuracy and cost", f"predicted {predicted_value(result)}", "predicted ")


def _draw_measured(axes: Axes, result: SearchResult) -> None:
    name = shown_cost(result)
    for side in (result.random, result.top):
        trained = [p for p in side if p.validation_accuracy is not None and p.pick.costs]
        if trained:
            costs = np.array([p.pick.costs[name] for p in trained]) / _UNITS[name]
            draw_dots(axes, costs, [100 * (p.validation_accuracy or 0) for p in trained], side[0].pick.is_random)
    every = [p for p in result.picks if p.validation_accuracy is not None and p.pick.costs]
    costs = np.array([p.pick.costs[name] for p in every]) / _UNITS[name]
    _draw_front(axes, costs, np.array([100 * (p.validation_accuracy or 0) for p in every]))
    y = f"validation accuracy (%); {trained_with(result)}"
    _finish(axes, result, name, "Measured accuracy and cost", y, "measured " if name == "latency_ms" else "")


def _draw_front(axes: Axes, cost: Floats, value: Floats) -> None:
    """The line through the points that no other one beats in both."""
    front = np.flatnonzero(pareto_front(np.stack([value, -cost], axis=1)))
    order = front[np.argsort(cost[front], kind="stable")]
    axes.step(cost[order], value[order], where="post", color=PALETTE["muted"], linewidth=1.6, label="Pareto front")


def _finish(axes: Axes, result: SearchResult, name: str, title: str, y: str, how: str) -> None:
    limit = result.settings.goals.limits.get(name)
    if limit is not None:
        axes.axvline(limit / _UNITS[name], color=PALETTE["ink"], linewidth=1.2, linestyle=":", label="limit")
    axes.margins(0.08)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))
    how = "" if name != "latency_ms" else how
    label_axes(axes, title, f"{how}{_NAMES[name]}, at the network's own size", y)
