"""The predictors that come with the package, found without importing anything that computes."""

from importlib import resources
from importlib.resources.abc import Traversable

__all__ = ["bundled_predictors"]

_SUFFIX = ".safetensors"


def bundled_predictors() -> dict[str, Traversable]:
    """Their files by name, in alphabetical order."""
    folder = resources.files("tart_nas") / "predictors" / "pretrained"  # importing that package takes seconds
    files = {file.name.removesuffix(_SUFFIX): file for file in folder.iterdir() if file.name.endswith(_SUFFIX)}
    return dict(sorted(files.items()))
