"""Predictors of the performance of architectures: one interface, several kinds, checkpoints."""

from typing import TYPE_CHECKING

from tart_nas.choices import KINDS
from tart_nas.lazy import imported_when_used
from tart_nas.predictors import pretrained

if TYPE_CHECKING:
    from tart_nas.predictors.explanation import Explanation
    from tart_nas.predictors.labels import LabelledData, read_auxiliary, read_labelled
    from tart_nas.predictors.naslib_labels import download_darts_labels
    from tart_nas.predictors.predictor import Predictor
    from tart_nas.predictors.update_validation import update_and_validate
    from tart_nas.predictors.validation import CrossValidation, cross_validate, cross_validate_targets, fit_and_validate

__all__ = [
    "KINDS",
    "CrossValidation",
    "Explanation",
    "LabelledData",
    "Predictor",
    "cross_validate",
    "cross_validate_targets",
    "download_darts_labels",
    "fit_and_validate",
    "pretrained",
    "read_auxiliary",
    "read_labelled",
    "update_and_validate",
]

_LAZY = {  # imported at their first use: SciPy takes a second, which `tart-nas --help` does not have
    "CrossValidation": "validation",
    "Explanation": "explanation",
    "LabelledData": "labels",
    "Predictor": "predictor",
    "cross_validate": "validation",
    "cross_validate_targets": "validation",
    "download_darts_labels": "naslib_labels",
    "fit_and_validate": "validation",
    "read_auxiliary": "labels",
    "read_labelled": "labels",
    "update_and_validate": "update_validation",
}

__getattr__, __dir__ = imported_when_used(__name__, _LAZY, __all__)
