"""All that a predictor has learned, as one value: what a fit makes, an update replaces and a checkpoint holds."""

import copy
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.errors import PredictorError
from tart_nas.predictors.checkpoint import Arrays
from tart_nas.predictors.domain import CHUNK, Domain
from tart_nas.predictors.graph_scope import GraphScope
from tart_nas.predictors.inputs import AnyNetworks, Networks, PredictorInputs, checked, row_chunks
from tart_nas.predictors.label_size import LabelSize
from tart_nas.predictors.labels import LabelledData
from tart_nas.predictors.multi_target import MultiTargetModel
from tart_nas.predictors.scope import Scope
from tart_nas.predictors.targets import ONLY
from tart_nas.predictors.training_set import GivenLabels, training_data

__all__ = ["Fit", "Scaling"]

Floats = npt.NDArray[np.float64]

_GPU_CHUNK = 1 << 14  # architectures scored at once: a GPU needs many to be busy
_TRAINING = "training/"  # begins the names of the labels in a checkpoint; what models learned begins with a number


@dataclass(frozen=True)
class Scaling:
    """Mean and standard deviation of a target's labels, by which it is standardised."""

    mean: float
    scale: float

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "Scaling":
        """Reads JSON values.

        Raises:
            ValueError: if they are not finite numbers.
        """
        scaling = cls(float(data["mean"]), float(data["scale"]))
        if not all(map(math.isfinite, (scaling.mean, scaling.scale))):
            raise ValueError("the targets' mean and scale are not finite")
        return scaling


