"""A search whose predictor knows nothing yet: it learns from the networks that the rounds of the run train."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.predictors.targets import MIN_LABELS

__all__ = ["check_rounds", "first_scores", "predictor_identity"]


def predictor_identity(predictor: Predictor) -> str:
    """What a run writes down of its predictor: equal for predictors that predict, or learn, the same."""
    if predictor.is_fitted:
        return predictor.identity
    settings = ", ".join(f"{name}={value!r}" for name, value in sorted(predictor.metadata["settings"].items()))
    return f"{predictor.kind} unfitted{f' ({settings})' if settings else ''}"


def check_rounds(predictor: Predictor, strategy: str, rounds: int, top_k: int, random: int) -> None:
    """Makes sure that an unfitted predictor gets to learn before the last round picks.

    Raises:
        SettingError: if not.
    """
    if predictor.is_fitted:
        return
    before_last = (rounds - 1) * top_k + (random if rounds > 1 else 0)
    if strategy == "evolution" or before_last < MIN_LABELS:
        raise SettingError(
            f"`predictor` is an unfitted {predictor.kind}, which learns from at least {MIN_LABELS} networks that the "
            f"run itself trains: give `strategy` 'active' or `rounds` of at least 2, and enough of `top_k` and "
            f"`random` (before the last round {before_last} are trained)."
        )


def first_scores(predictor: Predictor, architectures: Sequence[Any]) -> npt.NDArray[np.float64]:
    """(n,) scores of candidates, NaN for those that a fitted predictor does not judge; 0 while it knows nothing.

    Candidates with equal scores stay in the order in which they were sampled, which is a random one.
    """
    return predictor.predict(architectures, outside="nan") if predictor.is_fitted else np.zeros(len(architectures))
