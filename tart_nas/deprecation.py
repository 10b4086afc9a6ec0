"""Names that were renamed: they work for one version more, with a ``DeprecationWarning`` that tells the new one."""

import warnings
from collections.abc import Callable, Mapping
from functools import wraps
from importlib import import_module
from typing import Any, ParamSpec, TypeVar

__all__ = ["renamed", "renamed_arguments", "successor", "warn_renamed"]

P = ParamSpec("P")
R = TypeVar("R")


def warn_renamed(old: str, new: str, *, stacklevel: int = 3) -> None:
    """Warns that a name is now another.

    Args:
        old: the name that was used.
        new: what to use instead, as a user writes it.
        stacklevel: 3 blames the caller of the function that calls this one.
    """
    warnings.warn(f"{old} is deprecated and goes with the next version: use {new}.", DeprecationWarning, stacklevel)


def successor(old: str, new: str, *, stacklevel: int = 4) -> Any:
    """What an old name stands for, with a warning. It is imported only now, so that this makes no circle of imports.

    Args:
        old: the name that was used.
        new: the full name of what it is now: ``"tart_nas.drawing.draw_graph"``.
        stacklevel: 4 blames the caller of the function that calls this one.
    """
    warn_renamed(old, new, stacklevel=stacklevel)
    home, _, attribute = new.rpartition(".")
    return getattr(import_module(home), attribute)


def renamed(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """A module's ``__getattr__`` that finds old names of what now lies elsewhere.

    Args:
        module: the module's ``__name__``.
        names: for each old name in it, the full new one: ``"tart_nas.drawing.draw_cells"``.
    """

    def __getattr__(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return successor(f"{module}.{name}", names[name])

    return __getattr__


def renamed_arguments(**names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A decorator: keyword arguments of a function are taken under their old names too.

    Args:
        names: for each old name the new one: ``trained_at="label_size"``.
    """

    def decorated(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
            for old in kwargs.keys() & names.keys():
                warn_renamed(f"The argument `{old}` of {function.__qualname__}", f"`{names[old]}`")
                kwargs[names[old]] = kwargs.pop(old)
            return function(*args, **kwargs)

        return wrapper

    return decorated
