"""Studies of networks that a user's function builds."""

import math
import warnings
from typing import Any

import optuna
from torch import nn

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import TrialSpace
from tart_nas.strategies.optuna_plugin import TartPruner, TartSampler, add_architecture, suggest_architecture


def build(trial):
    width = trial.suggest_int("width", 4, 64, step=4)
    layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
    for i in range(trial.suggest_int("depth", 0, 2)):
        kernel = trial.suggest_categorical(f"kernel{i}", [1, 3, 5])
        layers += [nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


SPACE = TrialSpace(build, input_size=8)


def _size(trial):
    """The size of the network, which features of graphs tell at once."""
    architecture: Any = suggest_architecture(trial, SPACE, prefix="net_")
    trial.suggest_float("lr", 0.01, 0.1)
    return math.log2(architecture.graph.num_parameters)


def test_the_sampler_learns_from_the_studys_own_trials():
    sampler = TartSampler(space=SPACE, prefix="net_", n_startup_trials=6, n_candidates=16, seed=0)
    study = optuna.create_study(direction="maximize", sampler=sampler)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # by which it would leave trials to its base sampler
        study.optimize(_size, n_trials=10)
    values = [trial.values[0] for trial in study.trials]
    assert sum(values[6:]) / 4 > sum(values[:6]) / 6 + 1, "twice as large on average"
    assert all("expected_value" in trial.user_attrs for trial in study.trials[6:])
    assert len({tuple(sorted((k, v) for k, v in t.params.items() if k != "lr")) for t in study.trials}) == 10
    assert "lr" in study.trials[-1].params


def test_measured_candidates_warm_a_study_up():
    study = optuna.create_study(direction="maximize", sampler=TartSampler(space=SPACE, seed=0))
    for architecture in SPACE.sample(3, seed=4):
        add_architecture(study, architecture, 0.5)
        assert study.trials[-1].params == architecture.values
    assert len(study.trials) == 3


def test_the_pruner_prunes_what_its_predictor_thinks_little_of():
    sample = SPACE.sample(40, seed=1)
    predictor = Predictor("gp-graph").fit(sample, [float(a.graph.num_parameters) for a in sample])
    pruner = TartPruner(predictor, SPACE, n_population=20, min_share=0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner)
    asked, pruned = [study.ask() for _ in range(12)], []
    for trial in asked:
        size = SPACE.suggest(trial).graph.num_parameters
        pruned.append((size, trial.should_prune()))
    assert {was for _, was in pruned} == {False, True}
    assert max(size for size, was in pruned if was) < max(size for size, was in pruned if not was)
