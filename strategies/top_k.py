"""The plainest strategy: train the k candidates with the highest scores, and some random ones to compare with."""

import numpy as np
import numpy.typing as npt

from tart_nas.checks import whole
from tart_nas.errors import SettingError

__all__ = ["random_others", "top_k"]


def top_k(scores: npt.ArrayLike, k: int) -> list[int]:
    """The positions of the k highest scores, best first; of equal scores the earlier comes first.

    Args:
        scores: shape (n,), higher is better, finite.
        k: in [0, n].

    Raises:
        SettingError: if k is out of range or a score is not finite.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not np.isfinite(values).all():
        raise SettingError(
            f"`scores` must be finite, but {int((~np.isfinite(values)).sum())} of {values.size} are not."
        )
    whole("k of the candidates", k, 0, len(values))
    return [int(i) for i in np.argsort(-values, kind="stable")[:k]]


def random_others(n: int, k: int, picked: list[int], seed: int) -> list[int]:
    """k positions in [0, n), drawn uniformly without replacement from those that are not picked.

    Raises:
        SettingError: if fewer than k are left.
    """
    others = np.setdiff1d(np.arange(n), picked)
    whole("k of the candidates left to draw from", k, 0, len(others))
    return [int(i) for i in np.random.default_rng(seed).choice(others, size=k, replace=False)]
