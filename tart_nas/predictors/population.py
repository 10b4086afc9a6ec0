"""The architectures that a predictor may be asked about, as far as a correction of it must know them: their spread."""

from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from tart_nas.predictors.cell_features import BLOCKS, COLUMNS, block_scales, feature_chunks
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs

__all__ = ["MAX_POPULATION", "Population"]

Floats = npt.NDArray[np.float64]

MAX_POPULATION = 1500
"""Most architectures of a population that are looked at: a standard deviation of 1,500 is known to 2 %."""


_COLUMNS_BEFORE = BLOCKS["size"].stop
"""Features in files of version 0.2; those that came later stand behind them."""


@dataclass(frozen=True, eq=False)
class Population:
    """Centre and spread of a predictor's predictions, and of the features of cells, over many architectures.

    A search labels the architectures that its predictor puts first. Their predictions are nearly equal, and so are
    their features: what one unit of either means must come from the architectures that are still to be ranked.

    Attributes:
        mean: of the predictions, in the predictor's standardised unit.
        spread: their standard deviation; 1 where they are all equal.
        center: (:data:`~tart_nas.predictors.cell_features.COLUMNS`,) means of the features; fewer in old files.
        scales: likewise, what to divide them by (:func:`~tart_nas.predictors.cell_features.block_scales`).
    """

    mean: float
    spread: float
    center: Floats
    scales: Floats

    @classmethod
    def of(cls, inputs: PredictorInputs, predictions: Floats) -> "Population":
        """Of n architectures, at least 1, and their predictions (n,)."""
        features = np.concatenate(list(feature_chunks(inputs)))
        spread = float(predictions.std()) if np.ptp(predictions) > 0 else 1.0
        return cls(float(predictions.mean()), spread, features.mean(axis=0), block_scales(features))

    @property
    def arrays(self) -> Arrays:
        """All there is, by name."""
        return {name: np.atleast_1d(value) for name, value in asdict(self).items()}

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> "Population":
        """Reads :attr:`arrays`.

        Raises:
            ValueError: if they are none.
        """
        width = _COLUMNS_BEFORE if len(arrays.get("center", ())) == _COLUMNS_BEFORE else COLUMNS
        shapes = {"mean": (1,), "spread": (1,), "center": (width,), "scales": (width,)}
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise ValueError("other arrays than those of a population")
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise ValueError("other values in the arrays than those of a population")
        if not (arrays["spread"] > 0 and (arrays["scales"] > 0).all()):
            raise ValueError("other values in the arrays than those of a population")
        return cls(arrays["mean"].item(), arrays["spread"].item(), arrays["center"], arrays["scales"])
