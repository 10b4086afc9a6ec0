"""From NNI to Optuna, without NNI: its experiments become studies, its JSON search spaces suggest parameters."""

from tart_nas.strategies.nni_plugin.migration.json_parameters import suggest_nni
from tart_nas.strategies.nni_plugin.migration.studies import to_optuna

__all__ = ["suggest_nni", "to_optuna"]
