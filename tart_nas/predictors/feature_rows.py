"""Networks in the two forms of which an update makes features: cells as their tokens, any networks as labelled nodes.

An update keeps its networks in this form, with their labels, and makes the features anew: those of graphs depend on the
population, whose labels of nodes are the ones that are counted.
"""

from collections.abc import Hashable
from dataclasses import dataclass, fields
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tart_nas.predictors.cell_features import FEATURE_CHUNK, cell_features
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.graph_features import GraphVocabulary, LabelledNodes
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.labelled_rows import checked_rows
from tart_nas.tokens import TOKEN_SCHEME, CellTokens

__all__ = ["ROWS", "CellRows", "FeatureRows", "GraphRows"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CellRows:
    """n architectures.

    Attributes:
        tokens: of their cells.
        sizes: (n,) of :attr:`PredictorInputs.sizes`.
    """

    tokens: CellTokens
    sizes: Floats

    scheme: ClassVar[str] = TOKEN_SCHEME
    chunk: ClassVar[int] = FEATURE_CHUNK

    @classmethod
    def of(cls, inputs: PredictorInputs) -> Self:
        """Those of inputs, of which none may be a graph.

        Raises:
            PredictorError: if one is.
        """
        return cls(inputs.tokens, inputs.sizes)

    def __len__(self) -> int:
        return len(self.sizes)

    def take(self, rows: npt.NDArray[np.integer]) -> Self:
        """Those of some rows (k,)."""
        return type(self)(self.tokens.take(rows), self.sizes[rows])

    def joined(self, others: Self) -> Self:
        """These, and others behind them."""
        return type(self)(self.tokens.joined(others.tokens), np.concatenate([self.sizes, others.sizes]))

    def networks(self) -> list[Hashable]:
        """The n networks, which are equal where two rows are of the same."""
        return [*self.tokens.architectures()]

    def features(self, vocabulary: GraphVocabulary | None, device: torch.device | str = "cpu") -> Tensor:
        """(n, columns) float64 of :func:`cell_features`, which need no vocabulary."""
        return cell_features(self.tokens, self.sizes, device)

    def arrays(self) -> Arrays:
        """All there is, by name."""
        tokens: Arrays = {field.name: getattr(self.tokens, field.name) for field in fields(CellTokens)}
        return tokens | {"sizes": self.sizes}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Reads :meth:`arrays`.

        Raises:
            ValueError: if they are none.
        """
        return cls(checked_rows(arrays, ("sizes",)), arrays["sizes"])


@dataclass(frozen=True, eq=False)
class GraphRows:
    """n networks of any kind.

    Attributes:
        nodes: of their graphs.
    """

    nodes: LabelledNodes

    scheme: ClassVar[str] = "graph features/1"
    chunk: ClassVar[int] = 256  # as many as gp-graph reads at once

    @classmethod
    def of(cls, inputs: PredictorInputs) -> Self:
        """Those of inputs."""
        return cls(LabelledNodes.of(list(inputs.graphs())))

    def __len__(self) -> int:
        return len(self.nodes)

    def take(self, rows: npt.NDArray[np.integer]) -> Self:
        """Those of some rows (k,)."""
        return type(self)(self.nodes.take(rows))

    def joined(self, others: Self) -> Self:
        """These, and others behind them."""
        return type(self)(self.nodes.joined(others.nodes))

    def networks(self) -> list[Hashable]:
        """As of cells: all that is kept of each graph."""
        rows = (self.nodes.take(np.array([row])).arrays() for row in range(len(self)))
        return [tuple(arrays[name].tobytes() for name in sorted(arrays)) for arrays in rows]

    def features(self, vocabulary: GraphVocabulary | None, device: torch.device | str = "cpu") -> Tensor:
        """(n, columns) float64 of a vocabulary, see :meth:`GraphVocabulary.features`."""
        assert vocabulary is not None
        return torch.from_numpy(vocabulary.features(self.nodes)).to(device)

    def arrays(self) -> Arrays:
        """All there is, by name."""
        return self.nodes.arrays()

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Self:
        """Reads :meth:`arrays`.

        Raises:
            ValueError: if they are none.
        """
        return cls(LabelledNodes.from_arrays(arrays))


FeatureRows = CellRows | GraphRows

ROWS: dict[str, type[CellRows] | type[GraphRows]] = {"cells": CellRows, "graphs": GraphRows}
"""By what an update reads."""
