"""Architectures as rows of symbol numbers, and back."""

from collections.abc import Iterable, Sequence

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.generators.model import PADDING, Ints
from tart_nas.strings import Language

__all__ = ["Vocabulary"]


class Vocabulary:
    """The symbols of a language by number; where lengths vary, the last number is the end of a string.

    Args:
        language: of a space.

    Attributes:
        has_end: whether lengths vary.
        size: number of symbols, the end included.
        length: of a row, T.
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self.has_end = language.length is None
        self.size = len(language.alphabet) + self.has_end
        self.length = language.max_length + self.has_end
        self._numbers = {symbol: number for number, symbol in enumerate(language.alphabet)}

    def rows(self, architectures: Sequence[Architecture]) -> Ints:
        """The symbols of n architectures of the space, ``(n, T)``.

        They are those of the canonical form, where the space contains that, so that a model need not learn that nodes
        may come in any order.
        """
        rows = np.full((len(architectures), self.length), PADDING, dtype=np.int64)
        space = self.language.space
        for row, architecture in zip(rows, architectures, strict=True):
            form = space.canonical(architecture)
            symbols = self.language.symbols(form if space.contains(form) else architecture)
            numbers = [self._numbers[symbol] for symbol in symbols]
            row[: len(numbers)] = numbers
            if self.has_end:
                row[len(numbers)] = self.size - 1
        return rows

    def architectures(self, rows: Ints) -> Iterable[Architecture]:
        """The networks of rows without end symbols."""
        for row in rows.tolist():
            yield self.language.architecture([self.language.alphabet[number] for number in row if number != PADDING])
