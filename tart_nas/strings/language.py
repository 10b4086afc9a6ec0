"""The language of a search space: its alphabet, the symbols of its networks, and small changes of them."""

from collections.abc import Sequence

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.operations import CELL_OPS, NASBENCH301_OPS
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.search_spaces.deepnets1m_sampling import CHOICES, RULES
from tart_nas.strings.decoding import decode, encode
from tart_nas.symbols import INNER, REDUCE, edge_symbol, setting_symbol, split

__all__ = ["Language"]

Symbols = list[str]

_DARTS_EDGES = 16  # two cells of four nodes of two edges


class Language:
    """The strings of a space, as far as its networks differ: what the space fixes is left out, and so are channels.

    Strings of the DARTS space are 16 edges of 35 symbols: the reduction cell begins where the normal one is full.
    Those of a split of DeepNets-1M differ in length.

    Args:
        space: a DartsSpace or a DeepNets1MSpace.

    Attributes:
        space: that space.
        alphabet: the symbols.
        length: of every string; None where it varies.
        max_length: of the longest string of a network.

    Raises:
        SettingError: if it is another space.
    """

    def __init__(self, space: DartsSpace | DeepNets1MSpace) -> None:
        decode([], space)  # which refuses other spaces
        self.space = space
        if isinstance(space, DartsSpace):
            self.alphabet = _edges(NASBENCH301_OPS, 5)
            self.length: int | None = _DARTS_EDGES
            self.max_length = _DARTS_EDGES
        else:
            most = RULES[space.split].steps[2]
            cells = range(RULES[space.split].n_cells[0], RULES[space.split].n_cells[1] + 1)
            settings = {"n_cells": cells, **CHOICES}
            named = tuple(setting_symbol(name, value) for name, values in settings.items() for value in values)
            self.alphabet = (*_edges(CELL_OPS, most + 1), REDUCE, INNER, *named)
            self.length = None
            self.max_length = 2 * 3 * most + 1 + len(settings)  # nodes of two edges and [inner], [reduce], settings
        self._known = frozenset(self.alphabet)

    def symbols(self, architecture: Architecture) -> Symbols:
        """The symbols of an architecture of the space; of settings those that are not the default.

        Channels are not among them: the rules of a split of DeepNets-1M do not tell them.
        """
        return [symbol for symbol in split(encode(architecture)) if symbol in self._known]

    def architecture(self, symbols: Sequence[str], C: int | None = None) -> Architecture:
        """The network of any sequence of symbols, always one of the space.

        Args:
            symbols: of the alphabet.
            C: channels in a split of DeepNets-1M, more where attention needs them; None for 32. The DARTS space has its
                own.
        """
        return decode(symbols if C is None else [*symbols, setting_symbol("C", C)], self.space)

    def mutated(self, symbols: Sequence[str], rng: np.random.Generator) -> Symbols:
        """The symbols with one of them replaced; where lengths vary, also inserted or deleted, once in ten each."""
        changed = list(symbols)
        kind = 0.0 if self.length is not None else rng.random()
        symbol = self.alphabet[rng.integers(len(self.alphabet))]
        if kind >= 0.9 or not changed:
            changed.insert(int(rng.integers(len(changed) + 1)), symbol)
        elif kind >= 0.8:
            del changed[int(rng.integers(len(changed)))]
        else:
            changed[int(rng.integers(len(changed)))] = symbol
        return changed

    def crossed(self, first: Sequence[str], second: Sequence[str], rng: np.random.Generator) -> Symbols:
        """The beginning of the first string and the end of the second, cut at one random place."""
        place = int(rng.integers(1, max(2, min(len(first), len(second)))))
        return [*first[:place], *second[place:]]


def _edges(ops: Sequence[str], n_inputs: int) -> tuple[str, ...]:
    return tuple(edge_symbol(op, source) for op in ops for source in range(n_inputs))
