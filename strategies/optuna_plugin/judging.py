"""Arguments of pruners and samplers: a predictor, and a space or a function that makes architectures."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from optuna.trial import BaseTrial

from tart_nas.architecture import Architecture
from tart_nas.checks import short
from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor, pretrained
from tart_nas.strategies.optuna_plugin.parameters import SuggestibleSpace, checked_space

__all__ = [
    "ToArchitecture",
    "call_text",
    "check_compatible",
    "load_predictor",
    "resolve_to_architecture",
    "state_of",
]

ToArchitecture = Callable[[BaseTrial], Architecture]
"""A user's function that suggests parameters of a trial and makes an architecture of them."""

_PROBES = 200  # enough to meet what it judges where that is a fiftieth of the space (0.98 ** 200 = 0.02)


def resolve_to_architecture(space: SuggestibleSpace | None, to_architecture: ToArchitecture | None) -> ToArchitecture:
    """A function that makes an architecture of a trial: the space's, or the user's own.

    Raises:
        SettingError: if neither or both are given.
    """
    if (space is None) == (to_architecture is None):
        raise SettingError("Give either `space`, such as DartsSpace(), or `to_architecture`, a function of a trial.")
    return to_architecture if space is None else checked_space(space).suggest  # type: ignore[return-value]


def load_predictor(predictor: Predictor | str | Path) -> Predictor:
    """The predictor itself, or the one of that name or file.

    Raises:
        CheckpointError: if there is none.
        SettingError: if it is something else, such as a space.
    """
    given: object = predictor
    if isinstance(given, Predictor):
        return given
    if isinstance(given, str | Path):
        return Predictor.open(given)
    hint = "; give a space by its name: `space=...`" if hasattr(given, "sample") else ""
    raise SettingError(f"`predictor` must be a Predictor, a name or a path, but got {short(given)}{hint}.")


def state_of(arguments: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    """What is pickled of a sampler or a gate: a bundled predictor goes by its name, in some bytes instead of megabytes.

    Args:
        arguments: what it was made with.
        state: of all attributes that are pickled; ``_predictor`` is the opened one.
    """
    by_name = arguments["predictor"] in pretrained.names() if isinstance(arguments["predictor"], str) else False
    return {name: value for name, value in state.items() if not (by_name and name == "_predictor")}


def call_text(made: object, arguments: Mapping[str, Any]) -> str:
    """How an object was made, ``TartSampler(space=DartsSpace(), seed=0)``: arguments at their defaults are left out."""
    parameters = inspect.signature(type(made)).parameters
    shown = (f"{name}={value!r}" for name, value in arguments.items() if value != parameters[name].default)
    return f"{type(made).__name__}({', '.join(shown)})"


def check_compatible(predictor: Predictor, space: object) -> None:
    """Raises if the predictor supports no architecture of this space.

    Raises:
        PredictorError: if it declines a whole sample, or is not fitted.
    """
    if hasattr(space, "sample"):
        sample = space.sample(_PROBES, 0)
        if not predictor.judges(sample).any():
            predictor.predict(sample)  # which says why
