"""A score that needs no labels, and the line through labels over it."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import Regressor

__all__ = ["Score"]

Floats = npt.NDArray[np.float64]


class Score(Regressor):
    """Predicts a score as it is, which is enough to rank; fitted, the line through the targets over that score."""

    needs_labels = False

    def __init__(self) -> None:
        self._line: Floats = np.array([1.0, 0.0, np.nan])  # slope, intercept, standard deviation around it

    @property
    def settings(self) -> dict[str, Any]:
        """None; kinds that have some override this."""
        return {}

    @abstractmethod
    def scores(self, inputs: PredictorInputs) -> Floats:
        """The scores (n,) of n architectures, higher is better."""

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        scores = self.scores(inputs)
        deviations = scores - scores.mean()
        # 1e-12 for architectures that all have one score, where the slope is 0.
        slope = float(deviations @ targets / max(deviations @ deviations, 1e-12))
        intercept = float(targets.mean() - slope * scores.mean())
        self._line = np.array([slope, intercept, float((targets - slope * scores - intercept).std())])
        advance(1.0)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        slope, intercept, std = self._line
        return slope * self.scores(inputs) + intercept, np.full(len(inputs), std)

    def arrays(self) -> Arrays:  # noqa: D102
        return {"line": self._line}

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        if arrays.keys() != {"line"} or arrays["line"].shape != (3,):
            raise ValueError("other arrays than those of a score without labels")
        self._line = arrays["line"]
