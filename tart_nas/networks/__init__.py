"""The PyTorch network of an architecture, built, trained ones read and written."""

from tart_nas.choices import EXPORT_SUFFIXES
from tart_nas.layout import parameter_count
from tart_nas.networks.description import NetworkDescription
from tart_nas.networks.exporting import export
from tart_nas.networks.network import Network, build_network
from tart_nas.networks.parameters import count_parameters
from tart_nas.networks.trained import describe, load, save

__all__ = [
    "EXPORT_SUFFIXES",
    "Network",
    "NetworkDescription",
    "build_network",
    "count_parameters",
    "describe",
    "export",
    "load",
    "parameter_count",
    "save",
]
