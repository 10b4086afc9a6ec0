"""Conversion between architectures and flat dictionaries of named parameters, as optimizers suggest them.

A space says once which parameters it has, in a ``suggest`` that asks for them one after another. Asked of an Optuna
trial, it makes a new architecture; asked of known values (:class:`Parameters`), the same architecture again. The two
inputs of a node are one parameter, as in NAS-Bench-301's configuration space: independent choices stay uniform over
the space, and none of them depends on the value of another.
"""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations
from typing import Any, Protocol

from tart_nas.errors import SettingError

__all__ = ["Parameters", "Suggester", "cell_parameters", "suggest_cell"]

Pairs = tuple[tuple[str, int], ...]


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
        """The value of that name.

        Raises:
            SettingError: if there is none, or it is not in the range.
        """
        value = self._value(name)
        if isinstance(value, bool | str | None) or not low <= value <= high:
            raise SettingError(f"Parameter {name!r} must be a number in [{low}, {high}], but is {value!r}.")
        self.asked[name] = float(value)
        return float(value)

    def _value(self, name: str) -> Any:
        if name not in self._values:
            there = ", ".join(list(self._values)[:5]) or "none at all"
            raise SettingError(f"There is no parameter {name!r} that the space asks for; the parameters are {there}.")
        return self._values[name]


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
