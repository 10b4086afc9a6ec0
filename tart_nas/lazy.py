"""Names of a package that are imported at their first use, since what they need takes seconds to import."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

__all__ = ["imported_when_used"]


def imported_when_used(
    package: str, modules: Mapping[str, str], names: Sequence[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """What a package's ``__getattr__`` and ``__dir__`` have to be (PEP 562).

    Args:
        package: its ``__name__``.
        modules: for each such name the module of the package that has it.
        names: all its public names.
    """

    def get(name: str) -> Any:
        if name in modules:
            return getattr(import_module(f"{package}.{modules[name]}"), name)
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return get, lambda: list(names)
