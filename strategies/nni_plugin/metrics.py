"""Metrics as trials report them: a number, or a dict with the number under ``default``."""

import logging
import math
from typing import Any

__all__ = ["MetricGuard", "metric_value"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI shows and keeps it


def metric_value(metric: Any) -> float:
    """The number that a trial reported.

    Raises:
        ValueError: if it is no finite number, or a dict without one under ``default``; the message says which.
    """
    value = metric
    if isinstance(metric, dict):
        if "default" not in metric:
            raise ValueError(f"the metric {metric!r} has no 'default'")
        value = metric["default"]
    # Numbers of numpy and torch, and arrays of one: NNI stores an array as it is.
    if callable(getattr(value, "item", None)) and math.prod(getattr(value, "shape", ())) == 1:
        value = value.item()
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"the metric {metric!r} is not a number")
    if not math.isfinite(value):
        raise ValueError(f"the metric {metric!r} is not finite")
    return float(value)


class MetricGuard:
    """Keeps metrics that are no numbers away from NNI: on one without ``default`` its listener would die, and the
    experiment hang. The trial then ends without a metric, as a failed one does. NNI gets arrays of one as numbers.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        engine.register_model_event_callback("final_metric", self._check)
        engine.register_model_event_callback("intermediate_metric", self._check)

    def remove(self) -> None:
        """Ends the guard."""
        self._engine.unregister_model_event_callback("final_metric", self._check)
        self._engine.unregister_model_event_callback("intermediate_metric", self._check)

    def _check(self, event: Any) -> None:
        try:
            value = metric_value(event.metric)
            event.metric = {**event.metric, "default": value} if isinstance(event.metric, dict) else value
        except ValueError as error:
            _logger.error(
                "A trial reported what is no metric: %s; it counts as failed. Expected a number, or a dict with a "
                "number under 'default'. Its sample: %s",
                error,
                event.model.sample,
            )
            event.stop_propagation()
