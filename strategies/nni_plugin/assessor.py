"""An assessor for NNI's classic experiments: stops trials that the finished ones show to be beaten.

After Baker et al., "Accelerating Neural Architecture Search using Performance Prediction" (2017): the final metric is
predicted from the learning curve so far, here by linear regression on the present value and, where trials report it,
the score that the predictor gave before training.
"""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.checks import number, one_of, whole
from tart_nas.errors import SettingError
from tart_nas.strategies.nni_plugin.availability import require_nni
from tart_nas.strategies.nni_plugin.managers import end_with_manager
from tart_nas.strategies.nni_plugin.metrics import metric_value

require_nni(nas=False)

from nni.assessor import Assessor, AssessResult  # noqa: E402

__all__ = ["TartAssessor"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI keeps it in dispatcher.log


class TartAssessor(Assessor):  # type: ignore[misc]
    """Stops a trial when even an optimistic estimate of its final metric is below the best that was reached.

    Trials report ``{"default": accuracy, "predicted": score}`` after each epoch, or the accuracy alone: NNI tells an
    assessor nothing else of a trial.

    Example::

        assessor:
          className: tart_nas.strategies.nni_plugin.TartAssessor
          codeDirectory: .
          classArgs: {warmup: 8}

    Args:
        warmup: finished trials before any is stopped, at least 5.
        start: reports of a trial before it may be stopped, at least 1.
        margin: how many standard deviations above its estimate the final metric is granted, at least 0.
        optimize_mode: ``"maximize"`` or ``"minimize"`` the metric.
        unknown: refused.

    Raises:
        SettingError: if an argument is unknown or outside its range.
    """

    def __init__(
        self,
        warmup: int = 8,
        start: int = 1,
        margin: float = 2.0,
        optimize_mode: str = "maximize",
        **unknown: Any,
    ) -> None:
        super().__init__()
        if unknown:
            raise SettingError(f"TartAssessor has no argument {', '.join(map(repr, unknown))} in `classArgs`.")
        for name, value, least in (("warmup", warmup, 5), ("start", start, 1)):
            whole(name, value, least)
        number("margin", margin, 0)
        one_of("optimize_mode", optimize_mode, ("maximize", "minimize"))
        self.warmup, self.start, self.margin = warmup, start, float(margin)
        self._sign = 1.0 if optimize_mode == "maximize" else -1.0
        self._running: dict[str, list[tuple[float, float]]] = {}  # of each trial the values and predicted scores so far
        self._finished: list[list[tuple[float, float]]] = []
        end_with_manager()

    def assess_trial(self, trial_job_id: str, trial_history: list[Any]) -> Any:
        """Whether a trial goes on; one that reports what is no metric does."""
        try:
            reports = [(self._sign * metric_value(report), _predicted(report)) for report in trial_history]
        except ValueError as error:
            _logger.error("Trial %s reported what is no metric: %s.", trial_job_id, error)
            return AssessResult.Good
        self._running[trial_job_id] = reports
        limit = self.highest_final(reports)
        best = max((reports[-1][0] for reports in self._finished), default=-math.inf)
        if not limit < best:  # also where no limit is known, NaN
            return AssessResult.Good
        _logger.info("Trial %s is stopped: at most %.4f expected, %.4f reached.", trial_job_id, limit, best)
        return AssessResult.Bad

    def trial_end(self, trial_job_id: str, success: bool) -> None:
        """Takes a finished trial among those that are learned from."""
        reports = self._running.pop(trial_job_id, None)
        if success and reports:
            self._finished.append(reports)

    def highest_final(self, reports: Sequence[tuple[float, float]]) -> float:
        """The highest final value that is granted to a curve; infinite while too little is known.

        Args:
            reports: values and predicted scores (NaN where there are none) of each epoch so far.
        """
        step = len(reports) - 1
        curves = [curve for curve in self._finished if len(curve) > step]
        if step + 1 < self.start or len(curves) < self.warmup:
            return math.inf
        known = np.array([curve[step] for curve in curves])  # (n, 2)
        final = np.array([curve[-1][0] for curve in curves])
        rows = np.vstack([known, reports[-1]])
        columns = [rows[:, 0], rows[:, 1]] if np.isfinite(rows).all() else [rows[:, 0]]
        return _upper_bound(np.stack(columns, axis=1), final, self.margin)


def _upper_bound(features: npt.NDArray[np.float64], final: npt.NDArray[np.float64], margin: float) -> float:
    """Linear regression of n final values on the first n rows of the features; the last row's upper prediction bound.

    Args:
        features: (n + 1, p).
        final: (n,).
        margin: in standard deviations of the prediction.
    """
    spread = features[:-1].std(axis=0)
    features = features[:, spread > 0]
    scaled = (features - features[:-1].mean(axis=0)) / spread[spread > 0]
    design = np.hstack([np.ones((len(scaled), 1)), scaled])
    known, asked = design[:-1], design[-1]
    ridge = 1e-9 * np.eye(design.shape[1])  # two columns may be the same; it changes no digit that is shown
    covariance = np.linalg.inv(known.T @ known + ridge)
    weights = covariance @ known.T @ final
    residuals = final - known @ weights
    variance = residuals @ residuals / max(1, len(final) - design.shape[1])
    return float(asked @ weights + margin * np.sqrt(variance * (1 + asked @ covariance @ asked)))


def _predicted(report: Any) -> float:
    value = report.get("predicted") if isinstance(report, dict) else None
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
