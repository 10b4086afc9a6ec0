"""Predictors of the performance of architectures: one interface, several kinds, checkpoints."""

from tart_nas.choices import KINDS
from tart_nas.predictors.explanation import Explanation
from tart_nas.predictors.labels import LabelledData, read_auxiliary, read_labelled
from tart_nas.predictors.predictor import Predictor
from tart_nas.predictors.validation import CrossValidation, cross_validate, cross_validate_targets, fit_and_validate

__all__ = [
    "KINDS",
    "CrossValidation",
    "Explanation",
    "LabelledData",
    "Predictor",
    "cross_validate",
    "cross_validate_targets",
    "fit_and_validate",
    "read_auxiliary",
    "read_labelled",
]
