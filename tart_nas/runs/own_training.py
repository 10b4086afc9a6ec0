"""Training by a function of the user's, for any task: it gets the network and a reporter."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import optuna
import torch
from torch import nn

from tart_nas.devices import forked_rng, seed_rng
from tart_nas.errors import SettingError, TrainingError, first_line

__all__ = ["OwnTraining", "Reporter", "train_by"]

OwnTraining = Callable[[nn.Module, "Reporter"], float | None]
"""Trains a network and returns its value, a fraction of 1 of which more is better; None for the last one reported."""


@dataclass
class Reporter:
    """What a training of the user's tells the run, epoch by epoch.

    Example:
        >>> def train(network, reporter):
        ...     for epoch in range(1, 11):
        ...         value = train_one_epoch(network, reporter.device)
        ...         reporter.report(value, epoch)
        ...         if reporter.should_prune():
        ...             raise optuna.TrialPruned
        ...     return value

    Args:
        device: where the network shall be trained; it is not there yet.
        seed: of the run. PyTorch's global random numbers are seeded with it.
        trial: of the run's study.
        tell: tells the study of a value and its epoch.

    Attributes:
        curve: what was reported: ``epoch``, ``validation_accuracy`` and ``seconds`` since the report before.
    """

    device: torch.device
    seed: int
    trial: optuna.Trial = field(repr=False)
    tell: Callable[[float, int], None] = field(repr=False)
    curve: list[dict[str, float]] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter, repr=False)

    def report(self, value: float, epoch: int | None = None) -> None:
        """Reports a value.

        Args:
            value: so far, in [0, 1], more is better.
            epoch: after which it was measured, from 1, more than the one before; by default the next.

        Raises:
            SettingError: if it is something else.
        """
        last = int(self.curve[-1]["epoch"]) if self.curve else 0
        epoch = last + 1 if epoch is None else epoch
        if isinstance(epoch, bool) or not isinstance(epoch, int) or epoch <= last:
            raise SettingError(f"`epoch` must be a whole number above {last}, but got {epoch!r}.")
        now = time.perf_counter()
        self.curve.append({"epoch": epoch, "validation_accuracy": fraction(value), "seconds": now - self._since})
        self._since = now
        self.tell(self.curve[-1]["validation_accuracy"], epoch)

    def should_prune(self) -> bool:
        """Whether the pruner of the search would stop here; raise ``optuna.TrialPruned`` then."""
        return self.trial.should_prune()


def fraction(value: Any) -> float:
    """A value that a training gave.

    Raises:
        SettingError: if it is no number in [0, 1].
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number <= 1:  # which NaN fails too
        raise SettingError(f"A training must report and return fractions in [0, 1], but got {value!r}.")
    return number


def train_by(train: OwnTraining, network: nn.Module, reporter: Reporter) -> float:
    """Has the user's function train a network.

    Returns:
        The network's value; the curve ends with it.

    Raises:
        TrialPruned: where the function raises it.
        TrainingError: if the function raises anything else, or gives no fraction.
    """
    try:
        with forked_rng(reporter.device):
            seed_rng(reporter.device, reporter.seed)
            value = train(network, reporter)
        if value is None and reporter.curve:
            return reporter.curve[-1]["validation_accuracy"]
        final = fraction(value)
        if not reporter.curve or reporter.curve[-1]["validation_accuracy"] != final:
            reporter.report(final)
    except optuna.TrialPruned:
        raise
    except Exception as error:  # whatever the user's code raises
        raise TrainingError(f"`train` raised {type(error).__name__}: {first_line(error)}") from error
    return final
