"""What can be told of an architecture without training it, as targets to pretrain a transformer on.

A transformer that has learned to tell size, depth and paths of many generated architectures has learned to read
architectures. A fit that starts from its weights (``init`` of :meth:`tart_nas.Predictor.fit`, ``tart-nas fit --init``)
needs fewer labels. Compare Yan et al., "Does Unsupervised Architecture Representation Learning Help Neural Architecture
Search?", NeurIPS 2020.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.architecture import Architecture
from tart_nas.predictors.cell_features import ATTRIBUTES, BLOCKS, CELLS, feature_chunks
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.predictor import Predictor
from tart_nas.tokens.paths import PATH_LENGTHS

__all__ = ["pretrained", "structural_targets"]

Floats = npt.NDArray[np.float64]


def structural_targets(architectures: Sequence[Architecture]) -> dict[str, Floats]:
    """Size, operations and paths of architectures.

    Args:
        architectures: n of them.

    Returns:
        By name (n,) each: log2 of the numbers of parameters and of multiply-accumulates; for each cell log2 of 1 + the
        number of paths through it, their mean length, the mean number of operations with weights on them, and how many
        operations pass their input on unchanged.
    """
    inputs = PredictorInputs(architectures)
    features = np.concatenate(list(feature_chunks(inputs)))
    targets = {"parameters": inputs.sizes, "macs": np.log2([float(graph.macs) for graph in inputs.graphs()])}
    lengths = np.arange(PATH_LENGTHS)
    identities = 2 * len(ATTRIBUTES) + list(ATTRIBUTES).index("identity")  # counted on all nodes
    for cell in CELLS:
        paths = features[:, BLOCKS[f"{cell} paths"]]
        by_length, by_weights = paths[:, :PATH_LENGTHS], paths[:, PATH_LENGTHS:]
        number = np.maximum(by_length.sum(axis=1), 1)
        targets[f"{cell} paths"] = np.log2(1 + by_length.sum(axis=1))
        targets[f"{cell} length"] = by_length @ lengths / number
        targets[f"{cell} weights"] = by_weights @ lengths / number
        targets[f"{cell} identities"] = features[:, BLOCKS[f"{cell} attributes"]][:, identities]
    return targets


def pretrained(
    architectures: Sequence[Architecture],
    kind: str = "tart-cell",
    *,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    device: torch.device | str | None = "cpu",
    **settings: Any,
) -> Predictor:
    """A transformer that has learned to read architectures, for ``init`` of :meth:`tart_nas.Predictor.fit`.

    Args:
        architectures: some thousand, such as a space's ``sample`` gives; no labels are needed.
        kind: a transformer's.
        seed: of everything random.
        progress: called with each share of the work that is done; the shares sum to 1.
        device: as :meth:`tart_nas.Predictor.to` takes.
        settings: of that kind; by default 10 epochs and no calibration.
    """
    # Without what all have in common, which cannot be learned: a fit refuses it.
    targets = {name: values for name, values in structural_targets(architectures).items() if np.ptp(values) > 0}
    predictor = Predictor(kind, **{"epochs": 10, "calibration": 0, **settings}).to(device)
    predictor.fit(architectures, targets, seed=seed, progress=progress)
    predictor.notes["made_by"] = "tart-nas pretrain: what can be told of architectures without training them"
    return predictor
