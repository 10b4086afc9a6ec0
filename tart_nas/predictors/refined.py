"""A fitted predictor and what later labels say beside it: what :meth:`Predictor.update` makes.

A Gaussian process whose mean is led by the predictor's own predictions. How far to trust them, how to scale them and
where to correct them is found from the labels, by the marginal likelihood, so that a good predictor is kept and a bad
one soon forgotten; and it takes no more than the seconds of fitting a Gaussian process. Compare multi-fidelity
cokriging (Kennedy and O'Hagan, Biometrika 2000): the predictor stands for the cheap code.
"""

from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.gaussian_process import CellProcess
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.regressor import Regressor, regressor_class
from tart_nas.tokens import TOKEN_SCHEME, CellTokens

__all__ = ["Refined"]

Floats = npt.NDArray[np.float64]


class Refined(Regressor):
    """A base, which stays as it is, under a :class:`CellProcess` on all later labels.

    Args:
        base: its kind and settings.
    """

    def __init__(self, base: Mapping[str, Any]) -> None:
        if not isinstance(base, Mapping) or base.get("kind") in (None, "refined"):
            raise SettingError(f"`base` must be an object with a 'kind' and settings, but got {base!r}.")
        self._kind = base["kind"]
        own = {name: value for name, value in base.items() if name != "kind"}
        self._base = regressor_class(self._kind).make(own)
        self._process = CellProcess()
        self.token_scheme = f"{self._base.token_scheme}, {TOKEN_SCHEME}"  # type: ignore[misc]  # its own

    @classmethod
    def around(cls, kind: str, base: Regressor) -> "Refined":
        """One with a fitted base and no labels yet."""
        refined = cls({"kind": kind, **base.settings})
        refined._base = base
        return refined

    def copy(self) -> "Refined":
        """Another with the same base and labels, to add to."""
        other = self.around(self._kind, self._base)
        other._process = copy(self._process)  # a fit replaces what it holds
        return other

    @property
    def has_scope(self) -> bool:  # noqa: D102
        return self._base.has_scope

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        return {"base": {"kind": self._kind, **self._base.settings}}

    @property
    def targets(self) -> Floats:
        """The standardised labels so far, (n,)."""
        return np.asarray(self._process.arrays.get("targets", np.zeros(0)))

    def add(self, inputs: PredictorInputs, targets: Floats) -> None:
        """Learns from k more architectures.

        Args:
            inputs: the k.
            targets: (n + k,) standardised labels of all so far.
        """
        tokens, sizes, base = inputs.tokens, inputs.sizes, self._base_predictions(inputs)
        if known := self._process.arrays:
            tokens = CellTokens(**{field.name: known[field.name] for field in fields(CellTokens)}).joined(tokens)
            sizes, base = np.concatenate([known["sizes"], sizes]), np.concatenate([known["base"], base])
        self._process.fit(tokens, sizes, targets, base)

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        raise PredictorError("A refined predictor comes from `update`: fit one of the kind of its base instead.")

    def to(self, device: torch.device) -> None:  # noqa: D102
        self._base.to(device)
        self._process.to(device)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        return self._process.predict(inputs, self._base_predictions(inputs))

    def _base_predictions(self, inputs: PredictorInputs) -> Floats:
        """(n,), of the base's first target."""
        means = self._base.predict(inputs)[0]
        return means.reshape(len(inputs), -1)[:, 0]

    def rough(self) -> "Refined":
        """The same labels on top of a quicker base."""
        other = self.copy()
        other._base = self._base.rough()
        return self if other._base is self._base else other

    def arrays(self) -> Arrays:  # noqa: D102
        base = {f"base.{name}": array for name, array in self._base.arrays().items()}
        return base | {f"labels.{name}": array for name, array in self._process.arrays.items()}

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        parts: dict[str, Arrays] = {"base": {}, "labels": {}}
        for name, array in arrays.items():
            first, _, rest = name.partition(".")
            if first not in parts:
                raise ValueError("other arrays than those of a refined predictor")
            parts[first][rest] = array
        self._base.restore(parts["base"])
        self._process.restore(parts["labels"], has_base=True)
