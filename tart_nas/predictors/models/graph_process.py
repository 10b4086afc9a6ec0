"""Exact Gaussian process regression on the features of computational graphs: of any networks, for few labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.errors import PredictorError
from tart_nas.predictors.cell_features import block_scales, differs
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.graph_features import COUNTED, MEASURED, GraphVocabulary, LabelledNodes
from tart_nas.predictors.inputs import PredictorInputs, row_chunks
from tart_nas.predictors.models.gaussian_process import MAX_POINTS
from tart_nas.predictors.models.kernel import CellKernel
from tart_nas.predictors.models.marginal_likelihood import Posterior, most_likely, negative_log_likelihood
from tart_nas.predictors.models.regressor import Regressor

__all__ = ["GraphProcess", "graph_kernel"]

Floats = npt.NDArray[np.float64]

_LINEAR = (*COUNTED, "size", "paths", "depths")
_SMOOTH = (
    ("kinds", "stages", *MEASURED, "size", "paths"),
    (*(name for name in COUNTED if name.startswith("round")), "size"),
)
"""Blocks of the kernel's summands, as for cells: linear ones that add up, and Gaussian ones of what acts together."""

_SPREAD, _BOUND, _NOISE = 1.0, 8.0, 0.1  # of the priors, as for cells: models/gaussian_process.py has the reasons
_CHUNK = 256  # graphs whose features are made at once, which bounds the memory


class GraphProcess(Regressor):
    """A Gaussian process on the features of graphs (:mod:`tart_nas.predictors.graph_features`).

    Its kernel is a sum: linear on the counts of kinds of nodes, of kinds at each resolution and of the labels of three
    Weisfeiler-Lehman rounds, on size, paths and depths; Gaussian on kinds, their work and outputs, size and paths
    together; Gaussian on the labels of rounds and size together. Each block has a variance or a length scale, found by
    the marginal likelihood under a wide prior; nothing is random.
    """

    token_scheme = "graph features/1"
    reads_graphs = True

    def __init__(self) -> None:
        self._arrays: Arrays = {}

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {}

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        if len(targets) > MAX_POINTS:
            raise PredictorError(
                f"A Gaussian process is fitted to at most {MAX_POINTS} labelled networks, but got {len(targets)}."
            )
        nodes = LabelledNodes.of(list(inputs.graphs()))
        vocabulary = GraphVocabulary.of(nodes)
        features = vocabulary.features(nodes).astype(np.float32)  # as a file keeps them
        kernel = _kernel(features, vocabulary)
        pairs, labels = kernel.pairs(features.astype(np.float64)), torch.from_numpy(targets)

        def objective(parameters: torch.Tensor) -> torch.Tensor:
            return negative_log_likelihood(kernel.covariance(parameters, pairs), labels)

        centers = np.append(kernel.prior, np.log(_NOISE))
        parameters, _ = most_likely(objective, centers, np.full(len(centers), _SPREAD), _BOUND / _SPREAD)
        self._condition(vocabulary, kernel, {"features": features, "targets": targets, "parameters": parameters})
        advance(1.0)

    def _condition(self, vocabulary: GraphVocabulary, kernel: CellKernel, arrays: Arrays) -> None:
        """Makes ready to predict."""
        parameters = torch.from_numpy(arrays["parameters"])
        features = torch.from_numpy(arrays["features"].astype(np.float64))
        self._vocabulary, self._noise = vocabulary, float(parameters[-1].exp())
        self._covariance = kernel.between(parameters[:-1], features)
        covariance = self._covariance.with_rows(features)[0]
        covariance.diagonal().add_(self._noise)
        self._posterior = Posterior.of(covariance, torch.from_numpy(arrays["targets"]))
        self._arrays = arrays | vocabulary.arrays()

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        predictions = np.empty((2, len(inputs)))
        for rows in row_chunks(len(inputs), _CHUNK):
            nodes = LabelledNodes.of(list(inputs.take(rows).graphs()))
            features = torch.from_numpy(self._vocabulary.features(nodes))
            covariance, variances = self._covariance.with_rows(features)
            said = self._posterior.predict(covariance, variances + self._noise)
            predictions[:, rows] = torch.stack(said).numpy()
        return predictions[0], predictions[1]

    def training_features(self) -> tuple[GraphVocabulary, Floats, Floats]:  # noqa: D102
        features = self._arrays["features"].astype(np.float64)
        covariance, variances = self._covariance.with_rows(torch.from_numpy(features))
        return self._vocabulary, features, self._posterior.predict(covariance, variances)[0].numpy()

    def arrays(self) -> Arrays:  # noqa: D102
        return self._arrays

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        vocabulary = GraphVocabulary.from_arrays(arrays)
        own = {name: array for name, array in arrays.items() if name not in vocabulary.arrays()}
        n = len(own.get("targets", ()))
        columns = max(block.stop for block in vocabulary.blocks.values())
        k = len(_LINEAR) + sum(1 + len(blocks) for blocks in _SMOOTH) + 1
        shapes = {"features": (n, columns), "targets": (n,), "parameters": (k,)}
        if n == 0 or {name: array.shape for name, array in own.items()} != shapes:
            raise ValueError("other arrays than those of a Gaussian process")
        kernel = _kernel(own["features"], vocabulary)
        centers = np.append(kernel.prior, np.log(_NOISE))
        legal = all(np.isfinite(array).all() for array in own.values()) and own["features"].dtype == np.float32
        if not legal or not (abs(own["parameters"] - centers) < _BOUND + 1e-6).all():
            raise ValueError("other values in the arrays than those of a Gaussian process")
        self._condition(vocabulary, kernel, own)

    def training_targets(self) -> Floats:  # noqa: D102
        return self._arrays["targets"]


def graph_kernel(center: Floats, scales: Floats, vocabulary: GraphVocabulary, linear: bool = True) -> CellKernel:
    """The kernel on the features that a vocabulary gives.

    Args:
        center: `columns`, what is taken from all rows.
        scales: `columns`, what they are divided by then.
        vocabulary: of the features.
        linear: whether it has linear summands.
    """
    return CellKernel(center, scales, _LINEAR if linear else (), _SMOOTH, vocabulary.blocks)


def _kernel(features: npt.NDArray[np.float32], vocabulary: GraphVocabulary) -> CellKernel:
    """The kernel of a training set (n, columns)."""
    rows = features.astype(np.float64)
    center = rows.mean(axis=0)
    center[~differs(rows)] = rows[0, ~differs(rows)]  # exactly, so that a constant column is 0
    return graph_kernel(center, block_scales(rows, vocabulary.blocks), vocabulary)
