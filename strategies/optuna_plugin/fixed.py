"""Parameters of a trial whose values are given beforehand, by ``enqueue_trial`` or Optuna's ``PartialFixedSampler``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler, PartialFixedSampler
from optuna.trial import FrozenTrial

from tart_nas.errors import ArchitectureError
from tart_nas.search_spaces.random_values import drawn, exact
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.trials.optuna_internals import contains, fixed_by

__all__ = ["fixed_parameters", "with_fixed"]


def fixed_parameters(
    sampler: BaseSampler, base: BaseSampler, study: optuna.Study, trial: FrozenTrial
) -> dict[str, Any]:
    """The values that a trial will have whatever a sampler suggests.

    Those that it has already come first: a failed trial that is tried again, or one that was added to wait, has its
    parameters from the beginning. An enqueued value comes before one of a ``PartialFixedSampler``, an outer sampler's
    before an inner one's: in this order Optuna takes them.

    Args:
        sampler: ours; the study's own may be a ``PartialFixedSampler`` around it.
        base: the sampler that ours asks for other parameters; it may be a ``PartialFixedSampler`` too.
        study: of the trial.
        trial: the one to suggest for.
    """
    fixed = _fixed_between(base) | _fixed_between(study.sampler, sampler)
    # Where `enqueue_trial` keeps its values.
    fixed |= trial.system_attrs.get("fixed_params", {})
    return {**fixed, **trial.params}


def _fixed_between(outer: BaseSampler, inner: BaseSampler | None = None) -> dict[str, Any]:
    """What is fixed by the samplers from ``outer`` on, down to ``inner``; nothing, if that is not below."""
    fixed: dict[str, Any] = {}
    while outer is not inner and isinstance(outer, PartialFixedSampler):
        values, outer = fixed_by(outer)
        fixed = values | fixed
    return fixed if inner is None or outer is inner else {}


def with_fixed(
    architectures: Iterable[AnyArchitecture], space: Any, fixed: Mapping[str, Any], rng: np.random.Generator
) -> list[AnyArchitecture]:
    """Gives architectures the fixed parameters; values that are not theirs, such as a learning rate, change nothing.

    A parameter that only the changed architecture has, such as an operation of one more node, is drawn uniformly.

    Args:
        architectures: of the space.
        space: of the architectures.
        fixed: values by parameter name.
        rng: source of randomness.

    Returns:
        Different architectures in the same order. Those that make no network of the space are left out.
    """
    if not fixed:
        return list(architectures)
    repaired: dict[AnyArchitecture, None] = {}
    for architecture in architectures:
        parameters = space.parameters(architecture)
        if any(name in fixed and fixed[name] != value for name, value in parameters.items()):
            completed = _Completed({**parameters, **fixed}, rng)
            try:
                architecture = space.suggest(completed)
            except ArchitectureError:
                continue
            parameters = completed.asked
        repaired[architecture] = None
        if parameters.keys() <= fixed.keys():  # there is no other
            break
    return list(repaired)


class _Completed:
    """A :class:`~tart_nas.search_spaces.Suggester` of known values; what is unknown or not legal is drawn uniformly."""

    def __init__(self, values: Mapping[str, Any], rng: np.random.Generator) -> None:
        self._values, self._rng = values, rng
        self.asked: dict[str, Any] = {}

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        known = name in self._values and self._values[name] in choices
        # The choice and not what equals it, such as numpy's 2 of a data frame.
        place = choices.index(self._values[name]) if known else int(self._rng.integers(len(choices)))
        self.asked[name] = choices[place]
        return self.asked[name]

    def suggest_int(self, name: str, low: int, high: int, /, *, step: int = 1, log: bool = False) -> int:
        return int(self._number(name, IntDistribution(low, high, log=log, step=step), int))

    def suggest_float(
        self, name: str, low: float, high: float, /, *, step: float | None = None, log: bool = False
    ) -> float:
        return float(self._number(name, FloatDistribution(low, high, log=log, step=step), float))

    def _number(self, name: str, distribution: IntDistribution | FloatDistribution, kind: type) -> Any:
        value = exact(distribution, self._values.get(name))
        known = name in self._values and contains(distribution, value)
        self.asked[name] = kind(value if known else drawn(distribution, self._rng))
        return self.asked[name]
