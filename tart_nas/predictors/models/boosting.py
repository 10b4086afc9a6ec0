"""Gradient boosting of regression trees on the features of cells.

Friedman, "Stochastic Gradient Boosting", Computational Statistics & Data Analysis 38 (2002); fitted by scikit-learn,
predicted from the arrays of its trees, so that a checkpoint needs no object of scikit-learn.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.model_selection import KFold, cross_val_predict

from tart_nas.checks import MOST_SEED, number, whole
from tart_nas.predictors.cell_features import COLUMNS, cell_features, differing_columns, feature_chunks
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import Regressor
from tart_nas.tokens import TOKEN_SCHEME

__all__ = ["GradientBoosting"]

Floats = npt.NDArray[np.float64]

_FOLDS = 5
_NODE_ARRAYS = ("feature", "left", "right", "threshold", "value")


class GradientBoosting(Regressor):
    """The sum of many small regression trees on :func:`cell_features`, each fitted to what the ones before leave.

    The standard deviation is the same for all architectures: the root mean square of what a 5-fold cross-validation on
    the training set leaves unexplained.

    Args:
        trees: how many, at least 1.
        depth: questions on the way to a leaf, at least 1.
        learning_rate: share of each tree's answer that counts, above 0.
        subsample: share of the architectures that each tree is fitted to, in (0, 1].
        features: share of the features that each question is chosen from, in (0, 1].

    Raises:
        SettingError: if a setting is outside its range.
    """

    token_scheme = TOKEN_SCHEME

    def __init__(
        self,
        trees: int = 500,
        depth: int = 2,
        learning_rate: float = 0.05,
        subsample: float = 0.5,
        features: float = 0.3,
    ) -> None:
        for name, value in {"trees": trees, "depth": depth}.items():
            whole(name, value, 1)
        for name, share in {"learning_rate": learning_rate, "subsample": subsample, "features": features}.items():
            number(name, share, above=0, most=1)
        self.trees, self.depth, self.learning_rate = trees, depth, learning_rate
        self.subsample, self.features = subsample, features
        self._arrays: Arrays = {}

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {
            "trees": self.trees,
            "depth": self.depth,
            "learning_rate": self.learning_rate,
            "subsample": self.subsample,
            "features": self.features,
        }

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        features = cell_features(inputs.tokens, inputs.sizes).numpy()
        columns = differing_columns(features)
        rows = features[:, columns].astype(np.float32)
        model = GradientBoostingRegressor(
            n_estimators=self.trees,
            max_depth=self.depth,
            learning_rate=self.learning_rate,
            subsample=self.subsample,
            max_features=float(self.features),
            random_state=seed % (MOST_SEED + 1),  # an ensemble adds to it
        )
        folds = KFold(min(_FOLDS, len(targets)), shuffle=True, random_state=seed % (MOST_SEED + 1))
        residuals = targets - cross_val_predict(model, rows, targets, cv=folds)
        model.fit(rows, targets)
        self._arrays = _tree_arrays(model, columns) | {"std": np.sqrt([np.mean(residuals**2)])}
        advance(1.0)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        a = self._arrays
        means = []
        for features in feature_chunks(inputs):
            rows = features.astype(np.float32)  # as the trees saw them
            node = np.tile(a["root"], (len(rows), 1))  # (B, trees)
            # All trees of all rows take a step at once; who has reached a leaf stays there, since it leads to itself.
            for _ in range(self.depth):
                is_left = np.take_along_axis(rows, a["feature"][node], axis=1) <= a["threshold"][node]
                node = np.where(is_left, a["left"][node], a["right"][node])
            means.append(a["start"] + a["value"][node].sum(axis=1))
        return np.concatenate(means), np.full(len(inputs), a["std"][0])

    def arrays(self) -> Arrays:  # noqa: D102
        return self._arrays

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        nodes = arrays["value"].size if "value" in arrays else 0
        shapes = dict.fromkeys(_NODE_ARRAYS, (nodes,)) | {"root": (self.trees,), "start": (1,), "std": (1,)}
        if {name: array.shape for name, array in arrays.items()} != shapes:
            raise ValueError("other arrays than those of the settings in the metadata")
        for name, limit in {"feature": COLUMNS, "left": nodes, "right": nodes, "root": nodes}.items():
            if arrays[name].dtype != np.int64 or not ((arrays[name] >= 0) & (arrays[name] < limit)).all():
                raise ValueError(f"{name!r} points outside the trees")
        self._arrays = dict(arrays)


def _tree_arrays(model: GradientBoostingRegressor, columns: npt.NDArray[np.int64]) -> Arrays:
    """The trees of a fitted model, one after the other; a leaf leads to itself.

    Args:
        model: of which each tree has the attributes of ``sklearn.tree._tree.Tree``.
        columns: of all features those that the model was fitted to.
    """
    trees = [estimator.tree_ for estimator in model.estimators_[:, 0]]
    root = np.cumsum([0, *(tree.node_count for tree in trees)])[:-1]
    itself = np.arange(sum(tree.node_count for tree in trees))
    first = np.repeat(root, [tree.node_count for tree in trees])
    left, right, feature, threshold, value = (
        np.concatenate([getattr(tree, name).reshape(-1) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold", "value")
    )
    is_leaf = left < 0
    return {
        "feature": columns[np.where(is_leaf, 0, feature)],  # a leaf's is -2; what it asks does not matter
        "left": np.where(is_leaf, itself, first + left),
        "right": np.where(is_leaf, itself, first + right),
        "root": root,
        "start": np.asarray(model.init_.constant_, dtype=np.float64).reshape(1),
        "threshold": threshold,
        "value": model.learning_rate * value,
    }
