"""Writing a matplotlib figure to a file, whole or not at all."""

import os
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from tart_nas.choices import FIGURE_SUFFIXES
from tart_nas.errors import SettingError
from tart_nas.files import replacing

__all__ = ["save_figure"]

_NO_DATE = {".pdf": {"CreationDate": None}, ".png": {}, ".svg": {"Date": None}}  # the same picture, the same bytes


def save_figure(figure: Figure, path: str | os.PathLike[str], dpi: int = 150) -> Path:
    """Writes a figure as PNG, SVG or PDF, by the suffix of the path.

    The file appears only when it is complete: a picture that was there before stays until then.

    Args:
        figure: the figure.
        path: where to write; its folder is made if missing.
        dpi: dots per inch of a PNG.

    Returns:
        The path.

    Raises:
        SettingError: if the suffix is another.
        OSError: if the file cannot be written.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in FIGURE_SUFFIXES:
        raise SettingError(f"A picture's file must end in one of {', '.join(FIGURE_SUFFIXES)}, but got {path}.")
    with replacing(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "tart-nas"}):
        figure.savefig(temporary, format=suffix[1:], dpi=dpi, metadata=_NO_DATE[suffix])
    return path
