"""How well the latencies that a search predicts agree with those that it measures of what it picks."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tart_nas.runs.agreement import tau_of
from tart_nas.runs.study import Pick

__all__ = ["LatencyAgreement"]


@dataclass(frozen=True)
class LatencyAgreement:
    """How the predicted latencies of the picked networks compare with the measured ones.

    Args:
        networks: how many of the picked ones have both.
        tau: Kendall's tau-b, from -1 to 1; None of fewer than three networks, or where all times are equal.
        error: the median of the relative errors, as a fraction of the measured time.
    """

    networks: int
    tau: float | None
    error: float

    @classmethod
    def of(cls, picks: Sequence[Pick]) -> "LatencyAgreement | None":
        """Compares; None where no latency was predicted and measured.

        What could not be predicted is left out, as the random picks of versions before may be: its NaN would make all
        of the comparison NaN.
        """
        names = ("predicted_latency_ms", "latency_ms")
        pairs = np.array([[pick.costs.get(name, np.nan) for name in names] for pick in picks]).reshape(-1, 2)
        timed = pairs[np.isfinite(pairs).all(axis=1)]
        if not len(timed):
            return None
        predicted, measured = timed.T
        error = float(np.median(np.abs(predicted / measured - 1)))
        return cls(len(timed), tau_of(predicted.tolist(), measured.tolist()), error)

    def sentence(self) -> str:
        """The agreement in words."""
        networks = f"{self.networks} picked networks" if self.networks > 1 else "picked network"
        off = f"the predicted latencies of the {networks} are off by {100 * self.error:.0f} % in the median"
        if self.tau is None:
            return f"Latency: {off}; too few different networks to tell how well the predictions rank them."
        return (
            f"Latency: {off}, and rank them with a Kendall tau of {self.tau:+.2f} (1: the measured order, 0: chance)."
        )

    def to_dict(self) -> dict[str, Any]:
        """The numbers and the sentence as JSON values."""
        return {**asdict(self), "sentence": self.sentence()}
