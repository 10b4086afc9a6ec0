"""Many networks trained and measured alike: labels for predictors."""

from tart_nas.measurements.inference_time import InferenceTime, inference_time
from tart_nas.measurements.label_file import read_label_file
from tart_nas.measurements.measurement import Measurement, convergence, measure_network
from tart_nas.measurements.measuring import measure
from tart_nas.measurements.settings import MeasuringSettings
from tart_nas.measurements.targets import PROPERTIES, read_labelled_data

__all__ = [
    "PROPERTIES",
    "InferenceTime",
    "Measurement",
    "MeasuringSettings",
    "convergence",
    "inference_time",
    "measure",
    "measure_network",
    "read_label_file",
    "read_labelled_data",
]
