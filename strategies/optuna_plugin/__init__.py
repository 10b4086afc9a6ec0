"""For Optuna studies: architectures as parameters, and pruners and a sampler that ask a predictor."""

from tart_nas.strategies.optuna_plugin.parameters import (
    architecture_of,
    architecture_parameters,
    suggest_architecture,
)
from tart_nas.strategies.optuna_plugin.pruners import TartHyperbandPruner, TartPruner
from tart_nas.strategies.optuna_plugin.sampler import TartSampler
from tart_nas.strategies.optuna_plugin.warm_start import add_architecture, architecture_distributions

__all__ = [
    "TartHyperbandPruner",
    "TartPruner",
    "TartSampler",
    "add_architecture",
    "architecture_distributions",
    "architecture_of",
    "architecture_parameters",
    "suggest_architecture",
]
