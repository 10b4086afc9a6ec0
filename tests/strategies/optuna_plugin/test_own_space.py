"""Studies of networks that a user's function builds."""

import math
import warnings
from typing import Any

import optuna
import pytest
from optuna.samplers import PartialFixedSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.predictors import Predictor
from tart_nas.strategies.optuna_plugin import TartPruner, TartSampler, add_architecture, suggest_architecture
from tests.strategies.optuna_plugin.own_space import OWN


def _size(trial):
    """The size of the network, which features of graphs tell at once."""
    architecture: Any = suggest_architecture(trial, OWN, prefix="net_")
    trial.suggest_float("lr", 0.01, 0.1)
    return math.log2(architecture.graph.num_parameters)


def test_the_sampler_learns_from_the_studys_own_trials():
    sampler = TartSampler(space=OWN, prefix="net_", n_startup_trials=6, n_candidates=16, seed=0)
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
    study = optuna.create_study(direction="maximize", sampler=TartSampler(space=OWN, seed=0))
    for architecture in OWN.sample(3, seed=4):
        add_architecture(study, architecture, 0.5)
        assert study.trials[-1].params == architecture.values
    assert len(study.trials) == 3


def test_the_pruner_prunes_what_its_predictor_thinks_little_of():
    sample = OWN.sample(40, seed=1)
    predictor = Predictor("gp-graph").fit(sample, [float(a.graph.num_parameters) for a in sample])
    pruner = TartPruner(predictor, OWN, n_population=20, min_share=0)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0), pruner=pruner)
    asked, pruned = [study.ask() for _ in range(12)], []
    for trial in asked:
        size = OWN.suggest(trial).graph.num_parameters
        pruned.append((size, trial.should_prune()))
    assert {was for _, was in pruned} == {False, True}
    assert max(size for size, was in pruned if was) < max(size for size, was in pruned if not was)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
@pytest.mark.parametrize("candidates", ["random", "evolution", "base"])
@pytest.mark.parametrize("how", ["around", "base", "enqueued"])
def test_a_fixed_part_is_what_the_sampler_chooses_by(how, candidates):
    part = {"depth": 2, "kernel1": 5, "lr": 0.05}

    def sampler_of(base=None):
        return TartSampler(space=OWN, base=base, candidates=candidates, n_candidates=8, n_startup_trials=4, seed=0)

    if how == "base":
        sampler = sampler_of(PartialFixedSampler(part, TPESampler(seed=0)))
    else:
        sampler = PartialFixedSampler(part, sampler_of()) if how == "around" else sampler_of()
    study = optuna.create_study(sampler=sampler)
    for _ in range(6 if how == "enqueued" else 0):
        study.enqueue_trial(part)

    def objective(trial):
        architecture: Any = suggest_architecture(trial, OWN)
        return trial.suggest_float("lr", 0.01, 0.1) + architecture.graph.num_parameters

    study.optimize(objective, n_trials=6)
    assert [{name: trial.params[name] for name in part} for trial in study.trials] == [part] * 6
    assert "expected_value" in study.trials[-1].user_attrs
    assert len({(trial.params["width"], trial.params["kernel0"]) for trial in study.trials}) == 6


def test_workers_of_a_journal_reserve_networks(tmp_path):
    networks = []
    for _ in range(2):  # each worker has its own storage and sampler
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
        sampler = TartSampler(space=OWN, n_candidates=8, n_startup_trials=4, seed=0)
        study = optuna.create_study(study_name="s", storage=storage, sampler=sampler, load_if_exists=True)
        networks += [suggest_architecture(study.ask(), OWN) for _ in range(4)]
    assert len({OWN.canonical(network) for network in networks}) == 8
