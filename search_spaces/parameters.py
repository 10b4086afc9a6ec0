"""Conversion between architectures and flat dictionaries of named parameters, as optimizers suggest them.

A space says once which parameters it has, in a ``suggest`` that asks for them one after another. Asked of an Optuna
trial, it makes a new architecture; asked of known values (:class:`Parameters`), the same architecture again. The two
inputs of a node are one parameter, as in NAS-Bench-301's configuration space: independent choices stay uniform over
the space, and none of them depends on the value of another.
"""

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import cache
from itertools import combinations
from typing import Any, Protocol

from tart_nas.errors import SettingError

__all__ = ["Parameters", "Suggester", "cell_parameters", "exact_float", "suggest_cell"]

Pairs = tuple[tuple[str, int], ...]

_ROUNDING = 1e-12  # relative: some thousand operations on floats, and less than any two values of a space differ by


class Suggester(Protocol):
    """Chooses the values of parameters: an Optuna trial, or :class:`Parameters`."""

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        """One of the choices."""

    def suggest_int(self, name: str, low: int, high: int, /, *, step: int = 1, log: bool = False) -> int:
        """A whole number in [low, high]: low plus a multiple of the step, or evenly spread by its logarithm."""

    def suggest_float(
        self, name: str, low: float, high: float, /, *, step: float | None = None, log: bool = False
    ) -> float:
        """A number in [low, high], likewise; :class:`TrialSpace` alone asks for such."""


class Parameters:
    """Known values, as a suggester: a space that asks for them makes the architecture that they stand for.

    Args:
        values: by parameter name. Names that the space does not ask for (a learning rate) do not matter.

    Attributes:
        asked: the values that were asked for so far.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.asked: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        """The value of that name.

        Raises:
            SettingError: if there is none, or it is not one of the choices.
        """
        value = self._value(name)
        if value != value:  # NaN, which a data frame makes of None
            value = None
        if value not in choices:
            raise SettingError(f"Parameter {name!r} must be one of {', '.join(map(str, choices))}, but is {value!r}.")
        # The choice and not what equals it: a data frame makes numpy's True of True, and 2.0 of 2.
        self.asked[name] = choices[choices.index(value)]
        return self.asked[name]

    def suggest_int(self, name: str, low: int, high: int, /, *, step: int = 1, log: bool = False) -> int:
        """The value of that name.

        Raises:
            SettingError: if there is none, or it is not in the range.
        """
        value = self._value(name)
        # Numpy's numbers and whole floats are what data frames make of whole numbers.
        if isinstance(value, bool) or value not in range(low, high + 1, step):
            in_steps = f" in steps of {step}" if step > 1 else ""
            raise SettingError(
                f"Parameter {name!r} must be a whole number in [{low}, {high}]{in_steps}, but is {value!r}."
            )
        self.asked[name] = int(value)
        return int(value)

    def suggest_float(
        self, name: str, low: float, high: float, /, *, step: float | None = None, log: bool = False
    ) -> float:
        """The value of that name; where it misses a bound or a step by rounding errors, what Optuna's samplers give.

        Raises:
            SettingError: if there is none, or it is not in the range, which ends at its last step.
        """
        value = self._value(name)
        high = _last_step(low, high, step)
        try:
            number = math.nan if isinstance(value, bool | str | None) else float(value)
        except (TypeError, ValueError, OverflowError):  # no number, or none that a float holds
            number = math.nan
        number = exact_float(number, low, high, step=step, log=log)
        if not low <= number <= high:
            raise SettingError(f"Parameter {name!r} must be a number in [{low}, {high}], but is {value!r}.")
        self.asked[name] = number
        return number

    def _value(self, name: str) -> Any:
        if name not in self._values:
            there = ", ".join(list(self._values)[:5]) or "none at all"
            raise SettingError(f"There is no parameter {name!r} that the space asks for; the parameters are {there}.")
        return self._values[name]


def exact_float(value: float, low: float, high: float, *, step: float | None = None, log: bool = False) -> float:
    """The float of a range that a value is but for rounding errors, as samplers of Optuna's give it.

    Three steps of 0.1 are 0.30000000000000004: in [0, 0.3] Optuna gives 0.3 for it, and in [0, 0.5] it for 0.3. Were
    both values of a parameter, two networks would differ by nothing else.

    Args:
        value: any, NaN and infinities too.
        low: of the range.
        high: of the range.
        step: between its values, from ``low`` on; None where all values are legal.
        log: whether it is spread by its logarithm. Errors are then relative to the value, else to the range's bounds.

    Returns:
        The nearest value of the range, if the relative difference is at most 1e-12; else the value itself.
    """
    high = _last_step(low, high, step)
    slack = _ROUNDING * (min(abs(value), high) if log else max(abs(low), abs(high)))
    if not low - slack <= value <= high + slack:
        return value
    nearest = value if step is None else low + step * round((value - low) / step)
    nearest = min(max(nearest, low), high)
    return float(nearest if abs(nearest - value) <= slack else value)


def _last_step(low: float, high: float, step: float | None) -> float:
    """The end of a range: the last step below ``high`` or at it, in decimal numbers, as Optuna's distributions have."""
    if step is None:
        return high
    first, last, by = (Decimal(str(number)) for number in (low, high, step))
    return high if (last - first) % by == 0 else float((last - first) // by * by + first)


def suggest_cell(suggester: Suggester, cell: str, n_nodes: int, ops: Sequence[str]) -> Pairs:
    """Suggests the (operation, input) pairs of a cell: ``normal_node3_inputs``, ``normal_node3_op0``, ...

    Args:
        suggester: what chooses.
        cell: ``"normal"`` or ``"reduce"``, with which the names begin.
        n_nodes: intermediate nodes; they are numbered from 2, as in a genotype.
        ops: the operations to choose from.

    Returns:
        ``2 * n_nodes`` pairs, the two inputs of a node different and in ascending order.
    """
    pairs: list[tuple[str, int]] = []
    for node in range(2, 2 + n_nodes):
        name, inputs = f"{cell}_node{node}", "0,1"
        if node > 2:  # node 2 has both inputs of the cell
            inputs = suggester.suggest_categorical(f"{name}_inputs", _input_pairs(node))
        for edge, source in enumerate(inputs.split(",")):
            pairs.append((suggester.suggest_categorical(f"{name}_op{edge}", ops), int(source)))
    return tuple(pairs)


def cell_parameters(cell: str, pairs: Pairs) -> dict[str, Any]:
    """The parameters that :func:`suggest_cell` makes the pairs from, up to the order of a node's two operations.

    Raises:
        SettingError: if a node has the same input twice, which is not suggested.
    """
    values: dict[str, Any] = {}
    for k in range(0, len(pairs), 2):
        node = k // 2 + 2
        (first, low), (second, high) = sorted(pairs[k : k + 2], key=lambda pair: pair[1])
        if low == high:
            raise SettingError(f"Node {node} of the {cell} cell has input {low} twice, which the space does not have.")
        if node > 2:
            values[f"{cell}_node{node}_inputs"] = f"{low},{high}"
        values |= {f"{cell}_node{node}_op0": first, f"{cell}_node{node}_op1": second}
    return values


@cache
def _input_pairs(node: int) -> tuple[str, ...]:
    """The pairs of inputs that a node may have."""
    return tuple(f"{low},{high}" for low, high in combinations(range(node), 2))
