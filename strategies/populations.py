"""The populations of evolution: who of those that were scored has children, and who dies."""

from collections import deque
from itertools import islice
from typing import Protocol

import numpy as np
import numpy.typing as npt

from tart_nas.strategies.pareto import preferred

__all__ = ["AgingPopulation", "FrontPopulation", "Population"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Population(Protocol):
    """The living ones of all that were scored, which are told by their places in that order."""

    def add(self, scores: Floats) -> None:
        """Adds the next n that were scored; others die for them.

        Args:
            scores: (n, m) of m objectives, higher is better; a row with NaN is that of one that is not judged.
        """

    def parents(self, n: int, rng: np.random.Generator) -> Places:
        """The places of n parents, (n,)."""


class AgingPopulation:
    """One objective. Of a random part of the population the best one is a parent, and the oldest one dies.

    Args:
        size: most members.
        tournament: members of the random part.
    """

    def __init__(self, size: int, tournament: int) -> None:
        self._alive: deque[int] = deque(maxlen=size)  # the oldest first
        self._scores: list[float] = []
        self._tournament = tournament

    def add(self, scores: Floats) -> None:
        """See :class:`Population`."""
        first = len(self._scores)
        self._scores += np.where(np.isnan(scores[:, 0]), -np.inf, scores[:, 0]).tolist()
        self._alive.extend(range(first, len(self._scores)))

    def parents(self, n: int, rng: np.random.Generator) -> Places:
        """See :class:`Population`."""
        members = np.array(self._alive)[rng.integers(len(self._alive), size=(n, self._tournament))]
        best = np.array(self._scores)[members].argmax(axis=1)
        return np.asarray(members[np.arange(n), best], dtype=np.intp)


class FrontPopulation:
    """Several objectives: the population of NSGA-II (see :mod:`tart_nas.strategies.pareto`).

    Those that :func:`preferred` puts last die. Of two random members the preferred one is a parent.

    Args:
        size: most members.
        objectives: how many there are.
    """

    def __init__(self, size: int, objectives: int) -> None:
        self._size, self._n_scored = size, 0
        self._places: Places = np.zeros(0, dtype=np.intp)  # the preferred first
        self._scores: Floats = np.zeros((0, objectives))

    def add(self, scores: Floats) -> None:
        """See :class:`Population`."""
        places = np.concatenate([self._places, self._n_scored + np.arange(len(scores))])
        values = np.concatenate([self._scores, scores])
        self._n_scored += len(scores)
        best = list(islice(preferred(values), self._size))
        self._places, self._scores = places[best], values[best]

    def parents(self, n: int, rng: np.random.Generator) -> Places:
        """See :class:`Population`; any that was scored where none was judged."""
        if not len(self._places):
            return rng.integers(self._n_scored, size=n)
        drawn: Places = rng.integers(len(self._places), size=(n, 2)).min(axis=1)
        return self._places[drawn]
