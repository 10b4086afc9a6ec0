"""Studies of architectures with a learning rate beside them, for tests of the sampler."""

import optuna

from tart_nas.predictors import Predictor
from tart_nas.strategies.optuna_plugin import suggest_architecture

RIDGE = Predictor("ridge")
"""Unfitted: the quickest to refit."""


def study_with(sampler, **arguments):
    return optuna.create_study(**{"direction": "maximize", **arguments}, sampler=sampler)


def objective_of(space, truth, sign=1.0):
    def objective(trial):
        lr = trial.suggest_float("lr", 0.01, 0.1, log=True)
        return sign * (float(truth.predict([suggest_architecture(trial, space)])[0]) - lr)

    return objective


def run(sampler, space, truth, n=20, sign=1.0, **arguments):
    study = study_with(sampler, **arguments)
    study.optimize(objective_of(space, truth, sign), n_trials=n)
    return study
