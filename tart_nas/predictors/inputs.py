"""What a kind of predictor gets to see of architectures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.parameter_formula import parameter_formula
from tart_nas.tokens import CellTokens

if TYPE_CHECKING:
    from tart_nas.graphs import ComputationalGraph

__all__ = ["PredictorInputs"]


@dataclass(frozen=True, eq=False)
class PredictorInputs:
    """Architectures, their cell tokens and, for the kinds that ask for them, their graphs.

    Args:
        architectures: n of them.
    """

    architectures: Sequence[Architecture]

    def __len__(self) -> int:
        return len(self.architectures)

    @cached_property
    def tokens(self) -> CellTokens:
        """The architectures as cell tokens; errors are those of :meth:`CellTokens.encode`."""
        return CellTokens.encode(self.architectures)

    @cached_property
    def sizes(self) -> npt.NDArray[np.float64]:
        """(n,) log2 of the number of parameters, for 10 classes on 32x32 images."""
        return np.log2([float(parameter_formula(architecture)) for architecture in self.architectures])

    def graphs(self) -> Iterator["ComputationalGraph"]:
        """The graph of each architecture, made when it is asked for."""
        from tart_nas.graphs import ComputationalGraph  # here, since it imports PyTorch

        return map(ComputationalGraph.from_architecture, self.architectures)

    def take(self, rows: npt.NDArray[np.integer]) -> "PredictorInputs":
        """The architectures of some rows (k,)."""
        return PredictorInputs([self.architectures[row] for row in rows.tolist()])