@dataclass(frozen=True, eq=False)
class Fit:
    """What a predictor has learned; without targets it has learned nothing yet.

    It is never changed: a fit that fails half way leaves the predictor with the one that it had.

    Args:
        model: of the standardised targets.
        targets: by name, in their order; {} before a fit.
        scope: the ranges of the training set; None where the model judges beyond them.
        label_size: at which the labels were measured.
        training: what the metadata tells of the fit: when, by which version, to how many labels; None of a kind that
            needs no labels and has seen none.
        labels: the labels in their own units, to be given back; None where they are not kept.
    """

    model: MultiTargetModel
    targets: Mapping[str, Scaling] = field(default_factory=dict)
    scope: Scope | GraphScope | None = None
    label_size: LabelSize = field(default_factory=LabelSize)
    training: Mapping[str, Any] | None = None
    labels: GivenLabels | None = None

    @classmethod
    def before_labels(cls, model: MultiTargetModel) -> "Fit":
        """Of a model that has seen no labels: nothing yet, unless its kind needs none."""
        return cls(model, {} if model.first.needs_labels else {ONLY: Scaling(0.0, 1.0)})

    @cached_property
    def domain(self) -> Domain:
        """Which architectures it judges, and at which size it reads them."""
        return Domain(self.scope, self.label_size, self.model.reads_cells, self.model.first.reads_graphs)

    def metadata(self) -> dict[str, Any]:
        """Kind, settings and tokens, and what was learned besides :meth:`arrays`: JSON values, as checkpoints hold."""
        return copy.deepcopy(
            {
                "kind": self.model.kind,
                "settings": self.model.settings,
                "token_scheme": self.model.first.token_scheme,
                "scope": None if self.scope is None else self.scope.to_dict(),
                "trained_at": self.label_size.to_dict(),
                "targets": {name: asdict(scaling) for name, scaling in self.targets.items()} or None,
                "training": None if self.training is None else dict(self.training),
            }
        )

    def arrays(self) -> Arrays:
        """What the model has learned, and the labels where it keeps the architectures that they are of: for a file."""
        learned = self.model.compact_arrays()
        if self.labels is None or self.model.training_sets() is None:
            return learned
        return learned | {f"{_TRAINING}{name}": array for name, array in self.labels.arrays().items()}

    @classmethod
    def restored(cls, model: MultiTargetModel, arrays: Arrays, metadata: Mapping[str, Any]) -> "Fit":
        """The one of :meth:`arrays` and :meth:`metadata`.

        Args:
            model: unfitted, of the kind and the settings in the metadata.
            arrays: from a checkpoint.
            metadata: from the same.

        Raises:
            ValueError: if they are not of such a model; or KeyError, TypeError, AttributeError, SettingError.
        """
        targets = {str(name): Scaling.from_dict(scaling) for name, scaling in metadata["targets"].items()}
        if not targets:
            raise ValueError("the targets' mean and scale are not finite")
        training = None if metadata["training"] is None else dict(metadata["training"])
        model = model.unfitted(len(targets))
        labels = {name: array for name, array in arrays.items() if name.startswith(_TRAINING)}
        model.restore({name: array for name, array in arrays.items() if name not in labels})
        given = None
        if labels:
            names = (training or {}).get("auxiliary_names", [])
            by_name = {name.removeprefix(_TRAINING): array for name, array in labels.items()}
            given = GivenLabels.of_arrays(by_name, names, model.training_sets())
        scope: Scope | GraphScope | None = None
        if model.first.has_scope:
            of_graphs = "primitives" in metadata["scope"]
            scope = (GraphScope if of_graphs else Scope).from_dict(metadata["scope"])
        return cls(model, targets, scope, LabelSize.from_dict(metadata.get("trained_at", {})), training, given)

    def identity(self) -> str:
        """See :attr:`Predictor.identity`."""
        metadata = self.metadata()
        described = {name: metadata[name] for name in ("kind", "settings", "token_scheme", "scope", "targets")}
        if metadata["trained_at"]:  # so that predictors without it keep the identity that run folders know
            described["trained_at"] = metadata["trained_at"]
        digest = hashlib.sha256(json.dumps(described, sort_keys=True).encode())
        for name, array in sorted(self.model.arrays().items()):
            digest.update(name.encode() + array.tobytes())
        return f"{self.model.kind} {digest.hexdigest()[:16]}"

    def predict(self, architectures: Networks | AnyNetworks, target: str, *, skip: bool) -> tuple[Floats, Floats]:
        """Predictions of n networks, or of architectures' cell tokens, in the target's unit.

        Args:
            architectures: n of them.
            target: one of :attr:`targets`.
            skip: whether to give NaN where an architecture is not judged, instead of an error.

        Returns:
            Means and standard deviations, (n,) each.

        Raises:
            PredictorError: if an architecture is not judged, or no architecture at all.
        """
        given = PredictorInputs(checked(architectures, trace=self.domain.reads_graphs))
        column = [*self.targets].index(target)
        predictions = np.full((2, len(given)), np.nan)
        device = self.model.device
        for rows in row_chunks(len(given), CHUNK if device is None or device.type == "cpu" else _GPU_CHUNK):
            inputs, judged = self.domain.read(given.take(rows).given)
            if not skip and not judged.all():
                raise self.domain.refusal(given.given, int(rows[judged.argmin()]))
            if len(inputs):
                predictions[:, rows[judged]] = self.model.predict(inputs, column)
        mean, scale = self.targets[target].mean, self.targets[target].scale
        return predictions[0] * scale + mean, predictions[1] * scale

    def training_data(self, description: Mapping[str, Any]) -> LabelledData:
        """See :meth:`Predictor.training_data`.

        Raises:
            PredictorError: if the model does not keep its training set.
        """
        sets = self.model.training_sets()
        if sets is None:
            raise PredictorError(
                f"The {self.model.kind} predictor does not keep the architectures that it was fitted to: 'gp' does, "
                "and an 'ensemble' with one."
            )
        scalings = {name: (scaling.mean, scaling.scale) for name, scaling in self.targets.items()}
        return training_data(sets, scalings, self.labels, description, self.label_size.to_dict())

    def described(self, notes: Mapping[str, Any]) -> str:
        """Kind, targets, number of labels and, where the notes tell it, how good it was found to be."""
        if not self.targets:
            return f"Predictor {self.model.kind}, not fitted"
        training, parts = self.training or {}, [f"Predictor {self.model.kind}"]
        if [*self.targets] != [ONLY]:
            parts[0] += f" of {', '.join(self.targets)}"
        if "n" in training:
            size = " and ".join(f"{name} {value}" for name, value in self.label_size.to_dict().items())
            parts.append(f"fitted to {training['n']} labels" + (f" of networks with {size}" if size else ""))
        elif "updated" not in training:
            parts.append("which needs no labels")
        if "updated" in training:
            parts.append(f"updated with {training['updated']['n']}")
        elif taus := self._cross_validated(notes):
            parts.append(f"cross-validated Kendall tau {', '.join(f'{tau:.3f}' for tau in taus)}")
        return ", ".join(parts)

    def _cross_validated(self, notes: Mapping[str, Any]) -> list[float]:
        """Kendall's tau of each target, where the notes tell it."""
        validations = notes.get("cross_validation")
        by_target = {ONLY: validations} if [*self.targets] == [ONLY] else validations
        try:
            return [float(by_target[name]["tau"]) for name in self.targets]  # type: ignore[index]
        except (KeyError, TypeError, ValueError):  # notes are the user's
            return []
