"""Several objectives, constraints, and candidates that a predictor does not judge."""

import numpy as np
import optuna
import pytest

from tart_nas.errors import SettingError
from tart_nas.layout import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.strategies.optuna_plugin import (
    TartSampler,
    add_architecture,
    architecture_parameters,
    suggest_architecture,
)
from tests.strategies.optuna_plugin.studies import RIDGE, study_with


def dominated_area(study, worst):
    """What the Pareto front of (higher is better, lower is better) dominates, up to the worst point."""
    area, lowest = 0.0, worst[1]
    for value, cost in sorted((trial.values for trial in study.best_trials), reverse=True):
        area += max(0.0, value - worst[0]) * max(0.0, lowest - cost)
        lowest = min(lowest, cost)
    return area


def test_several_objectives_are_traded_off(space, truth):
    small = 10.0 ** np.quantile(np.log10([parameter_count(a) for a in space.sample(200, 0)]), 0.1)

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        return float(truth.predict([architecture])[0]), parameter_count(architecture)

    sampler = TartSampler(RIDGE, space, objectives=[None, parameter_count], n_candidates=60, seed=0)
    study = study_with(sampler, direction=None, directions=["maximize", "minimize"])
    study.optimize(objective, n_trials=40)
    sampled = study_with(optuna.samplers.RandomSampler(seed=0), direction=None, directions=["maximize", "minimize"])
    sampled.optimize(objective, n_trials=40)
    worst = (90.0, 2 * max(trial.values[1] for trial in sampled.trials))
    assert dominated_area(study, worst) > dominated_area(sampled, worst)
    assert min(trial.values[1] for trial in study.best_trials) < small
    learned = TartSampler(RIDGE, space, n_candidates=20, n_startup_trials=4, seed=0)  # all of them predicted
    study = study_with(learned, direction=None, directions=["maximize", "minimize"])
    study.optimize(objective, n_trials=8)
    assert len(study.best_trials) >= 1
    with pytest.raises(SettingError, match="2 directions, but has 1"):
        study_with(
            TartSampler(RIDGE, space, objectives=[None]), direction=None, directions=["maximize", "minimize"]
        ).optimize(objective, n_trials=1)


@pytest.mark.parametrize("objectives", [None, [None, parameter_count]], ids=["one", "several"])
def test_what_the_predictor_does_not_judge_is_not_proposed(objectives, space, labelled):
    """Most candidates have an operation that the predictor does not know: the others are ranked all the same."""
    known = [i for i, a in enumerate(labelled[0]) if "dil_conv_5x5" not in a.genotype.ops]
    predictor = Predictor("ridge").fit([labelled[0][i] for i in known], labelled[1][known])
    assert 0.05 < predictor.judges(space.sample(500, seed=0)).mean() < 0.9  # (6 / 7) ** 16 of them lack it, 0.085
    directions = ["maximize"] if objectives is None else ["maximize", "minimize"]
    sampler = TartSampler(predictor, space, objectives=objectives, n_candidates=60, seed=0)
    study = study_with(sampler, direction=None, directions=directions)
    for number in range(12):
        trial = study.ask()
        architecture = suggest_architecture(trial, space)
        assert predictor.judges([architecture]).all()
        values = [float(predictor.predict([architecture])[0]), float(parameter_count(architecture))]
        study.tell(trial, values[: len(directions)])
        if number == 3:  # one that it does not judge is trained: what it learns of the others stays
            stranger = next(a for a in space.sample(50, seed=9) if not predictor.judges([a]).all())
            study.enqueue_trial(architecture_parameters(stranger, space))
            trial = study.ask()
            assert suggest_architecture(trial, space) == stranger
            study.tell(trial, [99.0, 1e6][: len(directions)])
    assert any(trial.user_attrs.get("expected_value") for trial in study.trials) == (objectives is None)


@pytest.mark.parametrize("far", [None, 1e9])
def test_constraints_are_learned(far, space, truth):
    limit = float(np.median([parameter_count(a) for a in space.sample(200, 0)]))

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        excess = parameter_count(architecture) / limit - 1
        trial.set_constraint("size", far if far and excess > 0 and trial.number in (5, 8) else excess)
        return float(truth.predict([architecture])[0])

    study = study_with(TartSampler(RIDGE, space, n_candidates=60, seed=0))
    study.optimize(objective, n_trials=30)
    feasible = [max(trial.constraints.values()) <= 0 for trial in study.trials]
    assert np.mean(feasible[:10]) < 0.8
    assert np.mean(feasible[12:]) >= (0.7 if far else 0.8)


@pytest.mark.parametrize("n", [1, 2])
def test_what_few_trials_do_not_span_is_proposed(n):
    space = DeepNets1MSpace("search")
    known = space.sample(6, seed=0)
    values = np.log10([parameter_count(architecture) for architecture in known])
    in_range = Predictor("ridge").fit(known, values)  # about a third of the space
    sampler = TartSampler(RIDGE, space, candidates="random", n_candidates=60, n_startup_trials=6, seed=0)
    study = study_with(sampler, direction=None, directions=["maximize"] * n)
    for architecture, value in zip(known, values, strict=True):
        add_architecture(study, architecture, [value] * n)
    proposed = []
    for _ in range(4):
        trial = study.ask()
        proposed.append(suggest_architecture(trial, space))
        study.tell(trial, [float(np.log10(parameter_count(proposed[-1])))] * n)
    assert not in_range.judges(proposed).all()
