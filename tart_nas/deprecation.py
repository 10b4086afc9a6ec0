"""Names that were renamed: they work for one version more, with a ``DeprecationWarning`` that tells the new one."""

import warnings
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["renamed", "warn_renamed"]


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warns that a name is now another.

    Args:
        old: the name that was used.
        new: what to use instead, as a user writes it.
        stacklevel: 3 blames the caller of the function that calls this one.
    """
    warnings.warn(f"{old} is deprecated and goes with the next version: use {new}.", DeprecationWarning, stacklevel)


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that finds old names of what now lies elsewhere.

    Nothing is imported before an old name is used, so that this makes no circle of imports.

    Args:
        module: the module's ``__name__``.
        names: for each old name in it, the full new one: ``"tart_nas.drawing.draw_cells"``.
    """

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        warn_renamed(f"{module}.{name}", names[name])
        home, _, attribute = names[name].rpartition(".")
        return getattr(import_module(home), attribute)

    return __getattr__
