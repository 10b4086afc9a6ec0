"""The plugin for Optuna studies by its short name: ``tart_nas.optuna.TartSampler``.

It lies in :mod:`tart_nas.strategies.optuna_plugin`. Import Optuna itself by ``import optuna``, as ever: this module has
its name only inside the package.
"""

from tart_nas.strategies import optuna_plugin
from tart_nas.strategies.optuna_plugin import *  # noqa: F403

__all__ = optuna_plugin.__all__
