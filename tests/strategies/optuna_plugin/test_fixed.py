"""Parts of a cell that are fixed: by Optuna's PartialFixedSampler, around TartSampler or as its base, or enqueued."""

from typing import Any

import numpy as np
import optuna
import pytest
from optuna.samplers import PartialFixedSampler, RandomSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState
from torch import nn

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, TrialSpace
from tart_nas.strategies.optuna_plugin import TartSampler, architecture_of, suggest_architecture
from tart_nas.strategies.optuna_plugin.candidates import drawn_by_sampler
from tart_nas.strategies.optuna_plugin.fixed import with_fixed

pytestmark = pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")

DARTS_PART = {"normal_node2_op0": "skip_connect", "reduce_node4_inputs": "1,3"}
DEEPNETS_PART = {"n_cells": 7, "normal_node2_op0": "sep_conv_3x3", "C_mult": 2}


def sampler_of(space, candidates, base=None):
    return TartSampler(
        Predictor("ridge"), space, base=base, candidates=candidates, n_candidates=24, n_startup_trials=4, seed=0
    )


def optimized(sampler, space, n=9, storage=None, enqueued=None):
    def objective(trial):
        trial.suggest_float("lr", 0.01, 0.1)
        genotype = suggest_architecture(trial, space).genotype
        return sum(op == "sep_conv_3x3" for op, _ in (*genotype.normal, *genotype.reduce)) + 0.1 * trial.number

    study = optuna.create_study(sampler=sampler, storage=storage, direction="maximize")
    for _ in range(n if enqueued else 0):
        study.enqueue_trial(enqueued)
    study.optimize(objective, n_trials=n)
    return study


def part_of(trial, part):
    return {name: trial.params[name] for name in part}


@pytest.mark.parametrize("how", ["around", "base", "around both", "enqueued"])
@pytest.mark.parametrize("candidates", ["random", "evolution", "base"])
def test_a_fixed_part_of_a_cell_is_what_the_sampler_chooses_by(candidates, how):
    space, part = DartsSpace(), {**DARTS_PART, "lr": 0.05}
    if how == "around":
        sampler = PartialFixedSampler(part, sampler_of(space, candidates))
    elif how == "base":
        sampler = sampler_of(space, candidates, PartialFixedSampler(part, TPESampler(seed=0)))
    elif how == "around both":
        inner = sampler_of(space, candidates, PartialFixedSampler({"lr": 0.05}, RandomSampler(seed=0)))
        inner = PartialFixedSampler({"normal_node2_op0": part["normal_node2_op0"]}, inner)
        sampler = PartialFixedSampler({"reduce_node4_inputs": part["reduce_node4_inputs"]}, inner)
    else:
        sampler = sampler_of(space, candidates)
    study = optimized(sampler, space, enqueued=part if how == "enqueued" else None)
    assert [part_of(trial, part) for trial in study.trials] == [part] * 9
    assert len({space.canonical(architecture_of(trial, space)) for trial in study.trials}) == 9
    # What was expected is of the architecture that was suggested: the surrogate says the same of it.
    assert all("expected_value" in trial.user_attrs for trial in study.trials[5:])


@pytest.mark.parametrize("how", ["around", "base", "enqueued"])
@pytest.mark.parametrize("candidates", ["evolution", "base"])
def test_fixed_values_may_be_those_of_a_data_frame(candidates, how):
    space, part = DeepNets1MSpace("search"), {"n_cells": np.int64(7), "C_mult": 2.0}
    sampler = sampler_of(space, candidates, PartialFixedSampler(part, TPESampler(seed=0)) if how == "base" else None)
    if how == "around":
        sampler = PartialFixedSampler(part, sampler)
    study = optimized(sampler, space, 6, enqueued=part if how == "enqueued" else None)
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    assert len(complete) == 6
    for trial in complete:
        architecture = architecture_of(trial, space)
        assert (architecture.n_cells, architecture.C_mult) == (7, 2)


def dropping(trial):
    rate, width = trial.suggest_float("rate", 0.0, 0.3, step=0.1), trial.suggest_categorical("width", [4, 8, 16])
    layers = nn.Conv2d(3, width, 1), nn.Dropout(rate), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    return nn.Sequential(*layers, nn.Linear(width, 10))


def test_a_fixed_float_that_misses_its_range_by_rounding_is_not_drawn():
    space, fixed = TrialSpace(dropping, input_size=4), {"rate": 3 * 0.1}
    assert fixed["rate"] > 0.3
    changed: list[Any] = with_fixed(space.sample(12, seed=0), space, fixed, np.random.default_rng(0))
    assert {(a.values["rate"], a.values["width"]) for a in changed} == {(0.3, 4), (0.3, 8), (0.3, 16)}
    study = optuna.create_study()
    study.ask()
    suggest: Any = space.suggest
    drawn = [*drawn_by_sampler(RandomSampler(seed=0), study, study.trials[0], suggest, fixed, 9)]
    assert {candidate.values["rate"] for candidate in drawn} == {0.3}


