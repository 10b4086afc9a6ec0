"""What a search asks of networks besides accuracy: limits, and further objectives.

They are of the network at its own size, as it would be used, for one image: the training budget shrinks only what is
trained. Images of the data sets that are known by name count at their own size; a user's own, which may come in any
size, at the one that they are brought to for training; networks of a user's own space at the input size of the space.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.checks import number
from tart_nas.errors import SettingError
from tart_nas.strategies import preferred

__all__ = ["COSTS", "Goals", "parse_limits"]

Floats = npt.NDArray[np.float64]

COSTS = {"params": "params", "flops": "flops", "latency": "latency_ms"}
"""Objectives besides accuracy, of each of which less is better, and what limits and files call them with their unit."""

_WORDS = {"params": "parameters", "flops": "FLOPs (multiply-accumulates)", "latency_ms": "latency"}


@dataclass(frozen=True)
class Goals:
    """The limits and the objectives of a search.

    Args:
        limits: the most that a network may have, by the names in :data:`COSTS`: ``{"latency_ms": 5, "params": 1e6}``.
        objectives: ``"accuracy"``, alone or with some of ``"latency"``, ``"params"`` and ``"flops"``.

    Raises:
        SettingError: if one is unknown, has no unit, or is no number above 0.
    """

    limits: Mapping[str, float] = field(default_factory=dict)
    objectives: tuple[str, ...] = ("accuracy",)

    def __post_init__(self) -> None:
        if not isinstance(self.limits, Mapping):
            raise SettingError(f"`constraints` must be limits by name, such as {{'params': 1e6}}, not {self.limits!r}.")
        for name, value in self.limits.items():
            if name == "latency":
                raise SettingError(f"A limit of the latency needs a unit: latency_ms={value}, in milliseconds.")
            if name not in COSTS.values():
                raise SettingError(f"A limit must be of {', '.join(COSTS.values())}, but got {name!r}.")
            number(f"{name} of the limits", value, above=0)
        names = tuple(self.objectives)
        if unknown := [name for name in names if name != "accuracy" and name not in COSTS]:
            raise SettingError(f"An objective must be one of accuracy, {', '.join(COSTS)}, but got {unknown[0]!r}.")
        if "accuracy" not in names or len({*names}) < len(names):
            raise SettingError(f"`objectives` must have accuracy, and each one once, but got {', '.join(names)}.")
        object.__setattr__(self, "objectives", names)
        object.__setattr__(self, "limits", {name: float(value) for name, value in self.limits.items()})

    def __bool__(self) -> bool:
        return bool(self.costs)

    @property
    def costs(self) -> tuple[str, ...]:
        """What must be known of each candidate, by the names of limits."""
        wanted = {*self.limits, *(COSTS[name] for name in self.objectives if name != "accuracy")}
        return tuple(name for name in COSTS.values() if name in wanted)

    def to_dict(self) -> dict[str, Any]:
        """The goals as JSON values, without what is not asked for."""
        values: dict[str, Any] = {"limits": dict(self.limits)} if self.limits else {}
        return values | ({"objectives": list(self.objectives)} if len(self.objectives) > 1 else {})

    def excess(self, costs: Mapping[str, Floats]) -> Floats:
        """By which share each of n candidates exceeds its limits, (n,): that of the worst one, at most 0 within all."""
        shares = [costs[name] / limit - 1 for name, limit in self.limits.items()]
        worst = np.max(shares, axis=0)
        return np.where(np.isnan(worst), np.inf, worst)  # of which a cost is not known

    def within(self, costs: Mapping[str, Floats], n: int) -> npt.NDArray[np.bool_]:
        """Which of n candidates keep all limits, (n,)."""
        return self.excess(costs) <= 0 if self.limits else np.ones(n, dtype=np.bool_)

    def usable(self, costs: Mapping[str, Floats], n: int) -> npt.NDArray[np.bool_]:
        """Which of n candidates may be trained, (n,): those that keep all limits and of which all costs are known.

        A latency that cannot be predicted is NaN, also where it is an objective and no limit leaves the candidate out.
        """
        usable = self.within(costs, n)
        for name in self.costs:
            usable = usable & np.isfinite(costs[name])
        return usable

    def check_some(self, costs: Mapping[str, Floats], n: int, wanted: int) -> None:
        """Makes sure that as many candidates as are to be trained keep the limits, and have costs that are known.

        Raises:
            SettingError: if not; if none keeps the limits, with how near the best one came.
        """
        if not self:
            return
        kept, usable = int(self.within(costs, n).sum()), int(self.usable(costs, n).sum())
        if kept == 0:
            raise SettingError(f"No candidate keeps the limits: {self.nearest(costs)}.")
        for count, do in ((kept, "keep the limits"), (usable, "are networks whose latency can be predicted")):
            if count < wanted:
                raise SettingError(
                    f"Only {count:,} of {n:,} candidates {do}, but {wanted:,} are to be trained: ask for fewer, or "
                    "score more candidates."
                )

    def nearest(self, costs: Mapping[str, Floats]) -> str:
        """The candidate that exceeds its limits least, in words."""
        best = int(self.excess(costs).argmin())
        told = [
            f"{in_words(name, costs[name][best])} (limit {in_words(name, limit, False)})"
            for name, limit in self.limits.items()
        ]
        return f"the nearest has {', '.join(told)}"

    def order(self, values: Floats, costs: Mapping[str, Floats], places: Sequence[int]) -> Iterator[int]:
        """Candidates in the order of their places where accuracy is the only objective, else as NSGA-II prefers them.

        Args:
            values: (n,) what is expected of the accuracy of each candidate.
            costs: (n,) each, by name.
            places: of candidates, the most promising first.
        """
        kept = self.within(costs, len(values))
        chosen = [place for place in places if kept[place]]
        if len(self.objectives) == 1 or not chosen:
            return iter(chosen)
        return (chosen[i] for i in preferred(self.columns(values, costs)[chosen]))

    def columns(self, values: Floats, costs: Mapping[str, Floats]) -> Floats:
        """The m objectives of n candidates, (n, m), of each of which more is better.

        Args:
            values: (n,) what is expected of the accuracy.
            costs: (n,) each, by name.
        """
        return np.stack([values if name == "accuracy" else -costs[COSTS[name]] for name in self.objectives], axis=1)

    def sentence(self) -> str:
        """The goals in words."""
        limits = ", ".join(
            f"{_WORDS[name]} at most {in_words(name, limit, False)}" for name, limit in self.limits.items()
        )
        others = " and ".join(self.objectives)
        parts = [f"Limits: {limits}."] if self.limits else []
        return " ".join([*parts, f"Objectives: {others}."] if len(self.objectives) > 1 else parts)


def in_words(name: str, value: float, named: bool = True) -> str:
    """A cost with its unit: ``latency 4.2 ms``, ``params 123,456``."""
    text = f"{value:.3g}" if name == "latency_ms" and value < 1000 else f"{value:,.0f}"
    text += " ms" if name == "latency_ms" else ""
    return f"{name.removesuffix('_ms')} {text}" if named else text


def parse_limits(texts: Sequence[str]) -> dict[str, float]:
    """Limits as a command line gives them: NAME=VALUE.

    Raises:
        SettingError: if one is no such pair, or a name is there twice.
    """
    limits: dict[str, float] = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            limit = float(value)
        except ValueError:
            raise SettingError(
                f"`limit` takes NAME=NUMBER, such as params=100000 or latency_ms=5, but got {text!r}."
            ) from None
        if name in limits:
            raise SettingError(f"`limit` has {name} twice.")
        limits[name] = limit
    Goals(limits)  # which checks names and ranges
    return limits
