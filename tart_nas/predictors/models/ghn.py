"""What a graph hypernetwork tells of architectures, as predictors.

Knyazev et al., "Parameter Prediction for Unseen Deep Architectures" (NeurIPS 2021): property prediction from embeddings
of graphs. The accuracy of predicted parameters as an estimate is that of Zhang et al., "Graph HyperNetworks for Neural
Architecture Search" (ICLR 2019).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVR

from tart_nas.checks import one_of, whole
from tart_nas.choices import DEFAULT_DATASET, IMAGE_DATASETS
from tart_nas.errors import SettingError
from tart_nas.layout import MIN_IMAGE_SIZE
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models import support_vectors
from tart_nas.predictors.models.line import Score
from tart_nas.predictors.models.regressor import Regressor

if TYPE_CHECKING:
    import torch

    from tart_nas.hypernetworks.scoring import GHNScores

__all__ = ["DEFAULT_GHN", "GHNAccuracy", "GHNEmbedding"]

Floats = npt.NDArray[np.float64]

DEFAULT_GHN = "ghn2-cifar10-small"
"""The hypernetwork that comes with the package."""

_SIZE, _CHANNELS = 16, 8  # pixels and channels that it was trained on
_GRID = {"C": [1.0, 10.0, 100.0], "gamma": [0.003, 0.01, 0.03]}
"""Of the support vectors, for embeddings and targets of mean 0 and deviation 1. The paper's grid is for values that are
not scaled: C from 1 to 1,000, gamma from 0.05 to 0.5."""


class GHNAccuracy(Score):
    """The accuracy, in [0, 1], of a network with predicted parameters on images. No labels are needed.

    Args:
        ghn: the hypernetwork's name or file, see :meth:`tart_nas.hypernetworks.GHN.load`.
        images: how many validation images are classified, at least 1.
        image_size: to which they are reduced, in pixels, at least 8.
        channels: of the first cells of all networks, at least 2; None for their own.
        dataset: one of :data:`tart_nas.images.IMAGE_DATASETS`.
        data_dir: where it is, see :func:`tart_nas.images.load_images`.

    Raises:
        SettingError: if a setting is out of range.
    """

    token_scheme = "ghn accuracy/1"

    def __init__(
        self,
        ghn: str = DEFAULT_GHN,
        images: int = 256,
        image_size: int = _SIZE,
        channels: int | None = _CHANNELS,
        dataset: str = DEFAULT_DATASET,
        data_dir: str | None = None,
    ) -> None:
        super().__init__()
        _check(ghn, image_size, channels)
        whole("images", images, 1)
        one_of("dataset", dataset, IMAGE_DATASETS)
        if data_dir is not None and not isinstance(data_dir, str):
            raise SettingError(f"`data_dir` must be the path of a folder, but got {data_dir!r}.")
        self._settings = {"ghn": ghn, "images": images, "image_size": image_size, "channels": channels}
        self._settings |= {"dataset": dataset, "data_dir": data_dir}
        self._device: torch.device | None = None

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return dict(self._settings)

    def to(self, device: "torch.device") -> None:  # noqa: D102
        self._device = device

    def scores(self, inputs: PredictorInputs) -> Floats:  # noqa: D102
        scores = _scores(self._settings, self._device)
        return np.array([scores.accuracy(architecture) for architecture in inputs.architectures], dtype=np.float64)

    def arrays(self) -> Arrays:  # noqa: D102
        return {**super().arrays(), "ghn": _scores(self._settings, self._device).digest}

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        super().restore(_without_ghn(arrays, _scores(self._settings, self._device)))


class GHNEmbedding(Regressor):
    """Support vector regression on the mean of a hypernetwork's node vectors, after the paper's property prediction.

    C and gamma are chosen by a 5-fold cross-validation on the training set. The standard deviation is the same
    for all architectures: the root mean square of what such a cross-validation leaves unexplained.

    Args:
        ghn: as in :class:`GHNAccuracy`, like the next two.
        image_size: see there.
        channels: see there.

    Raises:
        SettingError: if a setting is out of range.
    """

    token_scheme = "ghn embedding/1"

    def __init__(self, ghn: str = DEFAULT_GHN, image_size: int = _SIZE, channels: int | None = _CHANNELS) -> None:
        _check(ghn, image_size, channels)
        self._settings = {"ghn": ghn, "image_size": image_size, "channels": channels}
        self._device: torch.device | None = None
        self._arrays: Arrays = {}

    @property
    def has_scope(self) -> bool:
        """It judges whatever has a graph."""
        return False

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return dict(self._settings)

    def to(self, device: "torch.device") -> None:  # noqa: D102
        self._device = device

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        embeddings = self._embeddings(inputs)
        center, scale = embeddings.mean(axis=0), np.maximum(embeddings.std(axis=0), 1e-9)  # some may be constant
        rows = (embeddings - center) / scale
        folds = support_vectors.folds_of(targets, seed)
        search = GridSearchCV(SVR(), _GRID, cv=folds, scoring="neg_mean_squared_error", refit=False)
        chosen = search.fit(rows, targets).best_params_
        self._arrays = {
            "center": center,
            "gamma": np.array([chosen["gamma"]]),
            "ghn": _scores(self._settings, self._device).digest,
            "scale": scale,
            **support_vectors.fitted_arrays(chosen, rows, targets, folds),
        }
        advance(1.0)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        a = self._arrays
        rows = (self._embeddings(inputs) - a["center"]) / a["scale"]
        return support_vectors.predicted(a, a["gamma"][0], rows), np.full(len(inputs), a["std"][0])

    def arrays(self) -> Arrays:  # noqa: D102
        return self._arrays

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        scores = _scores(self._settings, self._device)
        shapes: dict[str, tuple[int, ...]] = {"center": (scores.hid,), "gamma": (1,), "scale": (scores.hid,)}
        shapes |= support_vectors.shapes(arrays, scores.hid)
        if {name: array.shape for name, array in _without_ghn(arrays, scores).items()} != shapes:
            raise ValueError("other arrays than those of support vector regression on embeddings")
        self._arrays = dict(arrays)

    def _embeddings(self, inputs: PredictorInputs) -> Floats:
        scores = _scores(self._settings, self._device)
        rows = [scores.embedding(architecture) for architecture in inputs.architectures]
        return np.array(rows, dtype=np.float64).reshape(len(rows), scores.hid)


def _check(ghn: object, image_size: object, channels: object) -> None:
    if not isinstance(ghn, str) or not ghn:
        raise SettingError(f"`ghn` must be the name or file of a hypernetwork, but got {ghn!r}.")
    whole("image_size", image_size, MIN_IMAGE_SIZE)
    if channels is not None:
        whole("channels", channels, 2)


def _scores(settings: dict[str, Any], device: "torch.device | None") -> "GHNScores":
    from tart_nas.hypernetworks.scoring import ghn_scores  # here, since it imports PyTorch

    defaults = {"dataset": DEFAULT_DATASET, "data_dir": None, "images": 1}  # which embeddings do not depend on
    scores = ghn_scores(**{**defaults, **settings})
    if device is not None:
        scores.to(device)
    return scores


def _without_ghn(arrays: Arrays, scores: "GHNScores") -> Arrays:
    """The arrays but the digest of the hypernetwork's weights.

    Raises:
        ValueError: if they are of one with other weights.
    """
    if "ghn" not in arrays or arrays["ghn"].shape != scores.digest.shape:
        raise ValueError("other arrays than those of a predictor that asks a hypernetwork")
    if not np.array_equal(arrays["ghn"], scores.digest):
        raise ValueError("it was made with a hypernetwork of other weights")
    return {name: array for name, array in arrays.items() if name != "ghn"}
