"""How well the predictions of a round agree with its measurements: whether a predictor fits the task at hand.

A round's predictions are made before its networks are trained. Those of the first round are the predictor's, in its own
unit, so that only their order can be compared. From the second round on they are validation accuracies with an
interval, learned from the rounds before.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tart_nas.runs.study import Pick

__all__ = ["Agreement", "tau_of"]

_INTERVAL = 1.645  # standard deviations to either side: a normal distribution's 90 % interval
_FEWEST = 3  # networks: two are in the same order by chance every second time


@dataclass(frozen=True)
class Agreement:
    """How the predictions of one round ranked its measurements.

    Args:
        round: its number, from 1.
        networks: how many were trained and had a prediction.
        tau: Kendall's tau-b of predictions and validation accuracies, from -1 to 1; None of fewer than three networks,
            or where all predictions or all accuracies are equal.
        with_interval: how many of the networks had a 90 % interval of their accuracy predicted.
        inside: how many of these measured an accuracy inside it.
    """

    round: int
    networks: int
    tau: float | None
    with_interval: int
    inside: int

    @classmethod
    def of_round(cls, number: int, measured: Sequence[tuple[Pick, float]]) -> "Agreement":
        """Compares.

        Args:
            number: of the round, from 1.
            measured: the picks of any rounds and their validation accuracies in [0, 1]; those of other rounds are left
                out.
        """
        own = [(pick, accuracy) for pick, accuracy in measured if pick.round == number]
        in_accuracy = [pair for pair in own if pair[0].expected is not None]
        if in_accuracy:  # what the rounds before let expect replaces the predictor's own scores
            own = in_accuracy
        said = [pick.predicted if pick.expected is None else pick.expected for pick, _ in own]
        errors = [
            abs(accuracy - pick.expected) / pick.expected_std
            for pick, accuracy in own
            if pick.expected is not None and pick.expected_std
        ]
        inside = sum(error <= _INTERVAL for error in errors)
        return cls(number, len(own), tau_of(said, [accuracy for _, accuracy in own]), len(errors), inside)

    @property
    def is_by_chance(self) -> bool:
        """Whether the predictions ranked the networks no better than chance does: tau is 0 or below."""
        return self.tau is not None and self.tau <= 0

    def sentence(self) -> str:
        """The agreement in words."""
        if self.tau is None:
            return f"Round {self.round}: too few different networks to tell how well the predictions rank them."
        text = (
            f"Round {self.round}: the predictions ranked the {self.networks} networks with a Kendall tau of "
            f"{self.tau:+.2f} (1: the measured order, 0: chance)"
        )
        if self.with_interval:
            text += f"; {self.inside} of {self.with_interval} accuracies lie in their predicted 90 % intervals"
        return f"{text}."

    def to_dict(self) -> dict[str, Any]:
        """The numbers and the sentence as JSON values."""
        return {**asdict(self), "is_by_chance": self.is_by_chance, "sentence": self.sentence()}


def tau_of(said: Sequence[float], measured: Sequence[float]) -> float | None:
    """Kendall's tau-b; None of fewer than three values, or where all are equal on a side."""
    if len(said) < _FEWEST or np.ptp(said) == 0 or np.ptp(measured) == 0:
        return None
    from scipy.stats import kendalltau  # takes a second to import

    return float(kendalltau(said, measured).statistic)
