"""Checks of what users give, and how their messages tell it."""

from collections.abc import Mapping
from typing import Any

__all__ = ["differences", "short"]


def differences(then: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """How stored settings differ from given ones, as messages tell it: ``epochs 1 then, 3 now``; empty if they do not.

    Args:
        then: the stored ones by name; a name that is missing counts as None.
        now: the given ones, likewise.
    """
    names = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    return ", ".join(f"{name} {then.get(name)} then, {now.get(name)} now" for name in names)


def short(value: object) -> str:
    """A value as a message shows it, in at most 80 characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
