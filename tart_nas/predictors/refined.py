"""A fitted predictor, the base, under the labels that came later: what :meth:`Predictor.update` makes.

It takes no more than seconds, needs nothing of what the base was fitted to, and works for bases of all kinds: the
labels are learned by a :class:`~tart_nas.predictors.correction.Correction` of the base's predictions.
"""

from collections.abc import Callable, Mapping
from copy import copy
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.checks import one_of
from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.correction import Correction, networks_among
from tart_nas.predictors.feature_rows import ROWS
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.gaussian_process import CellProcess
from tart_nas.predictors.models.regressor import Regressor, regressor_class
from tart_nas.predictors.population import Population
from tart_nas.tokens import CellTokens

__all__ = ["Refined"]

Floats = npt.NDArray[np.float64]


class Refined(Regressor):
    """A base, which stays as it is, corrected by all later labels.

    Args:
        base: its kind and settings.
        reads: what the correction reads: ``"cells"``, or the ``"graphs"`` of any networks.
    """

    def __init__(self, base: Mapping[str, Any], reads: str = "cells") -> None:
        if not isinstance(base, Mapping) or base.get("kind") in (None, "refined"):
            raise SettingError(f"`base` must be an object with a 'kind' and settings, but got {base!r}.")
        self._kind = base["kind"]
        settings = {name: value for name, value in base.items() if name != "kind"}
        self._base = regressor_class(self._kind).make(settings)
        self.reads = one_of("reads", reads, [*ROWS])
        self._correction: Correction | CellProcess = Correction(ROWS[reads])
        self.token_scheme = f"{self._base.token_scheme}, {ROWS[reads].scheme}"  # type: ignore[misc]  # its own
        self.reads_graphs = reads == "graphs" and self._base.reads_graphs  # type: ignore[misc]  # its own

    @classmethod
    def around(cls, kind: str, base: Regressor, reads: str) -> "Refined":
        """One with a fitted base and no labels yet."""
        refined = cls({"kind": kind, **base.settings}, reads)
        refined._base = base
        return refined

    def copy(self) -> "Refined":
        """Another with the same base and labels, to add to."""
        other = self.around(self._kind, self._base, self.reads)
        other._correction = copy(self._correction)  # a fit replaces what it holds
        return other

    @property
    def has_scope(self) -> bool:  # noqa: D102
        return self._base.has_scope

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        # Without what is as before, so that files of updated predictors keep their identity.
        reads = {} if self.reads == "cells" else {"reads": self.reads}
        return {"base": {"kind": self._kind, **self._base.settings}} | reads

    @property
    def targets(self) -> Floats:
        """The labels so far, (n,), in the unit of the base's standardised targets."""
        return np.asarray(self._correction.arrays.get("targets", np.zeros(0)))

    def learned(self, inputs: PredictorInputs) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
        """Which labels so far (n,) are of networks among the k inputs, and which inputs (k,) have such labels."""
        if not len(self.targets):
            return np.zeros(0, dtype=np.bool_), np.zeros(len(inputs), dtype=np.bool_)
        form: Any = ROWS[self.reads]
        earlier = form.from_arrays(networks_among(self._correction.arrays)).networks()
        given = form.of(inputs).networks()
        known, asked = {*earlier}, {*given}
        return np.array([one in asked for one in earlier]), np.array([one in known for one in given], dtype=np.bool_)

    @property
    def population(self) -> Population | None:
        """That of the last labels; None before the first ones, and in predictors that earlier versions updated."""
        return self._correction.population if isinstance(self._correction, Correction) else None

    def population_of(self, inputs: PredictorInputs) -> Population:
        """What the base says of architectures, at least one, as a population."""
        make = Population.of if self.reads == "cells" else Population.of_graphs
        return make(inputs, self._base_predictions(inputs)[0])

    def training_population(self) -> Population | None:
        """The graphs that the base was fitted to, as a population; None where it does not keep their features."""
        if self.reads == "cells" or (kept := self._base.training_features()) is None:
            return None
        vocabulary, features, predictions = kept
        return Population.of_features(features, predictions, vocabulary)

    def training_tokens(self) -> CellTokens | None:  # noqa: D102
        return self._base.training_tokens()

    def add(
        self, inputs: PredictorInputs, kept: npt.NDArray[np.integer], targets: Floats, population: Population
    ) -> None:
        """Learns from k more architectures.

        Args:
            inputs: the k.
            kept: (m,) which of the labels so far stay.
            targets: (m + k,) labels of those and these, standardised as the base's targets were.
            population: what predictions will be asked of.
        """
        correction = self._correction
        networks = ROWS[self.reads].of(inputs)
        base, spread = self._base_predictions(inputs)
        if labelled := correction.arrays:
            earlier: Any = ROWS[self.reads].from_arrays(networks_among(labelled))
            networks = earlier.take(kept).joined(networks)
            # Files of an earlier version do not hold the base's standard deviations.
            told = labelled.get("spread", np.full(len(labelled["base"]), np.nan))
            base, spread = np.concatenate([labelled["base"][kept], base]), np.concatenate([told[kept], spread])
        if isinstance(correction, CellProcess):  # of an earlier version
            self._correction, device = Correction(), correction.device
            correction = self._correction
            correction.to(device)
        correction.fit(networks, targets, base, spread, population)

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        raise PredictorError("A refined predictor comes from `update`: fit one of the kind of its base instead.")

    def to(self, device: torch.device) -> None:  # noqa: D102
        self._base.to(device)
        self._correction.to(device)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        base, spread = self._base_predictions(inputs)
        if isinstance(self._correction, CellProcess):
            return self._correction.predict(inputs, base)
        return self._correction.predict(inputs, base, spread)

    def _base_predictions(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:
        """(n,) each, means and standard deviations of the base's first target."""
        means, stds = (np.asarray(array).reshape(len(inputs), -1)[:, 0] for array in self._base.predict(inputs))
        return means, stds

    def fast_approximation(self) -> "Refined":
        """The same labels on top of a quicker base."""
        other = self.copy()
        other._base = self._base.fast_approximation()
        return self if other._base is self._base else other

    def arrays(self) -> Arrays:  # noqa: D102
        base = {f"base.{name}": array for name, array in self._base.arrays().items()}
        return base | {f"labels.{name}": array for name, array in self._correction.arrays.items()}

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        parts: dict[str, Arrays] = {"base": {}, "labels": {}}
        for name, array in arrays.items():
            first, _, rest = name.partition(".")
            if first not in parts:
                raise ValueError("other arrays than those of a refined predictor")
            parts[first][rest] = array
        self._base.restore(parts["base"])
        if "own_unit" in parts["labels"]:
            self._correction.restore(parts["labels"])
            return
        # of an earlier version, whose process had the base's predictions among its features; it predicts as it did
        self._correction = CellProcess()
        self._correction.restore(parts["labels"], has_base=True)
