"""How large a network is, as a predictor of how good it is: the baselines that need no training.

Unfitted, they predict the decimal logarithm of the count, which is enough to rank. Fitted, the line through the targets
over that logarithm.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import Regressor

__all__ = ["FlopCount", "ParameterCount"]

Floats = npt.NDArray[np.float64]


class _Count(Regressor):
    needs_labels = False

    def __init__(self) -> None:
        self._line: Floats = np.array([1.0, 0.0, np.nan])  # slope, intercept, standard deviation around it

    @abstractmethod
    def _counts(self, inputs: PredictorInputs) -> Floats: ...

    @property
    def settings(self) -> dict[str, Any]:
        return {}

    def fit(
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        logs = np.log10(self._counts(inputs))
        deviations = logs - logs.mean()
        # 1e-12 for architectures that are all of one size, where the slope is 0.
        slope = float(deviations @ targets / max(deviations @ deviations, 1e-12))
        intercept = float(targets.mean() - slope * logs.mean())
        self._line = np.array([slope, intercept, float((targets - slope * logs - intercept).std())])
        advance(1.0)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:
        slope, intercept, std = self._line
        return slope * np.log10(self._counts(inputs)) + intercept, np.full(len(inputs), std)

    def arrays(self) -> Arrays:
        return {"line": self._line}

    def restore(self, arrays: Arrays) -> None:
        if arrays.keys() != {"line"} or arrays["line"].shape != (3,):
            raise ValueError("other arrays than those of a count")
        self._line = arrays["line"]


class ParameterCount(_Count):
    """The number of parameters, for 10 classes on 32x32 images."""

    token_scheme = "parameters/1"

    def _counts(self, inputs: PredictorInputs) -> Floats:
        return inputs.parameters


class FlopCount(_Count):
    """The multiply-accumulate operations for one 32x32 image (:attr:`ComputationalGraph.macs`)."""

    token_scheme = "macs/1"

    def _counts(self, inputs: PredictorInputs) -> Floats:
        return np.array([float(graph.macs) for graph in inputs.graphs()])
