"""A fit: labels are checked and standardised, architectures read, a new model learns."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.checks import MOST_SEED, whole
from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors.fit import Fit, Scaling
from tart_nas.predictors.graph_scope import GraphScope
from tart_nas.predictors.inputs import AnyNetworks, Networks, PredictorInputs, checked
from tart_nas.predictors.label_size import LabelSize
from tart_nas.predictors.multi_target import MultiTargetModel
from tart_nas.predictors.scope import Scope
from tart_nas.predictors.targets import ONLY, Auxiliary, checked_targets, known_targets
from tart_nas.predictors.training_set import GivenLabels
from tart_nas.version import version

__all__ = ["fit_to_labels", "training_record"]

Floats = npt.NDArray[np.float64]
Targets = npt.ArrayLike | Mapping[str, npt.ArrayLike]


def fit_to_labels(
    model: MultiTargetModel,
    architectures: Networks,
    targets: Targets,
    *,
    seed: int,
    progress: Callable[[float], None] | None,
    auxiliary: Targets | None,
    init: MultiTargetModel | None,
    label_size: Mapping[str, int] | None,
    extend_scope: Networks,
) -> Fit:
    """What :meth:`Predictor.fit` does, with its arguments.

    Args:
        model: has kind, settings and device of the one that learns; it is not changed itself.
        architectures: as there, like all that follow but ``init``.
        targets: see there.
        seed: see there.
        progress: see there.
        auxiliary: see there.
        init: the model of the predictor to start from.
        label_size: see there.
        extend_scope: see there.

    Raises:
        PredictorError: see there.
        SettingError: see there.
    """
    given, further = checked(architectures), checked(extend_scope)
    n = len(given)
    names, values = _named_targets(targets, n)
    auxiliary_labels = Auxiliary.of(auxiliary, n)
    whole("seed", seed, 0, MOST_SEED)
    if progress is not None and not callable(progress):
        raise SettingError(f"`progress` must be a function of the share that was done, but got {progress!r}.")
    size = LabelSize.from_dict(label_size or {})
    inputs = PredictorInputs(size.apply(given))
    # Over the known labels; they were checked to differ, so that no deviation is 0.
    mean, scale = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    # A new one: if the fit fails, the predictor keeps what it had learned.
    model = model.unfitted(len(names))
    if init is not None:
        model.start_from(init)
    scores = auxiliary_labels.normal_scores()
    model.fit(inputs, (values - mean) / scale, scores, seed=seed, progress=progress or (lambda share: None))
    scope: Scope | GraphScope | None = None
    if model.first.has_scope and isinstance(given, AnyNetworks):
        scope = GraphScope.of([*inputs.graphs(), *PredictorInputs(further).graphs()])
    elif model.first.has_scope:
        # At the size of the labels, at which every architecture is read later on.
        scope = Scope.of(inputs.tokens.joined(PredictorInputs(size.apply(further)).tokens))
    training = training_record(n, seed) | {"auxiliary": scores.shape[1]}
    if auxiliary_labels.names:
        training["auxiliary_names"] = list(auxiliary_labels.names)
    scalings = {name: Scaling(float(m), float(s)) for name, m, s in zip(names, mean, scale, strict=True)}
    return Fit(model, scalings, scope, size, training, GivenLabels(values, auxiliary_labels))


def training_record(n: int, seed: int) -> dict[str, Any]:
    """What the metadata tells of a fit or an update by n labels."""
    date, made_by = datetime.now(UTC).isoformat(timespec="seconds"), f"tart-nas {version()}"
    return {"date": date, "made_by": made_by, "n": n, "seed": seed}


def _named_targets(targets: Targets, n: int) -> tuple[tuple[str, ...], Floats]:
    """The names of P targets, and their values (n, P), NaN where unknown."""
    if not isinstance(targets, Mapping):
        return (ONLY,), checked_targets(targets, n)[:, None]
    if not targets:
        raise PredictorError("`targets` must name at least one target, but got an empty mapping.")
    if (wrong := next((name for name in targets if not isinstance(name, str)), None)) is not None:
        raise PredictorError(f"The name of a target must be a text, but got {wrong!r}.")
    return tuple(targets), np.stack([known_targets(values, n, name) for name, values in targets.items()], axis=1)
