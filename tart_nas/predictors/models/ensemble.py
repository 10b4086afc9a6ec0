"""The mean of predictors of any kinds: where their errors differ, it is better than each."""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tart_nas.errors import SettingError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import Regressor, regressor_class
from tart_nas.tokens import CellTokens

if TYPE_CHECKING:
    import torch

__all__ = ["Ensemble", "combined"]

Floats = npt.NDArray[np.float64]


class Ensemble(Regressor):
    """The weighted mean of several models, each fitted to the same targets.

    Its variance is that of the mixture of the members' distributions: the mean of their variances plus the variance of
    their means, as in Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles", NeurIPS 2017.

    Example:
        >>> Predictor("ensemble", members=[{"kind": "gp"}, {"kind": "tart-cell", "epochs": 50}], weights=[2, 1])

    Args:
        members: at least one; of each its kind (of :data:`tart_nas.predictors.KINDS`, but not this one) and settings.
        weights: one per member, above 0; only their ratios count. ``"precision"``: for each architecture those of the
            inverse variances that the members state, so that a kind that has too few labels yet counts little; all the
            same where one cannot tell. ``None``: all the same.

    Raises:
        SettingError: if a kind, a setting or a weight is not legal.
    """

    def __init__(
        self,
        members: Sequence[Mapping[str, Any]] = ({"kind": "tart-cell"}, {"kind": "gp"}),
        weights: Sequence[float] | str | None = "precision",
    ) -> None:
        if not isinstance(members, list | tuple) or not members:
            raise SettingError(f"`members` must be a list of at least one member, but got {members!r}.")
        self._kinds: list[str] = []
        self._members: list[Regressor] = []
        for member in members:
            if not isinstance(member, Mapping) or not isinstance(member.get("kind"), str):
                raise SettingError(f"A member must be an object with a 'kind' and settings, but got {member!r}.")
            if member["kind"] == "ensemble":
                raise SettingError("A member must not be an ensemble itself: name its members instead.")
            self._kinds.append(member["kind"])
            settings = {name: value for name, value in member.items() if name != "kind"}
            self._members.append(regressor_class(member["kind"]).make(settings))
        is_word = weights is None or weights == "precision"
        self.weights = weights if is_word else _checked_weights(weights, len(self._members))
        self.token_scheme = ", ".join(sorted({m.token_scheme for m in self._members}))  # type: ignore[misc]  # its own
        self.reads_graphs = all(m.reads_graphs for m in self._members)  # type: ignore[misc]  # its own

    @property
    def settings(self) -> dict[str, Any]:  # noqa: D102
        pairs = zip(self._kinds, self._members, strict=True)
        return {"members": [{"kind": kind, **member.settings} for kind, member in pairs], "weights": self.weights}

    def fit(  # noqa: D102
        self, inputs: PredictorInputs, targets: Floats, auxiliary: Floats, seed: int, advance: Callable[[float], None]
    ) -> None:
        for index, member in enumerate(self._members):  # another seed for each: two of a kind must differ
            # An ensemble is asked for one target, (n,); kinds of several take a column for each.
            labels = targets[:, None] if member.several_targets else targets
            member.fit(inputs, labels, auxiliary, seed + index, lambda share: advance(share / len(self._members)))

    def to(self, device: "torch.device") -> None:  # noqa: D102
        for member in self._members:
            member.to(device)

    def predict(self, inputs: PredictorInputs) -> tuple[Floats, Floats]:  # noqa: D102
        pairs = (member.predict(inputs) for member in self._members)
        means, stds = (np.stack([array.reshape(-1) for array in arrays]) for arrays in zip(*pairs, strict=True))
        return combined(means, stds, self.weights)

    def training_tokens(self) -> CellTokens | None:
        """Those of the first member that keeps them."""
        kept = (member.training_tokens() for member in self._members)
        return next((tokens for tokens in kept if tokens is not None), None)

    def fast_approximation(self) -> "Ensemble":
        """Its first member, as quick as that can be."""
        one = copy(self)
        one._kinds, one._members, one.weights = self._kinds[:1], [self._members[0].fast_approximation()], None
        return one

    def arrays(self) -> Arrays:  # noqa: D102
        return {
            f"{index}.{name}": array
            for index, member in enumerate(self._members)
            for name, array in member.arrays().items()
        }

    def restore(self, arrays: Arrays) -> None:  # noqa: D102
        parts: list[Arrays] = [{} for _ in self._members]
        for name, array in arrays.items():
            index, _, rest = name.partition(".")
            if index not in map(str, range(len(parts))):
                raise ValueError("other arrays than those of the ensemble's members")
            parts[int(index)][rest] = array
        for member, part in zip(self._members, parts, strict=True):
            member.restore(part)

    def training_targets(self) -> Floats | None:
        """Those of the first member that keeps them."""
        kept = (member.training_targets() for member in self._members if member.training_tokens() is not None)
        return next(kept, None)


def combined(means: Floats, stds: Floats, weights: Sequence[float] | str | None) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the mixture of M members' predictions of n architectures.

    Args:
        means: (M, n).
        stds: (M, n).
        weights: as of :class:`Ensemble`.

    Returns:
        Two arrays (n,).
    """
    if weights == "precision":
        # Each architecture by itself. A deviation of 0, by which one cannot divide, says no more than none.
        is_told = (np.isfinite(stds) & (stds > 0)).all(axis=0)
        shares = np.where(is_told, 1 / np.where(is_told, stds, 1.0) ** 2, 1.0)
    else:
        shares = np.broadcast_to(np.ones(len(means)) if weights is None else weights, means.T.shape).T
    mean = np.average(means, axis=0, weights=shares)
    return mean, np.sqrt(np.average(stds**2 + (means - mean) ** 2, axis=0, weights=shares))


def _checked_weights(weights: Any, n: int) -> list[float]:
    legal = isinstance(weights, list | tuple) and len(weights) == n
    if not legal or not all(
        isinstance(weight, int | float) and not isinstance(weight, bool) and 0 < weight < float("inf")
        for weight in weights
    ):
        raise SettingError(
            f"`weights` must be 'precision', None or {n} numbers above 0, one per member, but got {weights!r}."
        )
    return list(weights)
