"""How large a network is, as a predictor of how good it is: the baselines that need no training.

Unfitted, they predict the decimal logarithm of the count, which is enough to rank. Fitted, the line through the targets
over that logarithm.
"""

import numpy as np
import numpy.typing as npt

from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.line import Score

__all__ = ["FlopCount", "ParameterCount"]

Floats = npt.NDArray[np.float64]


class ParameterCount(Score):
    """The number of parameters, for 10 classes on 32x32 images."""

    token_scheme = "parameters/1"
    reads_graphs = True

    def scores(self, inputs: PredictorInputs) -> Floats:  # noqa: D102
        return np.log10(inputs.parameters)


class FlopCount(Score):
    """The multiply-accumulate operations for one 32x32 image (:attr:`ComputationalGraph.macs`)."""

    token_scheme = "macs/1"
    reads_graphs = True

    def scores(self, inputs: PredictorInputs) -> Floats:  # noqa: D102
        return np.log10([float(graph.macs) for graph in inputs.graphs()])
