"""The architectures that a predictor may be asked about, as far as a correction of it must know them: their spread."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tart_nas.predictors.cell_features import BLOCKS, COLUMNS, block_scales, feature_chunks
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.graph_features import GraphVocabulary, LabelledNodes
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.graph_process import graph_kernel
from tart_nas.predictors.models.kernel import CellKernel

__all__ = ["MAX_POPULATION", "Population"]

Floats = npt.NDArray[np.float64]

MAX_POPULATION = 1500
"""Most architectures of a population that are looked at: a standard deviation of 1,500 is known to 2 %."""


_COLUMNS_BEFORE = BLOCKS["size"].stop
"""Features in files of version 0.2; those that came later stand behind them."""


@dataclass(frozen=True, eq=False)
class Population:
    """Centre and spread of a predictor's predictions, and of the features of networks, over many of them.

    A search labels the architectures that its predictor puts first. Their predictions are nearly equal, and so are
    their features: what one unit of either means must come from the architectures that are still to be ranked.

    Attributes:
        mean: of the predictions, in the predictor's standardised unit.
        spread: their standard deviation; 1 where they are all equal.
        center: (columns,) means of the features: :data:`~tart_nas.predictors.cell_features.COLUMNS` of cells, fewer in
            old files, or those of the vocabulary.
        scales: likewise, what to divide them by (:func:`~tart_nas.predictors.cell_features.block_scales`).
        vocabulary: of the features of graphs; None of cells.
    """

    mean: float
    spread: float
    center: Floats
    scales: Floats
    vocabulary: GraphVocabulary | None = None

    @classmethod
    def of(cls, inputs: PredictorInputs, predictions: Floats) -> "Population":
        """Of n architectures, at least 1, and their predictions (n,)."""
        return cls.of_features(np.concatenate(list(feature_chunks(inputs))), predictions)

    @classmethod
    def of_graphs(cls, inputs: PredictorInputs, predictions: Floats) -> "Population":
        """Of the graphs of n networks, at least 1, and their predictions (n,)."""
        nodes = LabelledNodes.of(list(inputs.graphs()))
        vocabulary = GraphVocabulary.of(nodes)
        return cls.of_features(vocabulary.features(nodes), predictions, vocabulary)

    @classmethod
    def of_features(
        cls, features: Floats, predictions: Floats, vocabulary: GraphVocabulary | None = None
    ) -> "Population":
        """Of features (n, columns), those of the vocabulary or of cells, and predictions (n,)."""
        spread = float(predictions.std()) if np.ptp(predictions) > 0 else 1.0
        scales = block_scales(features, BLOCKS if vocabulary is None else vocabulary.blocks)
        return cls(float(predictions.mean()), spread, features.mean(axis=0), scales, vocabulary)

    def kernel(self, linear: bool) -> CellKernel:
        """The kernel of a correction, which has seen no labels.

        Args:
            linear: whether it has linear summands.
        """
        if self.vocabulary is None:
            return CellKernel.without_labels(self.center, self.scales, linear)
        return graph_kernel(self.center, self.scales, self.vocabulary, linear)

    @property
    def arrays(self) -> Arrays:
        """All there is, by name."""
        numbers: Arrays = {"mean": np.array([self.mean]), "spread": np.array([self.spread])}
        labels = {} if self.vocabulary is None else self.vocabulary.arrays()
        return numbers | {"center": self.center, "scales": self.scales} | labels

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Population":
        """Reads :attr:`arrays`.

        Raises:
            ValueError: if they are none.
        """
        numbers = {name: array for name, array in arrays.items() if not name.startswith("labels of ")}
        vocabulary = None if len(numbers) == len(arrays) else GraphVocabulary.from_arrays(arrays)
        if vocabulary is not None:
            width = max(block.stop for block in vocabulary.blocks.values())
        else:
            width = _COLUMNS_BEFORE if len(arrays.get("center", ())) == _COLUMNS_BEFORE else COLUMNS
        shapes = {"mean": (1,), "spread": (1,), "center": (width,), "scales": (width,)}
        if {name: array.shape for name, array in numbers.items()} != shapes:
            raise ValueError("other arrays than those of a population")
        if not all(np.isfinite(array).all() for array in numbers.values()):
            raise ValueError("other values in the arrays than those of a population")
        if not (arrays["spread"] > 0 and (arrays["scales"] > 0).all()):
            raise ValueError("other values in the arrays than those of a population")
        return cls(arrays["mean"].item(), arrays["spread"].item(), arrays["center"], arrays["scales"], vocabulary)
