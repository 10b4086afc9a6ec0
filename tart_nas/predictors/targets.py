"""Checks of what a predictor is to learn: labels that are numbers, one per architecture, and differ."""

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

from tart_nas.errors import PredictorError

__all__ = ["MIN_LABELS", "ONLY", "checked_targets", "known_targets", "normal_scores"]

MIN_LABELS = 4
"""Fewest labelled architectures that a predictor can be fitted to."""

ONLY = "target"
"""The name of a target that was given none."""

Floats = npt.NDArray[np.float64]


def checked_targets(targets: npt.ArrayLike, n: int) -> Floats:
    """Targets as an array (n,) of finite numbers that differ, of at least :data:`MIN_LABELS`.

    Raises:
        PredictorError: if they are not that.
    """
    return known_targets(targets, n, ONLY, complete=True)


def known_targets(targets: npt.ArrayLike, n: int, name: str, complete: bool = False, least: int = MIN_LABELS) -> Floats:
    """One target as an array (n,), NaN where unknown; what is known is finite, differs, and is of some number at least.

    Args:
        targets: what was given.
        n: number of architectures.
        name: of the target, for messages.
        complete: whether all must be known.
        least: how many must be known.

    Raises:
        PredictorError: if it is not that.
    """
    of = "" if name == ONLY else f" of {name!r}"
    try:
        values = np.asarray(targets, dtype=np.float64)
    except (TypeError, ValueError):
        raise PredictorError(f"Targets{of} must be numbers, one per architecture.") from None
    if values.shape != (n,):
        raise PredictorError(f"There must be one target{of} per architecture, shape ({n},), but got {values.shape}.")
    illegal = ~np.isfinite(values) if complete else np.isinf(values)
    if n >= least and illegal.any():
        where = int(np.flatnonzero(illegal)[0])
        raise PredictorError(f"Targets{of} must be finite, but target {where} is {values[where]}.")
    known = values[np.isfinite(values)]
    if len(known) < least:
        raise PredictorError(f"At least {least} labelled architectures{of} are needed to fit, but got {len(known)}.")
    if least and known.std() <= 1e-12 * np.abs(known).max():
        raise PredictorError(f"Targets{of} must differ to be learned from, but all {len(known)} are {known[0]}.")
    return values


def normal_scores(auxiliary: npt.ArrayLike, n: int) -> Floats:
    """Each column's ranks as quantiles of the normal distribution: proxies differ by magnitudes and have outliers.

    Returns:
        (n, K), NaN where the values are not finite.

    Raises:
        PredictorError: if they are not of that shape.
    """
    try:
        values = np.asarray(auxiliary, dtype=np.float64)
    except (TypeError, ValueError):
        raise PredictorError("Auxiliary targets must be numbers, one row per architecture.") from None
    if values.ndim != 2 or len(values) != n:
        raise PredictorError(f"Auxiliary targets must have one row per architecture, ({n}, K), but got {values.shape}.")
    values = np.where(np.isfinite(values), values, np.nan)
    ranks = rankdata(values, axis=0, nan_policy="omit")
    return np.asarray(norm.ppf((ranks - 0.5) / np.isfinite(values).sum(axis=0).clip(min=1)))
