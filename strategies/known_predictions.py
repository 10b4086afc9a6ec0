"""Predictions of architectures some of which the predictor may decline to judge."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.predictors import Predictor
from tart_nas.predictors.scope import Scope
from tart_nas.tokens import CellTokens

__all__ = ["known_predictions"]

Floats = npt.NDArray[np.float64]


def known_predictions(predictor: Predictor, architectures: Sequence[Architecture]) -> tuple[Floats, Floats]:
    """What the predictor says of each architecture, and NaN where it declines to judge.

    Args:
        predictor: a fitted one.
        architectures: n of them.

    Returns:
        (n,) predictions and (n,) standard deviations.

    Raises:
        PredictorError: if the predictor is not fitted.
    """
    mean, std = np.full((2, len(architectures)), np.nan)
    try:
        mean, std = predictor.predict(architectures, return_std=True)
    except PredictorError:
        scope = predictor.metadata["scope"]
        if scope is None:
            raise
        rows = _within(Scope.from_dict(scope), CellTokens.encode(architectures), np.arange(len(architectures)))
        if len(rows):
            mean[rows], std[rows] = predictor.predict([architectures[row] for row in rows], return_std=True)
    return mean, std


def _within(scope: Scope, tokens: CellTokens, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Those of the rows that are within the scope, by halving what is not."""
    try:
        scope.check(tokens.take(rows))
    except PredictorError:
        if len(rows) == 1:
            return rows[:0]
        halves = np.array_split(rows, 2)
        return np.concatenate([_within(scope, tokens, half) for half in halves])
    return rows
