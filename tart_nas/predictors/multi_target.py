"""Models of one kind behind an interface for any number of targets, so that nothing above asks what a kind can do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models.regressor import Regressor, regressor_class
from tart_nas.tokens import TOKEN_SCHEME, CellTokens

if TYPE_CHECKING:
    import torch

__all__ = ["MultiTargetModel"]

Floats = npt.NDArray[np.float64]

_WHOLE = "whole"  # the name of an array that tells that nothing of a regressor was left out; files of before have none


@dataclass(frozen=True, eq=False)
class MultiTargetModel:
    """A model of P targets: one regressor where its kind learns them all at once, else one regressor for each.

    Args:
        kind: of the regressors.
        regressors: 1 or P of them.
        device: where they compute; None for the CPU.
    """

    kind: str
    regressors: Sequence[Regressor]
    device: "torch.device | None" = None

    @classmethod
    def make(
        cls, kind: str, settings: Mapping[str, Any], targets: int = 1, device: "torch.device | None" = None
    ) -> "MultiTargetModel":
        """An unfitted one.

        Raises:
            SettingError: if there is no such kind, or it has no such setting or value.
        """
        regressor = regressor_class(kind)
        n = 1 if regressor.several_targets else targets
        model = cls(kind, [regressor.make(dict(settings)) for _ in range(n)])
        return model if device is None else model.to(device)

    def unfitted(self, targets: int) -> "MultiTargetModel":
        """Another one with the same settings, for this number of targets."""
        return self.make(self.kind, self.settings, targets, self.device)

    @property
    def first(self) -> Regressor:
        """The regressor of the first target."""
        return self.regressors[0]

    @property
    def settings(self) -> dict[str, Any]:
        """All keyword arguments that make it again."""
        return self.first.settings

    @property
    def reads_cells(self) -> bool:
        """Whether it reads cell tokens, for which some architectures are too large."""
        return TOKEN_SCHEME in self.first.token_scheme

    def to(self, device: "torch.device") -> "MultiTargetModel":
        """The same regressors, which compute on a device from now on."""
        for regressor in self.regressors:
            regressor.to(device)
        return MultiTargetModel(self.kind, self.regressors, device)

    def start_from(self, other: "MultiTargetModel") -> None:
        """Lets the fit start from what another model has learned.

        Raises:
            PredictorError: if this kind cannot, or not from that model.
        """
        for regressor in self.regressors:
            regressor.start_from(other.first)

    def fit(
        self,
        inputs: PredictorInputs,
        targets: Floats,
        auxiliary: Floats,
        *,
        seed: int,
        progress: Callable[[float], None],
    ) -> None:
        """Learns anew.

        Args:
            inputs: n architectures.
            targets: (n, P), each with mean 0 and standard deviation 1, NaN where unknown.
            auxiliary: (n, K) further values, standardised, NaN where unknown; K may be 0.
            seed: of everything random.
            progress: called with each share of the work that is done; the shares sum to 1.
        """
        if self.first.several_targets:
            self.first.fit(inputs, targets, auxiliary, seed, progress)
            return
        for regressor, column in zip(self.regressors, targets.T, strict=True):
            # A regressor of one target takes no NaN, so it gets only the rows whose label is known.
            labelled = np.flatnonzero(np.isfinite(column))
            rows = inputs if len(labelled) == len(inputs) else inputs.take(labelled)
            regressor.fit(
                rows, column[labelled], auxiliary[labelled], seed, lambda share: progress(share / len(self.regressors))
            )

    def predict(self, inputs: PredictorInputs, target: int) -> tuple[Floats, Floats]:
        """Means and standard deviations, each (n,), of one standardised target."""
        if self.first.several_targets:
            means, stds = self.first.predict(inputs)
            return means[:, target], stds[:, target]
        return self.regressors[target].predict(inputs)

    def fast_approximation(self) -> "MultiTargetModel":
        """A cheaper approximation; itself, where there is none."""
        approximations = [regressor.fast_approximation() for regressor in self.regressors]
        # Not an equal copy: callers see by the identity that there is none.
        if all(quick is regressor for quick, regressor in zip(approximations, self.regressors, strict=True)):
            return self
        return MultiTargetModel(self.kind, approximations, self.device)

    def training_sets(self) -> list[tuple[CellTokens, Floats]] | None:
        """For each target the architectures that it was fitted to and their labels; None where they are not kept."""
        sets = [(regressor.training_tokens(), regressor.training_targets()) for regressor in self.regressors]
        kept = [(tokens, targets) for tokens, targets in sets if tokens is not None and targets is not None]
        return kept if len(kept) == len(sets) else None

    def arrays(self) -> Arrays:
        """What was learned; names start with the regressor's number."""
        return {
            f"{index}/{name}": array
            for index, regressor in enumerate(self.regressors)
            for name, array in regressor.arrays().items()
        }

    def compact_arrays(self) -> Arrays:
        """:meth:`arrays` without what a later regressor has in common with the first, for a file.

        That are the features of the training set, which are by far the most of a Gaussian process on graphs.
        """
        first = self.first.arrays()
        stored = {f"0/{name}": array for name, array in first.items()}
        for index, regressor in enumerate(self.regressors[1:], start=1):
            own = regressor.arrays()
            # Of equal names alone: a regressor then gets back what it gave, and nothing else.
            known = first if own.keys() == first.keys() else {}
            stored |= {f"{index}/{name}": array for name, array in own.items() if not _is_same(array, known.get(name))}
            if own.keys() < first.keys():  # else what it never had would be taken for left out
                stored[f"{index}/{_WHOLE}"] = np.ones(1, dtype=np.bool_)
        return stored

    def restore(self, arrays: Arrays) -> None:
        """Takes what :meth:`arrays` or :meth:`compact_arrays` gave.

        Raises:
            ValueError: if the names or shapes are not those of this model.
        """
        parts: dict[str, Arrays] = {str(index): {} for index in range(len(self.regressors))}
        for name, array in arrays.items():
            index, _, rest = name.partition("/")
            # A file of another number of targets, or none of ours at all.
            if index not in parts:
                raise ValueError("other arrays than those of its targets")
            parts[index][rest] = array
        for part in parts.values():
            if part.pop(_WHOLE, None) is None and part.keys() <= parts["0"].keys():
                part.update({name: array for name, array in parts["0"].items() if name not in part})
        for regressor, part in zip(self.regressors, parts.values(), strict=True):
            regressor.restore(part)


def _is_same(array: npt.NDArray[Any], other: npt.NDArray[Any] | None) -> bool:
    return other is not None and array.dtype == other.dtype and np.array_equal(array, other)
