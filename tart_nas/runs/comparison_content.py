"""What the page of a comparison shows, as plain values: the template puts them in their places."""

from typing import Any

from matplotlib.ticker import MaxNLocator

from tart_nas.runs.comparison import Comparison, mean_test_accuracy
from tart_nas.runs.figures import PALETTE, draw_dots, label_axes, new_panel
from tart_nas.runs.inline_svg import inline_svg
from tart_nas.runs.report_content import gain_in_points, subject
from tart_nas.runs.result import SearchResult

__all__ = ["comparison_content"]

_ROW, _ABOVE = 0.42, 1.55  # inches: of a run in a figure, and of all else
_NAME, _LINE = 18, 34  # characters of a run's name beside a figure, and of a label below it


def comparison_content(comparison: Comparison) -> dict[str, Any]:
    """The values of the template ``comparison.html``."""
    differing, same = comparison.settings()
    note = "All runs trained and tested alike: their accuracies can be compared."
    if not comparison.is_alike:
        note = (
            "These runs did not train or test alike: their accuracies differ for that reason too. "
            "Compare their gains over the random networks of their own."
        )
    return {
        "title": f"{len(comparison.results)} runs · TART-NAS",
        "heading": f"{len(comparison.results)} runs compared",
        "names": comparison.names,
        "note": note,
        "runs": [_run(result) for result in comparison.results],
        "differing": differing,
        "same": list(same.items()),
        "panels": _panels(comparison),
    }


def _run(result: SearchResult) -> dict[str, Any]:
    gain, written = result.gain(), gain_in_points(result)
    best = result.best if result.has_best else None
    reached = None if best is None else best.test_accuracy
    return {
        "name": str(result.folder),
        "subject": subject(result),
        "best": _percent(reached),
        "best_name": "" if best is None else best.pick.name,
        "picked": _percent(mean_test_accuracy(result, is_random=False)),
        "random": _percent(mean_test_accuracy(result, is_random=True)),
        "gain": "–" if written is None else written[0],
        "interval": "no random networks" if written is None else written[1],
        "is_shown": gain is not None and gain.is_shown,
        "sentence": "" if gain is None else gain.sentence(),
        "trained": f"{sum(p.state == 'trained' for p in result.picks)} of {result.planned}",
    }


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.2f}"


def _panels(comparison: Comparison) -> list[Any]:
    results = comparison.results
    panels = []
    if any(p.test_accuracy is not None for result in results for p in result.picks):
        panels.append(_accuracies(comparison))
    if any(result.gain() is not None for result in results):
        panels.append(_gains(comparison))
    return panels


def _accuracies(comparison: Comparison) -> Any:
    figure, axes = new_panel(_ABOVE + _ROW * len(comparison.results))
    for is_random, shift in ((True, 0.14), (False, -0.14)):
        x: list[float] = []
        y: list[float] = []
        for row, result in enumerate(comparison.results):
            side = result.random if is_random else result.top
            tested = [p.test_accuracy for p in side if p.test_accuracy is not None]
            x += [100 * accuracy for accuracy in tested]
            y += [row + shift] * len(tested)
        draw_dots(axes, x, y, is_random)
    _name_rows(axes, comparison, "Accuracies of the networks", "test accuracy (%)")
    return inline_svg(figure, "accuracies", "Test accuracy of each network, by run.", PALETTE)


def _gains(comparison: Comparison) -> Any:
    figure, axes = new_panel(_ABOVE + _ROW * len(comparison.results))
    axes.axvline(0.0, color=PALETTE["bars"], linewidth=1.2)
    for row, result in enumerate(comparison.results):
        if (gain := result.gain()) is not None:
            axes.plot([100 * gain.low, 100 * gain.high], [row, row], color=PALETTE["top"], linewidth=2)
            axes.plot(100 * gain.difference, row, "o", color=PALETTE["top"], markersize=7)
    x = "picked minus random, mean test accuracy (points), with 95 % interval"
    _name_rows(axes, comparison, "Gain of the picked networks", x)
    return inline_svg(figure, "gains", "Gain of each run with its interval.", PALETTE)


def _name_rows(axes: Any, comparison: Comparison, title: str, x: str) -> None:
    # The end of a long name, which tells the runs of one folder apart.
    names = [name if len(name) <= _NAME else f"…{name[1 - _NAME :]}" for name in comparison.names]
    axes.set_yticks(range(len(names)), names, parse_math=False)  # a folder's name may hold dollars
    axes.set_ylim(len(names) - 0.5, -0.5)  # the first run above
    axes.margins(x=0.08)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    label_axes(axes, title, x, "run", _LINE)
