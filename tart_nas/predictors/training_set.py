"""What a predictor was fitted to, given back: so that a fit can be made again, or another one of the same labels.

Some kinds keep the architectures that they were fitted to among what they learned, a Gaussian process for one. Beside
these stand the labels as they were given, auxiliary ones too, of which the models keep but what they need.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.labels import LabelledData
from tart_nas.predictors.models.regressor import Regressor
from tart_nas.predictors.targets import Auxiliary

__all__ = ["GivenLabels", "keep_training_set", "training_data"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class GivenLabels:
    """Labels in the units that they were given in.

    Args:
        targets: (n, P) of the P targets, NaN where unknown.
        auxiliary: K values of each of the n architectures, with their names where they had some.
    """

    targets: Floats
    auxiliary: Auxiliary

    def arrays(self) -> Arrays:
        """The labels for a checkpoint."""
        return {"targets": self.targets, "auxiliary": self.auxiliary.values}

    @classmethod
    def of_arrays(cls, arrays: Arrays, names: Sequence[str], models: Sequence[Regressor]) -> "GivenLabels":
        """Reads what :meth:`arrays` gave.

        Args:
            arrays: from a checkpoint.
            names: of the auxiliary labels, () where they have none.
            models: of the same checkpoint, one for each target.

        Raises:
            ValueError: if they are not the labels of these models.
        """
        if arrays.keys() != {"targets", "auxiliary"}:
            raise ValueError("other arrays than those of a training set")
        targets, auxiliary = arrays["targets"], arrays["auxiliary"]
        kept = [model.training_targets() for model in models]
        known = np.isfinite(targets).sum(axis=0).tolist() if targets.ndim == 2 else []
        if known != [0 if values is None else len(values) for values in kept]:
            raise ValueError("other arrays than those of its training set")
        if auxiliary.ndim != 2 or len(auxiliary) != len(targets) or len(names) not in (0, auxiliary.shape[1]):
            raise ValueError("other arrays than those of its training set")
        return cls(targets.astype(np.float64), Auxiliary(auxiliary.astype(np.float64), tuple(map(str, names))))


def keep_training_set(models: Sequence[Regressor]) -> bool:
    """Whether models, one for each target, keep the architectures that they were fitted to."""
    return all(model.training_tokens() is not None and model.training_targets() is not None for model in models)


def training_data(
    models: Sequence[Regressor],
    scalings: Mapping[str, Mapping[str, float]],
    given: GivenLabels | None,
    description: Mapping[str, Any],
    label_size: Mapping[str, int],
) -> LabelledData:
    """The labelled architectures that models were fitted to.

    Args:
        models: fitted, one for each target; :func:`keep_training_set` is true of them.
        scalings: mean and standard deviation of each target, by name.
        given: the labels as they were given; None where a file of an earlier version does not hold them. They are then
            those of the models, to a unit in their last place, and there are no auxiliary ones.
        description: of the data.
        label_size: the size at which the labels were measured, which is that of the architectures.

    Raises:
        PredictorError: if targets without ``given`` have labels of different architectures.
    """
    sets = [(model.training_tokens(), model.training_targets()) for model in models]
    by_target = [([] if tokens is None else tokens.architectures()) for tokens, _ in sets]
    if given is None:
        if any(architectures != by_target[0] for architectures in by_target):
            raise PredictorError("The targets have labels of different architectures, which this old file mixes up.")
        columns = [
            (np.zeros(0) if values is None else values) * scaling["scale"] + scaling["mean"]
            for (_, values), scaling in zip(sets, scalings.values(), strict=True)
        ]
        given = GivenLabels(np.stack(columns, axis=1), Auxiliary.none(len(columns[0])))
    rows: list[Architecture | None] = [None] * len(given.targets)
    for column, architectures in zip(given.targets.T, by_target, strict=True):
        for row, architecture in zip(np.flatnonzero(np.isfinite(column)).tolist(), architectures, strict=True):
            rows[row] = architecture
    labelled = [row for row, architecture in enumerate(rows) if architecture is not None]
    return LabelledData(
        [architecture for architecture in rows if architecture is not None],
        dict(zip(scalings, given.targets[labelled].T, strict=True)),
        description,
        given.auxiliary.values[labelled] if given.auxiliary.values.shape[1] else None,
        label_size,
        given.auxiliary.names,
    )
