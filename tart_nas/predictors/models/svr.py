"""Support vector regression on the features of cells."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.checks import number
from tart_nas.predictors.cell_features import COLUMNS, block_scales, cell_features, differing_columns, feature_chunks
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models import support_vectors
from tart_nas.predictors.models.regressor import Regressor
from tart_nas.tokens import TOKEN_SCHEME

__all__ = ["SupportVectors"]

Floats = npt.NDArray[np.float64]


class SupportVectors(Regressor):
    """Support vector regression with a Gaussian kernel on :func:`cell_features`, each block scaled to variance 1.

    The standard deviation is the same for all architectures: the root mean square of what a 5-fold cross-validation on
    the training set leaves unexplained.

    Args:
        C: weight of the errors against the smoothness, above 0.
        epsilon: error, in standard deviations of the targets, that costs nothing; at least 0.
        gamma: how fast the kernel falls with the squared distance, which is 16 on average; above 0.

    Raises:
        SettingError: if a setting is outside its range.
    """

    token_scheme = TOKEN_SCHEME

    def __init__(self, C: float = 10.0, epsilon: float = 0.1, gamma: float = 0.01) -> None:
        number("C", C, above=0)
        number("epsilon", epsilon, 0)
        number("gamma", gamma, above=0)
        self.C, self.epsilon, self.gamma = C, epsilon, gamma
        self._arrays: Arrays = {}

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {"C": self.C, "epsilon": self.epsilon, "gamma": self.gamma}

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        features = cell_features(inputs.tokens, inputs.sizes).numpy()
        columns = differing_columns(features)
        center, scales = features.mean(axis=0)[columns], block_scales(features)[columns]
        rows = (features[:, columns] - center) / scales
        arrays = support_vectors.fitted_arrays(self.settings, rows, targets, support_vectors.folds_of(targets, seed))
        self._arrays = {"center": center, "columns": columns, "scales": scales, **arrays}
        advance(1.0)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        a = self._arrays
        means = []
        for features in feature_chunks(inputs):
            rows = (features[:, a["columns"]] - a["center"]) / a["scales"]
            means.append(support_vectors.predicted(a, self.gamma, rows))
        return np.concatenate(means), np.full(len(inputs), a["std"][0])

    def arrays(self) -> Arrays:  # noqa: D102
        return self._arrays

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        k = arrays["columns"].size if "columns" in arrays else 0
        shapes = {name: (k,) for name in ("columns", "center", "scales")} | support_vectors.shapes(arrays, k)
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise ValueError("other arrays than those of support vector regression")
        # An index from a file is checked before it is used: a negative one would silently take another column.
        if arrays["columns"].dtype != np.int64 or not ((arrays["columns"] >= 0) & (arrays["columns"] < COLUMNS)).all():
            raise ValueError("other columns than those of the features of cells")
        self._arrays = dict(arrays)
