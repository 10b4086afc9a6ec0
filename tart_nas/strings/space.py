"""A search space whose neighbours, children and parameters are those of its strings."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.checks import one_of
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, Suggester
from tart_nas.search_spaces.source import checked_member
from tart_nas.strings.language import Language

__all__ = ["StringSpace"]

_BASES = {"darts": DartsSpace, "deepnets1m": DeepNets1MSpace}
_BLANK = ""  # of a parameter: no symbol at this place


class StringSpace:
    """The networks of a space, changed and suggested symbol by symbol.

    Channels are no symbols: mutations and children have those of their (first) parent, or as many as attention needs.
    What :meth:`suggest` makes has 32 in a split of DeepNets-1M, and in the DARTS space those of the space.

    Evolution and Optuna studies take it as any search space::

        evolve(StringSpace("darts"), predictor.predict, 20_000, seed=0, crossover=0.5)
        suggest_architecture(trial, StringSpace("deepnets1m", split="search"))

    Args:
        base: ``"darts"`` or ``"deepnets1m"``.
        **settings: of that space.

    Attributes:
        base: the space.
        language: that of the space.

    Raises:
        SettingError: for another base, or settings that its space refuses.
    """

    name = "strings"

    def __init__(self, base: str = "darts", **settings: Any) -> None:
        one_of("base", base, _BASES)
        self.base: DartsSpace | DeepNets1MSpace = _BASES[base](**settings)
        self.language = Language(self.base)

    def __repr__(self) -> str:
        return f"StringSpace({self.base!r})"

    @property
    def settings(self) -> dict[str, Any]:
        """The base's name and its settings; ``StringSpace(**settings)`` is this space."""
        return {"base": self.base.name, **self.base.settings}

    def sample(self, n: int, seed: int) -> list[Architecture]:
        """The sample of the base."""
        return self.base.sample(n, seed)

    def contains(self, architecture: object) -> bool:
        """Whether the base contains the architecture."""
        return self.base.contains(architecture)

    def canonical(self, architecture: Architecture) -> Architecture:
        """The canonical form in the base."""
        return self.base.canonical(architecture)

    def mutate(self, architecture: Architecture, rng: np.random.Generator) -> Architecture:
        """Changes one symbol (:meth:`Language.mutated`), again until it is another network.

        Raises:
            SettingError: if the space does not contain the architecture.
        """
        symbols = self.language.symbols(checked_member(self, architecture))
        parent = self.canonical(architecture)
        while True:
            child = self.language.architecture(self.language.mutated(symbols, rng), architecture.C)
            if self.canonical(child) != parent:
                return child

    def mutants(self, parents: Sequence[Architecture], n: int, rng: np.random.Generator) -> list[Architecture]:
        """n mutations of random parents, of which a few may be the same networks, or a parent's.

        Raises:
            SettingError: if the space does not contain a parent.
        """
        # Once for each parent, which many mutations are of.
        strings = [self.language.symbols(checked_member(self, parent)) for parent in parents]
        rows = rng.integers(len(strings), size=n).tolist()
        return [self.language.architecture(self.language.mutated(strings[row], rng), parents[row].C) for row in rows]

    def crossover(self, first: Architecture, second: Architecture, rng: np.random.Generator) -> Architecture:
        """A child of two architectures (:meth:`Language.crossed`), which may be one of them.

        Raises:
            SettingError: if the space does not contain one of them.
        """
        strings = [self.language.symbols(checked_member(self, parent)) for parent in (first, second)]
        return self.language.architecture(self.language.crossed(strings[0], strings[1], rng), first.C)

    def suggest(self, suggester: Suggester) -> Architecture:
        """Makes an architecture of one categorical parameter per position: ``symbol0``, ``symbol1``, ...

        All have the same choices, the alphabet; where lengths vary also "", which is no symbol.
        """
        choices = self.language.alphabet if self.language.length is not None else (_BLANK, *self.language.alphabet)
        names = (f"symbol{place}" for place in range(self.language.max_length))
        symbols = [suggester.suggest_categorical(name, choices) for name in names]
        return self.language.architecture([symbol for symbol in symbols if symbol != _BLANK])

    def parameters(self, architecture: Architecture) -> dict[str, Any]:
        """The parameters that :meth:`suggest` makes the network from, at 32 channels in a split of DeepNets-1M.

        Raises:
            SettingError: if the space does not contain the architecture.
        """
        symbols = self.language.symbols(checked_member(self, architecture))
        blanks = [_BLANK] * (self.language.max_length - len(symbols))
        return {f"symbol{place}": symbol for place, symbol in enumerate([*symbols, *blanks])}
