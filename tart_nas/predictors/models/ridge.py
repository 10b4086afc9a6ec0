"""Ridge regression on operation counts: a baseline that is hard to beat with few labels, and costs nothing."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.checks import number
from tart_nas.operations import CELL_OPS
from tart_nas.predictors.cell_features import operation_counts
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import Regressor
from tart_nas.tokens import TOKEN_SCHEME

__all__ = ["Ridge"]

Floats = npt.NDArray[np.float64]

_COLUMNS = 4 * len(CELL_OPS)


class Ridge(Regressor):
    """Bayesian linear regression on :func:`operation_counts`.

    Args:
        strength: prior precision of the weights over that of the targets' noise, above 0.

    Raises:
        SettingError: if ``strength`` is not.
    """

    token_scheme = TOKEN_SCHEME

    def __init__(self, strength: float = 1.0) -> None:
        number("strength", strength, above=0)
        self.strength = strength
        self._center: Floats = np.zeros(_COLUMNS)
        self._weights: Floats = np.zeros(_COLUMNS)
        self._covariance: Floats = np.zeros((_COLUMNS, _COLUMNS))
        self._noise: Floats = np.zeros(1)  # variance of the targets around the prediction

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {"strength": self.strength}

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        counts = operation_counts(inputs.tokens)
        self._center = counts.mean(axis=0)
        centered = counts - self._center
        self._covariance = np.asarray(
            np.linalg.inv(centered.T @ centered + self.strength * np.eye(_COLUMNS)), dtype=np.float64
        )
        self._weights = self._covariance @ centered.T @ targets
        freedom = float(np.einsum("ni,ij,nj->", centered, self._covariance, centered))  # effective parameters
        residuals = targets - centered @ self._weights
        self._noise = np.array([residuals @ residuals / max(1.0, len(targets) - freedom)])
        advance(1.0)

    def predict(  # noqa: D102
        self, inputs: PredictorInputs
    ) -> tuple[Floats, Floats]:
        centered = operation_counts(inputs.tokens) - self._center
        leverage = np.einsum("ni,ij,nj->n", centered, self._covariance, centered, optimize=True)
        return centered @ self._weights, np.sqrt(self._noise * (1 + leverage))

    def arrays(self) -> Arrays:  # noqa: D102
        return {
            "center": self._center,
            "covariance": self._covariance,
            "noise": self._noise,
            "weights": self._weights,
        }

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        shapes = {name: array.shape for name, array in self.arrays().items()}
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise ValueError("other arrays than those of ridge regression")
        self._center, self._covariance = arrays["center"], arrays["covariance"]
        self._noise, self._weights = arrays["noise"], arrays["weights"]
