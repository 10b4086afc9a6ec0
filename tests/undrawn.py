"""Searches without their pictures, which take two thirds of the time of a small one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.figure import Figure

from tart_nas import drawing
from tart_nas.runs import report_content

__all__ = ["undrawn_figures"]


@contextmanager
def undrawn_figures() -> Iterator[None]:
    """Figures are made and written all the same, but empty: for tests whose subject they are not."""
    drawn, cells = Figure.savefig, drawing.draw_cells

    def empty(figure: Figure, file: Any, **options: Any) -> None:
        width, height = figure.get_size_inches()
        drawn(Figure(figsize=(width, height)), file, **options)

    def no_cells(genotype: Any, path: Any = None, **options: Any) -> Figure:
        figure = Figure()  # where edges run is not worked out either, which is a tenth of a search
        if path is not None:
            drawn(figure, path)
        return figure

    Figure.savefig, drawing.draw_cells = empty, no_cells  # type: ignore[assignment, method-assign]
    report_content.draw_cells = no_cells  # type: ignore[attr-defined]  # it has a name of its own for the same function
    try:
        yield
    finally:
        Figure.savefig, drawing.draw_cells = drawn, cells  # type: ignore[method-assign]
        report_content.draw_cells = cells  # type: ignore[attr-defined]
