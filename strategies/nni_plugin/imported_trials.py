"""Trials that a resumed tuner of a classic experiment is told: with the parameters that gave their metrics."""

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tart_nas.errors import NniError
from tart_nas.strategies.nni_plugin.migration.database import read_experiment

__all__ = ["true_pairs"]

_logger = logging.getLogger(f"nni.{__name__}")  # below "nni", so that NNI keeps it in dispatcher.log


def true_pairs(data: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What NNI imports, each metric with the parameters of which it is.

    With several trials at a time, NNI's manager gives a resumed tuner some metrics with other trials' parameters
    (:mod:`tart_nas.strategies.nni_plugin.swapped_trials`). The rows of metrics in its database have the true numbers.
    Trials of other experiments, which have no name here, stay as they are.

    Args:
        data: n entries with ``parameter`` and ``value``; those of a resumption have a ``trialJobId``.
    """
    named = {entry["trialJobId"] for entry in data if "trialJobId" in entry}
    if not named or not (logs := os.environ.get("NNI_LOG_DIRECTORY")):
        return [dict(entry) for entry in data]
    try:
        trials = {trial.id: trial for trial in read_experiment(Path(logs).parent).trials}
    except NniError as error:
        _logger.warning("Metrics may be learned with other trials' parameters: %s", error)
        return [dict(entry) for entry in data]
    ran = {name: trial.sample for name, trial in trials.items() if trial.sample is not None}
    return [{**entry, "parameter": ran.get(str(entry.get("trialJobId")), entry["parameter"])} for entry in data]
