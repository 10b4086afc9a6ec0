"""Whether labels of one's own improve a fitted predictor: an update, cross-validated beside the predictor as it was."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from tart_nas.checks import MOST_SEED, whole
from tart_nas.errors import PredictorError
from tart_nas.predictors.labels import LabelledData
from tart_nas.predictors.predictor import Predictor
from tart_nas.predictors.targets import MIN_LABELS
from tart_nas.predictors.validation import CrossValidation, rows_of_folds

__all__ = ["learned_target", "update_and_validate"]


def update_and_validate(
    predictor: Predictor,
    data: LabelledData,
    *,
    target: str | None = None,
    folds: int = 5,
    seed: int = 0,
    report: Callable[[int, Mapping[str, float]], None] = lambda fold, taus: None,
) -> tuple[Predictor, dict[str, CrossValidation]]:
    """What ``tart-nas update`` does: cross-validates an update, then updates with all labels.

    For each fold a copy of the predictor is updated with the labels of the others
    (:meth:`tart_nas.predictors.Predictor.update`) and ranks those of this one; so does the predictor as it is.

    Args:
        predictor: a fitted one, which stays as it is.
        data: architectures that it judges, and their labels, in any unit; those without a label are left out.
        target: whose labels, one of the data's; by default the predictor's first target, else the data's first.
        folds: number of folds, at least 2; 0 leaves out the cross-validation.
        seed: of the folds and of the updates.
        report: called with each fold's index and the taus of ``"updated"`` and ``"as it was"``.

    Returns:
        Another predictor, whose notes tell data and cross-validation, and what was found of ``"updated"`` and of
        ``"as it was"``; nothing without folds.

    Raises:
        PredictorError: if the predictor is not fitted or does not judge an architecture, or labels are too few or all
            equal, or there is no such target; with folds also if it has learned some of the labels.
    """
    from scipy.stats import kendalltau  # here, since importing it takes a second

    whole("seed", seed, 0, MOST_SEED)
    whole("folds", folds)
    before_name = predictor.identity  # which an unfitted one has not
    name = learned_target(predictor, data, target)
    known = data.take(np.flatnonzero(np.isfinite(data.targets[name])))
    architectures, values, n = known.architectures, known.targets[name], len(known.architectures)
    different = len({*architectures})
    if folds and (folds < 2 or different < 2 * folds or different - -(-different // folds) < MIN_LABELS):
        raise PredictorError(
            f"`folds` must be at least 2, each with 2 of the {different} labels, which leave {MIN_LABELS}, or 0 for "
            f"none; but got {folds}."
        )
    before = predictor.predict(architectures)
    if folds and (seen := int(predictor.has_learned(architectures, values).sum())):
        raise PredictorError(
            f"The predictor has learned labels of {seen} of the {n} networks: a cross-validation would show that it "
            f"remembers them. Update the predictor of before, or give `folds` 0 for no cross-validation."
        )
    predictions = {"updated": np.zeros(n), "as it was": before}
    taus: dict[str, list[float]] = {way: [] for way in predictions}
    for fold, test in enumerate(rows_of_folds(architectures, folds, seed) if folds else ()):
        rest = np.setdiff1d(np.arange(n), test)
        learned = _updated(predictor, known.take(rest), name, (seed + fold) % (MOST_SEED + 1))
        predictions["updated"][test] = learned.predict([architectures[row] for row in test])
        for way, predicted in predictions.items():
            taus[way].append(float(kendalltau(predicted[test], values[test]).statistic))
        report(fold, {way: of_folds[-1] for way, of_folds in taus.items()})
    found = {way: CrossValidation(tuple(taus[way]), predictions[way], seed) for way in taus} if folds else {}
    made = _updated(predictor, known, name, seed)
    data_notes = {**data.description, "target": name}
    # Of the networks that were trained; the predictor reads all at the size of its first labels, as before.
    notes: dict[str, Any] = {"made_by": "tart-nas update", "updated": before_name, "data": data_notes}
    notes |= {"label_size": dict(data.label_size)} if data.label_size else {}
    if found:
        notes["cross_validation"] = {way: validation.to_dict() for way, validation in found.items()}
    made.notes = notes | {"before": predictor.notes}
    return made, found


def _updated(predictor: Predictor, data: LabelledData, name: str, seed: int) -> Predictor:
    return copy.copy(predictor).update(data.architectures, data.targets[name], seed=seed)  # a new fit, in the copy


def learned_target(predictor: Predictor, data: LabelledData, given: str | None) -> str:
    """Which of the data's targets a fitted predictor is updated with.

    Raises:
        PredictorError: if there is none of the name that was given.
    """
    if given is None:
        first = predictor.targets[0]
        return first if first in data.targets else next(iter(data.targets))
    if given not in data.targets:
        raise PredictorError(f"`target` must be one of {', '.join(data.targets)}, but got {given!r}.")
    return given
