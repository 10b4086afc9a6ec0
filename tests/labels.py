"""The labelled architectures that tests learn from, and a file of them."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.layout import parameter_count
from tart_nas.operations import NASBENCH301_OPS
from tart_nas.predictors import Predictor

__all__ = ["Labelled", "darts_labels", "nasbench301_entries"]


class Labelled(NamedTuple):
    """Architectures with targets (n,), higher is better."""

    architectures: list[Architecture]
    targets: npt.NDArray[np.float64]


def darts_labels() -> Labelled:
    """The 718 architectures that the bundled predictor darts-cifar10 was fitted to, with their accuracies in per cent.

    They come in the order of the file that it was fitted to.
    """
    data = Predictor.from_pretrained("darts-cifar10").training_data()
    (targets,) = data.targets.values()
    return Labelled(list(data.architectures), targets)


def nasbench301_entries(labelled: Labelled) -> list[dict[str, Any]]:
    """What a file in the form of NAS-Bench-301's cells holds: operations by number, and numbers known beside them.

    In place of zero-cost proxies there are two numbers that can be counted.
    """
    entries = []
    for architecture, accuracy in zip(labelled.architectures, labelled.targets.tolist(), strict=True):
        genotype = architecture.genotype
        cells = {"normal": genotype.normal, "reduce": genotype.reduce}
        entry: dict[str, Any] = {
            name: [[source, NASBENCH301_OPS.index(op)] for op, source in pairs] for name, pairs in cells.items()
        }
        counts = {
            "params": parameter_count(architecture) / 1e6,
            "convolutions": sum("conv" in op for pairs in cells.values() for op, _ in pairs),
        }
        entries.append({**entry, "val_accuracy": accuracy, "proxies": counts})
    return entries
