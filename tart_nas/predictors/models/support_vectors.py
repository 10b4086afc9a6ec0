"""Support vector regression with a Gaussian kernel, as arrays: fitted by scikit-learn (LIBSVM), predicted without it.

Drucker et al., "Support Vector Regression Machines", NeurIPS 1996. What is predicted comes from the support vectors
alone, so that a checkpoint needs no object of scikit-learn.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.svm import SVR

from tart_nas.checks import MOST_SEED
from tart_nas.predictors.checkpoint import Arrays

__all__ = ["fitted_arrays", "folds_of", "predicted", "shapes"]

Floats = npt.NDArray[np.float64]

_FOLDS = 5


def folds_of(targets: Floats, seed: int) -> KFold:
    """The folds that residuals, and settings, are found with."""
    return KFold(min(_FOLDS, len(targets)), shuffle=True, random_state=seed % (MOST_SEED + 1))  # an ensemble adds to it


def fitted_arrays(settings: dict[str, Any], rows: Floats, targets: Floats, folds: KFold) -> Arrays:
    """Fits a regression.

    Args:
        settings: of scikit-learn's ``SVR``.
        rows: features (n, k).
        targets: (n,).
        folds: for the residuals.

    Returns:
        The support vectors and what is known of them; ``std`` is the root mean square of what a cross-validation leaves
        unexplained.
    """
    model = SVR(**settings)
    residuals = targets - cross_val_predict(model, rows, targets, cv=folds)
    model.fit(rows, targets)
    return {
        "intercept": np.asarray(model.intercept_, dtype=np.float64),
        "std": np.sqrt([np.mean(residuals**2)]),
        "vectors": model.support_vectors_,
        "weights": model.dual_coef_[0],
    }


def predicted(arrays: Arrays, gamma: float, rows: Floats) -> Floats:
    """The predictions (m,) for rows (m, k)."""
    vectors = arrays["vectors"]
    # By |x - v|^2 = |x|^2 + |v|^2 - 2 xv: one product of matrices. Rounding may leave less than 0 of it.
    distances = (rows**2).sum(axis=1)[:, None] + (vectors**2).sum(axis=1) - 2 * rows @ vectors.T
    means: Floats = np.exp(-gamma * np.maximum(distances, 0)) @ arrays["weights"] + arrays["intercept"]
    return means


def shapes(arrays: Arrays, k: int) -> dict[str, tuple[int, ...]]:
    """The shapes that the arrays must have for k features, however many vectors there are."""
    n = arrays["weights"].size if "weights" in arrays else 0
    return {"intercept": (1,), "std": (1,), "vectors": (n, k), "weights": (n,)}
