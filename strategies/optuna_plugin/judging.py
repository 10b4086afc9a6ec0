"""Arguments of pruners and samplers: a predictor, and a space or a function that makes architectures."""

from collections.abc import Callable
from pathlib import Path

from optuna.trial import BaseTrial

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.strategies.optuna_plugin.parameters import SuggestibleSpace, checked_space

__all__ = ["ToArchitecture", "check_compatible", "load_predictor", "resolve_to_architecture"]

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
    """
    return predictor if isinstance(predictor, Predictor) else Predictor.open(predictor)


def check_compatible(predictor: Predictor, space: object) -> None:
    """Raises if the predictor supports no architecture of this space.

    Raises:
        PredictorError: if it declines a whole sample, or is not fitted.
    """
    if hasattr(space, "sample"):
        sample = space.sample(_PROBES, 0)
        if not predictor.judges(sample).any():
            predictor.predict(sample)  # which says why
