"""How well a method ranks architectures that it has not seen, also those unlike any that it has."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import kendalltau

from tart_nas.architecture import Architecture
from tart_nas.devices import resolve_device
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import regressor_class
from tart_nas.predictors.targets import checked_targets

__all__ = ["Labelled", "rank_unseen"]


@dataclass(frozen=True)
class Labelled:
    """Architectures that have a label.

    Args:
        architectures: n of them.
        targets: (n,), higher is better.
    """

    architectures: list[Architecture]
    targets: npt.NDArray[np.float64]

    def take(self, rows: npt.NDArray[np.integer]) -> "Labelled":
        """Those of some rows (k,)."""
        return Labelled([self.architectures[row] for row in rows.tolist()], self.targets[rows])


def rank_unseen(
    method: Mapping[str, Any], seed: int, train: Labelled, test: Labelled, device: str | None = "cpu"
) -> dict[str, float]:
    """Fits a method and compares its predictions of other architectures.

    :class:`~tart_nas.predictors.Predictor` would decline a test architecture outside the ranges of the training set,
    of which a random split has some; so the model behind it is asked.

    Args:
        method: ``kind`` and settings of a predictor.
        seed: of the fit.
        train: what is learned from.
        test: what is predicted.
        device: of what can be computed elsewhere than on the CPU; None for a GPU when there is one.

    Returns:
        Kendall's tau of the predictions, 0 where all are equal; the seconds of the fit; the predictions per second; the
        two sizes.

    Raises:
        PredictorError: if the training set cannot be learned from.
        SettingError: if there is no such method.
    """
    settings = {name: value for name, value in method.items() if name != "kind"}
    model = regressor_class(method["kind"]).make(settings)
    model.to(resolve_device(device))
    targets = checked_targets(train.targets, len(train.architectures))
    standardised = (targets - targets.mean()) / targets.std()
    start = time.perf_counter()
    model.fit(PredictorInputs(train.architectures), standardised, np.empty((len(targets), 0)), seed, lambda share: None)
    fitted = time.perf_counter()
    scores = model.predict(PredictorInputs(test.architectures))[0].reshape(-1)
    return {
        "tau": float(np.nan_to_num(kendalltau(scores, test.targets).statistic)),
        "fit_seconds": fitted - start,
        "scores_per_second": len(scores) / (time.perf_counter() - fitted),
        "train": len(targets),
        "test": len(scores),
    }
