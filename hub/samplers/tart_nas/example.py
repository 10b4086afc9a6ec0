"""Searches DARTS cells for the network whose number of parameters is nearest to a million; nothing is trained."""

import optuna
import optunahub

from tart_nas.networks import parameter_count

package = optunahub.load_module("samplers/tart_nas")
space = package.DartsSpace(n_cells=8, C=24)


def objective(trial: optuna.Trial) -> float:
    """In place of a training: how far the network's number of parameters is from a million."""
    return abs(parameter_count(package.suggest_architecture(trial, space)) - 1_000_000)


study = optuna.create_study(sampler=package.TartSampler(space=space, seed=0))
study.optimize(objective, n_trials=20)
print(package.architecture_of(study.best_trial, space).genotype)
print(f"best: {study.best_value:,.0f} parameters away")
