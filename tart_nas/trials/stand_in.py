"""A stand-in for an Optuna trial: code that suggests parameters of a trial runs on it, and no study knows of it."""

from collections.abc import Callable
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial

__all__ = ["Choose", "StandInTrial"]

Choose = Callable[[str, BaseDistribution], Any]
"""Gives the value of a parameter, by its name and its distribution."""


class StandInTrial(FixedTrial):
    """A trial whose values a function gives; ``params`` and ``distributions`` keep what was asked for, in order.

    It has all methods of a trial: reports and attributes go nowhere.

    Args:
        choose: gives a value when a name is asked for the first time.
        number: what the trial calls itself.
    """

    def __init__(self, choose: Choose, number: int = 0) -> None:
        super().__init__({}, number)
        self._choose = choose

    # Every `suggest_...` of a FixedTrial ends here, and so does that of Optuna's own trials.
    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if name not in self._params:
            self._params[name] = self._choose(name, distribution)
        return super()._suggest(name, distribution)
