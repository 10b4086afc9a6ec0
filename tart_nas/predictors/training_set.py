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
from tart_nas.predictors.targets import Auxiliary
from tart_nas.tokens import CellTokens

__all__ = ["GivenLabels", "training_data"]

Floats = npt.NDArray[np.float64]
TrainingSets = Sequence[tuple[CellTokens, Floats]]
"""For each target the architectures and the standardised labels that its model keeps."""


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
    def of_arrays(cls, arrays: Arrays, names: Sequence[str], sets: TrainingSets | None) -> "GivenLabels":
        """Reads what :meth:`arrays` gave.

        Args:
            arrays: from a checkpoint.
            names: of the auxiliary labels, () where they have none.
            sets: of the same checkpoint's model; None where it keeps none.

        Raises:
            ValueError: if they are not the labels of that model.
        """
        if arrays.keys() != {"targets", "auxiliary"}:
            raise ValueError("other arrays than those of a training set")
        targets, auxiliary = arrays["targets"], arrays["auxiliary"]
        # A label for each architecture that the model of the target keeps, else they cannot be put beside each other.
        labelled = np.isfinite(targets).sum(axis=0).tolist() if targets.ndim == 2 else []
        if labelled != [len(values) for _, values in sets or ()]:
            raise ValueError("other arrays than those of its training set")
        if auxiliary.ndim != 2 or len(auxiliary) != len(targets) or len(names) not in (0, auxiliary.shape[1]):
            raise ValueError("other arrays than those of its training set")
        return cls(targets.astype(np.float64), Auxiliary(auxiliary.astype(np.float64), tuple(map(str, names))))


def training_data(
    sets: TrainingSets,
    scalings: Mapping[str, tuple[float, float]],
    given: GivenLabels | None,
    description: Mapping[str, Any],
    label_size: Mapping[str, int],
) -> LabelledData:
    """The labelled architectures that models were fitted to.

    Args:
        sets: of each target.
        scalings: mean and standard deviation of each target, by name.
        given: the labels as they were given; None where a file of an earlier version does not hold them. They are then
            those of the models, to a unit in their last place, and there are no auxiliary ones.
        description: of the data.
        label_size: the size at which the labels were measured, which is that of the architectures.

    Raises:
        PredictorError: if targets without ``given`` have labels of different architectures.
    """
    by_target = [tokens.architectures() for tokens, _ in sets]
    if given is None:
        if any(architectures != by_target[0] for architectures in by_target):
            raise PredictorError("The targets have labels of different architectures, which this old file mixes up.")
        columns = [values * scale + mean for (_, values), (mean, scale) in zip(sets, scalings.values(), strict=True)]
        given = GivenLabels(np.stack(columns, axis=1), Auxiliary.none(len(columns[0])))
    # Each target has architectures of its own labelled rows only: together they fill the rows that have any label.
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
