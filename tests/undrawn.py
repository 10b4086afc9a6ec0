"""Searches without their pictures, which take two thirds of the time of a small one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib.figure import Figure

__all__ = ["undrawn_figures"]


@contextmanager
def undrawn_figures() -> Iterator[None]:
    """Figures are made and written all the same, but empty: for tests whose subject they are not."""
    drawn = Figure.savefig

    def empty(figure: Figure, file: Any, **options: Any) -> None:
        width, height = figure.get_size_inches()
        drawn(Figure(figsize=(width, height)), file, **options)

    Figure.savefig = empty  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        Figure.savefig = drawn  # type: ignore[method-assign]