@pytest.mark.parametrize("around", [True, False])
@pytest.mark.parametrize("split", ["train", "search"])
def test_a_conditional_space(split, around):
    space = DeepNets1MSpace(split)
    sampler = sampler_of(space, "evolution", None if around else PartialFixedSampler(DEEPNETS_PART, TPESampler(seed=0)))
    study = optimized(PartialFixedSampler(DEEPNETS_PART, sampler) if around else sampler, space, 7)
    for trial in study.trials:
        assert trial.state.name == "COMPLETE"  # none that the sampling rules reject
        assert part_of(trial, DEEPNETS_PART) == DEEPNETS_PART
        assert space.contains(architecture_of(trial, space))


@pytest.mark.parametrize("around", [True, False])
def test_names_with_a_prefix_and_several_objectives(around):
    space, part = DartsSpace(), {"net_normal_node2_op0": "skip_connect", "lr": 0.05}
    fixing = PartialFixedSampler(part, TPESampler(seed=0))
    options: dict[str, Any] = {"prefix": "net_", "n_candidates": 24, "n_startup_trials": 4, "seed": 0}
    sampler = TartSampler(Predictor("ridge"), space, base=None if around else fixing, **options)
    study = optuna.create_study(
        sampler=PartialFixedSampler(part, sampler) if around else sampler, directions=["maximize", "minimize"]
    )

    def objective(trial):
        genotype = suggest_architecture(trial, space, prefix="net_").genotype
        return sum(op == "sep_conv_3x3" for op, _ in genotype.normal), trial.suggest_float("lr", 0.01, 0.1)

    study.optimize(objective, n_trials=8)
    assert [part_of(trial, part) for trial in study.trials] == [part] * 8


def test_storages(tmp_path):
    space = DartsSpace()
    for storage in (f"sqlite:///{tmp_path}/s.sqlite3", JournalStorage(JournalFileBackend(str(tmp_path / "s.log")))):
        study = optimized(PartialFixedSampler(DARTS_PART, sampler_of(space, "evolution")), space, 5, storage)
        assert [part_of(trial, DARTS_PART) for trial in study.trials] == [DARTS_PART] * 5


def test_the_whole_architecture_may_be_fixed():
    space = DartsSpace()
    part = space.parameters(space.sample(1, seed=3)[0])
    study = optimized(PartialFixedSampler(part, sampler_of(space, "evolution")), space, 6)
    assert [part_of(trial, part) for trial in study.trials] == [part] * 6


@pytest.mark.parametrize("candidates", ["random", "evolution", "base"])
def test_of_few_networks_none_is_proposed_twice(candidates):
    space, free = DartsSpace(), {"normal_node2_op0", "normal_node3_inputs"}  # seven by three
    part = {name: value for name, value in space.parameters(space.sample(1, 3)[0]).items() if name not in free}
    study = optimized(PartialFixedSampler(part, sampler_of(space, candidates)), space, 21)
    assert len({architecture_of(trial, space) for trial in study.trials}) == 21


@pytest.mark.parametrize("candidates", ["evolution", "base"])
def test_a_trial_that_waits_with_its_parameters(candidates, tmp_path):
    """Such as one that failed and is tried again, by ``RetryFailedTrialCallback`` or by hand."""
    space = DartsSpace()
    study = optimized(sampler_of(space, candidates), space, 6, f"sqlite:///{tmp_path}/s.sqlite3")
    parameters = {name: value for name, value in study.trials[0].params.items() if name != "lr"}
    distributions = {name: study.trials[0].distributions[name] for name in parameters}
    waiting = optuna.trial.create_trial(state=TrialState.WAITING, params=parameters, distributions=distributions)
    study.add_trial(waiting)
    trial = study.ask()
    trial.suggest_float("lr", 0.01, 0.1)
    architecture = suggest_architecture(trial, space)
    assert space.parameters(architecture) == parameters
    reserved = study.trials[trial.number].system_attrs["tart_nas:network"]["network"]
    assert reserved == space.canonical(architecture).to_dict()


def test_a_fixed_value_that_is_none_is_left_to_optuna():
    space = DartsSpace()
    study = optuna.create_study(sampler=PartialFixedSampler({"normal_node2_op0": "conv_9x9"}, sampler_of(space, None)))
    with pytest.raises(ValueError, match="conv_9x9"):
        suggest_architecture(study.ask(), space)


def test_other_parameters_that_are_enqueued_leave_the_candidates_alone(truth):
    """Of the same seed, a study with enqueued learning rates has the same architectures as one without.

    There is one rate, since the effect of several is learned.
    """
    space = DartsSpace()

    def objective(trial):
        trial.suggest_categorical("lr", [0.05])
        return float(truth.predict([suggest_architecture(trial, space)])[0])

    studies = []
    for enqueues in (False, True):
        study = optuna.create_study(sampler=sampler_of(space, "evolution"), direction="maximize")
        for _ in range(8 if enqueues else 0):
            study.enqueue_trial({"lr": 0.05})
        study.optimize(objective, n_trials=8)
        studies.append([architecture_of(trial, space) for trial in study.trials])
    assert studies[0] == studies[1]
