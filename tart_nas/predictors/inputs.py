"""What a kind of predictor gets to see of architectures."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.genotype import Genotype
from tart_nas.layout import parameter_count
from tart_nas.tokens import CellTokens
from tart_nas.tokens.parameter_counts import parameter_counts

if TYPE_CHECKING:
    from tart_nas.graphs import ComputationalGraph

__all__ = ["PredictorInputs", "checked", "row_chunks"]


@dataclass(frozen=True, eq=False)
class PredictorInputs:
    """Architectures, their cell tokens and, for the kinds that ask for them, their graphs.

    Args:
        given: n architectures, or their cell tokens.
    """

    given: Sequence[Architecture] | CellTokens

    def __len__(self) -> int:
        return len(self.given)

    @cached_property
    def architectures(self) -> Sequence[Architecture]:
        """The architectures; of tokens, such as are equal to them."""
        return self.given.architectures() if isinstance(self.given, CellTokens) else self.given

    @cached_property
    def tokens(self) -> CellTokens:
        """The architectures as cell tokens; errors are those of :meth:`CellTokens.encode`."""
        return self.given if isinstance(self.given, CellTokens) else CellTokens.encode(self.given)

    @cached_property
    def parameters(self) -> npt.NDArray[np.float64]:
        """(n,) numbers of parameters, for 10 classes on 32x32 images."""
        if isinstance(self.given, CellTokens):
            return parameter_counts(self.given)
        # Not by way of tokens, for which some architectures are too large: counts have no such limit.
        return np.array([float(parameter_count(architecture)) for architecture in self.given])

    @cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """(n,) log2 of the numbers of parameters."""
        return np.log2(self.parameters)

    def graphs(self) -> Iterator["ComputationalGraph"]:
        """The graph of each architecture, made when it is asked for."""
        from tart_nas.graphs import ComputationalGraph  # here, since it imports PyTorch

        return map(ComputationalGraph.from_architecture, self.architectures)

    def take(self, rows: npt.NDArray[np.integer]) -> "PredictorInputs":
        """The architectures of some rows (k,)."""
        if isinstance(self.given, CellTokens):
            return PredictorInputs(self.given.take(rows))
        return PredictorInputs([self.given[row] for row in rows.tolist()])


def checked(given: Any) -> Sequence[Architecture] | CellTokens:
    """What was given, if a predictor can read it.

    Raises:
        PredictorError: if it is neither a sequence of architectures nor cell tokens.
    """
    if isinstance(given, CellTokens):
        return given
    expected = "`architectures` must be a list of Architecture objects (or their CellTokens)"
    if isinstance(given, Architecture):
        raise PredictorError(f"{expected}, but got a single Architecture: put it into a list.")
    # Whatever has a length and can be indexed, since a generator would be used up by the first look.
    is_sequence = hasattr(given, "__len__") and hasattr(given, "__getitem__")
    if isinstance(given, str | bytes | Mapping) or not is_sequence:
        what = repr(given) if isinstance(given, str | int | None) else f"a {type(given).__name__}"
        raise PredictorError(f"{expected}, but got {what}.")
    wrong = next(((i, item) for i, item in enumerate(given) if not isinstance(item, Architecture)), None)
    if wrong is not None:
        number, item = wrong
        hint = ": Architecture(genotype, n_cells=8) puts its cells into a network" if isinstance(item, Genotype) else ""
        raise PredictorError(f"{expected}, but item {number} is a {type(item).__name__}{hint}.")
    return given  # type: ignore[no-any-return]


def row_chunks(n: int, size: int) -> list[npt.NDArray[np.int64]]:
    """The rows from 0 to n - 1, up to so many at a time."""
    return [np.arange(first, min(first + size, n)) for first in range(0, n, size)]
