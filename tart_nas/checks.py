"""Checks of what users give, and how their messages tell it."""

import math
import reprlib
from collections.abc import Collection, Mapping
from numbers import Integral, Real
from typing import Any

from tart_nas.errors import SettingError

__all__ = ["MOST_SEED", "differences", "number", "one_of", "short", "whole"]

MOST_SEED = 2**32 - 1
"""The largest seed that scikit-learn and NumPy's older generators take."""


def whole(name: str, value: Any, least: int = 0, most: int | None = None) -> int:
    """A setting that must be a whole number; numpy's are taken too, True and False are not.

    Args:
        name: of the setting, as its user knows it; what a long message adds stands behind: ``"n_cells of the budget"``.
        value: what was given.
        least: the smallest legal value.
        most: the largest legal value, None for no limit.

    Returns:
        The value as Python's own integer, which JSON can hold.

    Raises:
        SettingError: if it is something else.
    """
    if _is_a(Integral, value) and least <= value and (most is None or value <= most):
        return int(value)
    expected = f"of at least {least}" if most is None else f"in [{least}, {most}]"
    raise SettingError(f"{_quoted(name)} must be a whole number {expected}, but got {short(value)}.")


def number(
    name: str,
    value: Any,
    least: float = -math.inf,
    most: float = math.inf,
    *,
    above: float | None = None,
    below: float | None = None,
) -> float:
    """A setting that must be a finite number, numpy's included; NaN, True and False are none.

    Args:
        name: as in :func:`whole`.
        value: what was given.
        least: the smallest legal value.
        most: the largest legal value.
        above: in place of ``least``, what it must be above.
        below: in place of ``most``, what it must be below.

    Raises:
        SettingError: if it is something else.
    """
    is_number = _is_a(Real, value) and math.isfinite(value)
    high_enough = is_number and (least <= value if above is None else above < value)
    if high_enough and (value <= most if below is None else value < below):
        return float(value)
    low = f"[{least:g}" if above is None else f"({above:g}"
    high = f"{most:g}]" if below is None else f"{below:g})"
    if below is None and most == math.inf:
        expected = f"of at least {least:g}" if above is None else f"above {above:g}"
    else:
        expected = f"in {low}, {high}"
    raise SettingError(f"{_quoted(name)} must be a number {expected}, but got {short(value)}.")


def one_of(name: str, value: Any, choices: Collection[str]) -> str:
    """A setting that must be one of some names.

    Raises:
        SettingError: if it is another.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise SettingError(f"{_quoted(name)} must be one of {', '.join(choices)}, but got {short(value)}.")


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
    text = _REPR.repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


# `repr` recurses: what a file nests deeply is an error, and what it repeats in each other takes time without end.
_REPR = reprlib.Repr()
_REPR.maxlevel = 4
_REPR.maxtuple = _REPR.maxlist = _REPR.maxarray = _REPR.maxdict = _REPR.maxset = _REPR.maxfrozenset = 20  # values
_REPR.maxstring = _REPR.maxlong = _REPR.maxother = 200  # characters; more than are shown, so that the end is cut


def _is_a(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)  # which Python counts among the whole numbers


def _quoted(name: str) -> str:
    """The name in backticks, from which the command line makes its option; what stands behind it stays outside."""
    first, space, rest = name.partition(" ")
    return f"`{first}`{space}{rest}"
