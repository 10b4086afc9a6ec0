"""How good a predictor is on architectures it has not seen: cross-validation."""

import math
import os
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.checks import MOST_SEED, whole
from tart_nas.deprecation import renamed_arguments
from tart_nas.errors import PredictorError
from tart_nas.predictors.labels import LabelledData
from tart_nas.predictors.predictor import Predictor
from tart_nas.predictors.targets import MIN_LABELS, ONLY, checked_targets

__all__ = ["CrossValidation", "cross_validate", "cross_validate_targets", "fit_and_validate", "rows_of_folds"]


@dataclass(frozen=True, repr=False)
class CrossValidation:
    """What a cross-validation found.

    Attributes:
        taus: Kendall's tau of each fold's predictions, (folds,); NaN where all labels or all predictions are equal.
        predictions: (n,), each by the predictor that had not seen it.
        seed: that drew the folds.
    """

    taus: tuple[float, ...]
    predictions: npt.NDArray[np.float64]
    seed: int

    def __repr__(self) -> str:
        """What it found, without the predictions."""
        return f"<CrossValidation, Kendall tau {self.tau:.3f} (spread {self.spread:.3f}) of {len(self.taus)} folds>"

    @property
    def tau(self) -> float:
        """Mean of the taus of the folds that have one, NaN if none has."""
        return float(np.mean(defined)) if (defined := self._defined) else math.nan

    @property
    def spread(self) -> float:
        """Standard deviation of the same."""
        return float(np.std(defined)) if (defined := self._defined) else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The result as JSON values, without the predictions; None where it is not defined."""
        tau, *taus = (None if math.isnan(tau) else tau for tau in (self.tau, *self.taus))
        return {"folds": len(self.taus), "seed": self.seed, "tau": tau, "taus": taus}

    @property
    def _defined(self) -> list[float]:
        return [tau for tau in self.taus if not math.isnan(tau)]


def cross_validate(
    make_predictor: Callable[[], Predictor],
    architectures: Sequence[Architecture],
    targets: npt.ArrayLike,
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    report: Callable[[int, float], None] = lambda fold, tau: None,
    auxiliary: npt.ArrayLike | None = None,
    init: Predictor | None = None,
) -> CrossValidation:
    """Fits a new predictor to all folds but one, for each fold, and compares its predictions of that one.

    The settings are the same for all folds and nothing is chosen on them.

    Args:
        make_predictor: gives an unfitted predictor.
        architectures: n of them.
        targets: (n,) values.
        folds: number of folds, at least 2.
        seed: of the folds and of the fits.
        progress: called with each share of the work that is done; the shares sum to 1.
        report: called with each fold's index and tau as soon as it is known.
        auxiliary: (n, K), as :meth:`Predictor.fit` takes; those of the fold that is predicted are not used.
        init: as :meth:`Predictor.fit` takes.

    Raises:
        PredictorError: if there are too few labels for the folds, or targets cannot be fitted.
        SettingError: if ``folds`` or ``seed`` is no whole number, or outside its range.
    """
    values = checked_targets(targets, len(architectures))
    data = LabelledData(architectures, {ONLY: values}, auxiliary=None if auxiliary is None else np.asarray(auxiliary))

    def report_only(fold: int, taus: Mapping[str, float]) -> None:
        report(fold, taus[ONLY])

    validations = cross_validate_targets(
        make_predictor, data, folds=folds, seed=seed, progress=progress, report=report_only, init=init
    )
    return validations[ONLY]


def cross_validate_targets(
    make_predictor: Callable[[], Predictor],
    data: LabelledData,
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    report: Callable[[int, Mapping[str, float]], None] = lambda fold, taus: None,
    init: Predictor | None = None,
) -> dict[str, CrossValidation]:
    """:func:`cross_validate` for each of several targets, which are learned together.

    A predictor is told which architectures it will be asked of, not their labels: it would decline what is outside the
    ranges of a training set, of which each fold has some.

    Args:
        make_predictor: gives an unfitted predictor.
        data: n architectures and their targets; of one with unknown labels, tau is that of the known ones.
        folds: number of folds, at least 2.
        seed: of the folds and of the fits.
        progress: called with each share of the work that is done; the shares sum to 1.
        report: called with each fold's index and the tau of each target.
        init: as :meth:`Predictor.fit` takes.

    Raises:
        PredictorError: as of :func:`cross_validate`.
    """
    n, different = len(data.architectures), len({*data.architectures})
    whole("seed", seed, 0, MOST_SEED)
    if whole("folds", folds) < 2:
        raise PredictorError(f"`folds` must be at least 2, but got {folds}.")
    if different < 2 * folds or different - -(-different // folds) < MIN_LABELS:
        of = "" if different == n else f" of {different} networks"
        raise PredictorError(
            f"{n} labels{of} are too few for {folds} folds: each fold needs at least 2 and what is left at least "
            f"{MIN_LABELS}."
        )
    from scipy.stats import kendalltau  # here, since importing it takes a second

    predictions = {name: np.zeros(n) for name in data.targets}
    taus: dict[str, list[float]] = {name: [] for name in data.targets}
    for fold, test in enumerate(rows_of_folds(data.architectures, folds, seed)):
        rest, asked = data.take(np.setdiff1d(np.arange(n), test)), data.take(test)
        predictor = _fitted(
            make_predictor, rest, (seed + fold) % (MOST_SEED + 1), _share_of(progress, folds), init, asked.architectures
        )
        for name, values in asked.targets.items():
            predictions[name][test] = predictor.predict(asked.architectures, target=name)
            labelled = np.isfinite(values)
            taus[name].append(float(kendalltau(predictions[name][test][labelled], values[labelled]).statistic))
        report(fold, {name: of_folds[-1] for name, of_folds in taus.items()})
    return {name: CrossValidation(tuple(taus[name]), predictions[name], seed) for name in data.targets}


def rows_of_folds(networks: Sequence[Hashable], folds: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """The rows of each fold of a cross-validation, drawn at random; those of equal networks are in one fold.

    A predictor that has learned one label of a network remembers it: to predict another label of that network, such as
    that of a training with another seed, shows nothing of networks that it does not know.
    """
    places: dict[Hashable, int] = {}
    of_network = np.array([places.setdefault(network, len(places)) for network in networks])
    parts = np.array_split(np.random.default_rng(seed).permutation(len(places)), folds)
    return [np.concatenate([np.flatnonzero(of_network == place) for place in part]) for part in parts]


@renamed_arguments(also_judges="extend_scope")
def fit_and_validate(
    data: LabelledData | str | os.PathLike[str],
    make_predictor: Callable[[], Predictor] = Predictor,
    *,
    folds: int = 5,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    report: Callable[[int, Mapping[str, float]], None] = lambda fold, taus: None,
    init: Predictor | None = None,
    extend_scope: Sequence[Architecture] = (),
) -> tuple[Predictor, dict[str, CrossValidation]]:
    """What ``tart-nas fit`` does: cross-validates on labelled architectures, then fits to all of them.

    Args:
        data: architectures and their labels, or a file that :meth:`LabelledData.read` reads.
        make_predictor: gives an unfitted predictor.
        folds: number of folds, at least 2; 0 leaves out the cross-validation, which takes as long as so many fits.
        seed: of the folds and of the fits.
        progress: called with each share of the work that is done; the shares sum to 1.
        report: called with each fold's index and the tau of each target as soon as they are known.
        init: as :meth:`Predictor.fit` takes.
        extend_scope: likewise.

    Returns:
        The fitted predictor, whose notes tell the data and the cross-validation, and the cross-validation of each
        target by name; none without folds.

    Raises:
        PredictorError: if the data cannot be read or is too little.
    """
    labelled = data if isinstance(data, LabelledData) else LabelledData.read(data)
    validations: dict[str, CrossValidation] = {}
    if folds:
        # One of folds + 1 fits is the last one, to all labels.
        of_folds = _share_of(progress, (folds + 1) / folds)
        validations = cross_validate_targets(
            make_predictor, labelled, folds=folds, seed=seed, progress=of_folds, report=report, init=init
        )
    predictor = _fitted(make_predictor, labelled, seed, _share_of(progress, folds + 1), init, extend_scope)
    predictor.notes |= {"made_by": "tart-nas fit: a fit to all labels", "data": dict(labelled.description)}
    if validations:
        results = {name: validation.to_dict() for name, validation in validations.items()}
        predictor.notes |= {
            "made_by": "tart-nas fit: cross-validation, then a fit to all labels",
            "cross_validation": results[ONLY] if [*results] == [ONLY] else results,
        }
    return predictor, validations


def _fitted(
    make_predictor: Callable[[], Predictor],
    data: LabelledData,
    seed: int,
    progress: Callable[[float], None] | None,
    init: Predictor | None,
    extend_scope: Sequence[Architecture],
) -> Predictor:
    return make_predictor().fit(
        data.architectures,
        data.targets,
        seed=seed,
        progress=progress,
        auxiliary=data.named_auxiliary,
        init=init,
        label_size=data.label_size,
        extend_scope=extend_scope,
    )


def _share_of(progress: Callable[[float], None] | None, parts: float) -> Callable[[float], None] | None:
    """The progress of one of some equal parts of the work."""
    return None if progress is None else lambda share: progress(share / parts)
