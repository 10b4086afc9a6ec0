"""SMAC3 on the parameters of a space of architectures. It is no dependency: ``pip install smac``."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError, first_line
from tart_nas.strategies.optuna_plugin import suggest_architecture
from tart_nas.strategies.optuna_plugin.parameters import SuggestibleSpace

__all__ = ["SMAC", "values_by_smac"]

SMAC = "SMAC3"
"""Its name among methods. Experiments run it only where ``--only`` names it."""


def values_by_smac(
    space: SuggestibleSpace,
    value: Callable[[Architecture, float], float],
    trials: int,
    seed: int,
    *,
    has_rate: bool = False,
) -> list[float]:
    """The values of a search by SMAC3's facade for hyperparameters, in the order of its trials.

    Args:
        space: whose parameters it chooses; each is a choice among values.
        value: of an architecture and a rate, which is maximised.
        trials: how many.
        seed: of SMAC3.
        has_rate: whether a rate in [1e-4, 1], by its logarithm, is a parameter too; else it is 1.

    Raises:
        SettingError: if SMAC3 is not installed.
    """
    try:
        from ConfigSpace import Categorical, ConfigurationSpace, Float
        from smac import HyperparameterOptimizationFacade, Scenario
    except ImportError as error:
        raise SettingError(f"SMAC3 cannot be imported ({first_line(error)}): pip install smac.") from None

    values, parameters = list[float](), list[Any]()
    recorded = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0)).ask()
    suggest_architecture(recorded, space)
    distribution: Any
    for name, distribution in recorded.distributions.items():
        choices = getattr(distribution, "choices", None)
        parameters.append(Categorical(name, choices or list(range(distribution.low, distribution.high + 1))))
    if has_rate:
        parameters.append(Float("rate", (1e-4, 1), log=True))
    configurations = ConfigurationSpace(seed=seed)
    configurations.add(parameters)

    def cost(configuration: Any, seed: int = 0) -> float:
        given = dict(configuration)
        rate = given.pop("rate", 1.0)
        values.append(value(space.suggest(optuna.trial.FixedTrial(given)), rate))
        return -values[-1]

    with TemporaryDirectory() as folder:  # it writes its runs beside the program else
        scenario = Scenario(
            configurations, deterministic=True, n_trials=trials, seed=seed, output_directory=Path(folder)
        )
        HyperparameterOptimizationFacade(scenario, cost, overwrite=True, logging_level=40).optimize()
    return values
