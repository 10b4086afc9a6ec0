"""The result of a run as a piece of HTML, which notebooks show in place of its text."""

from typing import TYPE_CHECKING

from tart_nas.runs.report import render

if TYPE_CHECKING:
    from tart_nas.runs.result import SearchResult

__all__ = ["result_html"]


def result_html(result: "SearchResult") -> str:
    """A table of the trained networks and the gain; colours are the notebook's, light or dark."""
    best = result.best if result.has_best else None
    return render("notebook.html", {"result": result, "gain": result.gain(), "best": best})
