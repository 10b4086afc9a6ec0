"""Which candidates are likely to give a value at all: trials run out of memory, diverge, or are given up.

A failed trial has no value that the predictor could learn. Where all trials fail, it would stay as uncertain as at the
beginning, and expected improvement would propose the like of them for ever. So the chance of a success is learned by
itself, of labels 1 and -1 (Gelbart et al., "Bayesian Optimization with Unknown Constraints", UAI 2014). Failures that
have nothing to do with the network, such as killed workers, lower the chance of all alike, which changes no order.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.predictors import Predictor
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies.optuna_plugin.history import History
from tart_nas.strategies.optuna_plugin.other_parameters import OtherParameters
from tart_nas.strategies.surrogate import Surrogate

__all__ = ["Success"]

Floats = npt.NDArray[np.float64]


class Success:
    """The chance that a trial does not fail, by its architecture and by its other parameters.

    Args:
        kind: of the predictor.
        population: architectures that stand for all that may be suggested (:class:`Surrogate`).
        max_labels: most trials to learn from, a random part of them.
    """

    def __init__(self, kind: str, population: Callable[[], Sequence[AnyArchitecture]] | None, max_labels: int) -> None:
        self.of_architectures = Surrogate(Predictor(kind), population)
        """Above 0 where success is likely; nothing is measured while no trial has failed."""
        self._of_others = OtherParameters()
        self._max_labels = max_labels

    def learn(self, history: History, others: Sequence[str], rng: np.random.Generator) -> None:
        """Learns from a study of which some trials failed.

        Args:
            history: of the study.
            others: names of the parameters beside the architecture that may be to blame too.
            rng: source of randomness.
        """
        architectures = [*history.architectures, *(architecture for architecture, _ in history.failures)]
        told = [*history.others, *(each for _, each in history.failures)]
        worked = np.repeat([1.0, -1.0], [len(history.values), len(history.failures)])
        # What failed before all was suggested says nothing of the rest.
        rows = [row for row, each in enumerate(told) if all(name in each for name in others)]
        if len(rows) > self._max_labels:
            rows = rng.choice(rows, self._max_labels, replace=False).tolist()
        chosen = [architectures[row] for row in rows]
        given = [{name: told[row][name] for name in others} for row in rows]
        labels = self._of_others.comparable(chosen, given, worked[rows], int(rng.integers(2**31)))
        self.of_architectures.fit(chosen, labels, int(rng.integers(2**31)))

    def of_others(self, settings: Sequence[Mapping[str, Any]]) -> Floats:
        """(n,) chances with n settings of the other parameters; 1 where nothing is known."""
        return self._of_others.chance_above_zero(settings)
