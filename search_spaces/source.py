"""What a search needs of a place that candidates come from, and what strategies need of a search space.

Both are protocols: a class of yours that has these members is one, it need not inherit from anything.
"""

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.checks import short
from tart_nas.errors import SettingError
from tart_nas.search_spaces.parameters import Suggester

__all__ = ["ArchitectureSource", "SearchSpace", "checked_member"]


@runtime_checkable
class ArchitectureSource(Protocol):
    """Where candidates come from: a search space, a data set of architectures, a list of yours.

    :func:`tart_nas.search` takes any of them: it samples, a predictor ranks, and the best are trained.
    :class:`tart_nas.deepnets1m.DeepNets1M` is one that is no search space.
    """

    @property
    def name(self) -> str:
        """Its kind, such as ``"darts"``: what reports and run folders call it."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """JSON values that, with the name, tell it from others. A run folder refuses another source by them.

        Of a space of a class, ``type(space)(**space.settings)`` is the same space.
        """

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """Draws n architectures, no two of them the same network; fewer only where there are no more.

        Args:
            n: how many, at least 0.
            seed: at least 0. The same seed gives the same architectures in the same order, in every process: a resumed
                search samples again and must find its candidates.

        Raises:
            SettingError: if an argument is negative.
        """


@runtime_checkable
class SearchSpace(ArchitectureSource, Protocol):
    """A set of architectures that can be sampled, changed step by step, and told by named parameters.

    A space without some of these members can still be used where they are not needed: evolution needs
    :meth:`canonical` and :meth:`mutate`; Optuna studies need :meth:`suggest` and :meth:`parameters`, ``TartSampler``
    with candidates of its own also :meth:`canonical`.

    Two further methods are used where a space has them, because they are faster on many architectures at once:
    ``sample_tokens(n, seed)``, the sample as :class:`tart_nas.tokens.CellTokens`, and ``mutants(parents, n, rng)``, n
    mutations of random parents. :class:`tart_nas.search_spaces.DartsSpace` has both.
    """

    def contains(self, architecture: Architecture) -> bool:
        """Whether the architecture belongs to the space.

        It answers for everything and never raises: a candidate of another kind of space, or what is no architecture at
        all, does not belong to it.
        """

    def canonical(self, architecture: Architecture) -> Architecture:
        """One form for all architectures of the space that are the same network, so that repeats are found.

        It is equal for these and its own canonical form; it need not belong to the space, and is for comparing only.
        Where no two architectures of a space are the same network, it is the architecture itself.

        Args:
            architecture: one of the space.
        """

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """A neighbour: an architecture of the space that is another network, by a small change.

        Every architecture of the space should be reachable by mutations from every other.

        Args:
            architecture: one of the space.
            rng: source of randomness, the only one: the same state gives the same neighbour.

        Raises:
            SettingError: if the space does not contain the architecture.
        """

    def suggest(self, suggester: Suggester) -> Architecture:
        """Makes an architecture from parameters that it asks for, one after another.

        Which parameters it asks for may depend on the values before (the inputs of a fourth node only if there is
        one). But a name has the same choices, or the same range, each time: Optuna refuses to change them in a study.
        Choices are texts, numbers, True, False or None.

        Args:
            suggester: an Optuna trial, or :class:`Parameters` with known values.

        Raises:
            ArchitectureError: if the space rejects what these values make. A study counts such a trial as failed.
        """

    def parameters(self, architecture: Architecture) -> dict[str, Any]:
        """The values by name from which :meth:`suggest` makes this network again.

        ``space.suggest(Parameters(space.parameters(a)))`` has the same canonical form as ``a``, and asks for exactly
        these names.

        Raises:
            SettingError: if the space does not contain the architecture.
        """


def checked_member(space: SearchSpace, architecture: object) -> Architecture:
    """The architecture.

    Raises:
        SettingError: if the space does not contain it.
    """
    if not isinstance(architecture, Architecture) or not space.contains(architecture):
        shown = architecture if isinstance(architecture, Architecture) else short(architecture)
        raise SettingError(f"The space {space!r} does not contain the architecture {shown}.")
    return architecture
