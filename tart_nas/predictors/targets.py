"""Checks of what a predictor is to learn: labels that are numbers, one per architecture, and differ."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tart_nas.errors import PredictorError

__all__ = ["MIN_LABELS", "ONLY", "Auxiliary", "checked_targets", "known_targets"]

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
    labels = values[np.isfinite(values)]
    if len(labels) < least:
        raise PredictorError(f"At least {least} labelled architectures{of} are needed to fit, but got {len(labels)}.")
    if least:
        _check_spread(labels, of)
    return values


def _check_spread(labels: Floats, of: str) -> None:
    """Makes sure that labels differ, and that they can be standardised.

    Raises:
        PredictorError: if not.
    """
    largest = float(np.abs(labels).max())
    if largest == 0 or (labels / largest).std() <= 1e-12:  # a sum of equal numbers rounds: 0.1 thrice
        raise PredictorError(f"Targets{of} must differ to be learned from, but all {len(labels)} are {labels[0]}.")
    with np.errstate(over="ignore", under="ignore"):
        spread = float(labels.std())
    if not 0 < spread < np.inf:  # of squares beyond the floats
        raise PredictorError(
            f"Targets{of} must have a standard deviation that a float holds, but got numbers up to {largest:g}: give "
            "them in another unit."
        )


@dataclass(frozen=True)
class Auxiliary:
    """Other values known of n architectures, as they were given.

    Args:
        values: (n, K), in any units, not finite where unknown.
        names: of the K; () where they have none.
    """

    values: Floats
    names: tuple[str, ...] = ()

    @classmethod
    def none(cls, n: int) -> "Auxiliary":
        """No such values."""
        return cls(np.empty((n, 0)))

    @classmethod
    def of(cls, given: npt.ArrayLike | Mapping[str, npt.ArrayLike] | None, n: int) -> "Auxiliary":
        """Reads an array (n, K) or arrays (n,) by name.

        Raises:
            PredictorError: if they are not of that shape, or no numbers.
        """
        if given is None or (isinstance(given, Mapping) and not given):
            return cls.none(n)
        names = tuple(map(str, given)) if isinstance(given, Mapping) else ()
        try:
            columns = [np.asarray(c, dtype=np.float64) for c in given.values()] if isinstance(given, Mapping) else []
            values = np.stack(columns, axis=-1) if columns else np.asarray(given, dtype=np.float64)
        except (TypeError, ValueError):
            raise PredictorError("Auxiliary targets must be numbers, one row per architecture.") from None
        if values.ndim != 2 or len(values) != n:
            raise PredictorError(
                f"Auxiliary targets must have one row per architecture, ({n}, K), but got {values.shape}."
            )
        return cls(values, names)

    def normal_scores(self) -> Floats:
        """(n, K) each column's ranks as quantiles of the normal distribution, NaN where the values are not finite.

        Proxies differ by magnitudes and have outliers.
        """
        values = np.where(np.isfinite(self.values), self.values, np.nan)
        from scipy.special import ndtri  # here, since importing them takes a second
        from scipy.stats import rankdata

        ranks = rankdata(values, axis=0, nan_policy="omit")
        return np.asarray(ndtri((ranks - 0.5) / np.isfinite(values).sum(axis=0).clip(min=1)))
