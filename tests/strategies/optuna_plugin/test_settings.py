"""A study that is continued with another macro setting: labels of the first say nothing of the second."""

from typing import Any

import optuna
import pytest
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import TartPruner, TartSampler, architecture_of, suggest_architecture

NARROW, WIDE = DartsSpace(C=16), DartsSpace(C=32)


@pytest.fixture(params=["memory", "sqlite", "journal"])
def storage(request, tmp_path):
    return {
        "memory": InMemoryStorage,
        "sqlite": lambda: f"sqlite:///{tmp_path}/study.sqlite3",
        "journal": lambda: JournalStorage(JournalFileBackend(str(tmp_path / "study.log"))),
    }[request.param]()


def separable(architecture):
    genotype = architecture.genotype
    return float(sum(op.startswith("sep") for op, _ in (*genotype.normal, *genotype.reduce)))


def continued(storage, space, value, n, sampler=None, pruner=None):
    study = optuna.create_study(
        study_name="s", storage=storage, sampler=sampler, pruner=pruner, direction="maximize", load_if_exists=True
    )

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        if trial.should_prune():
            raise optuna.TrialPruned
        return value + separable(architecture)

    study.optimize(objective, n_trials=n)
    return study


@pytest.mark.parametrize("of", ["space", "function"])
def test_the_sampler_leaves_out_labels_of_another_setting(of, storage):
    def sampler(space):
        options: dict[str, Any] = {"n_candidates": 8, "n_startup_trials": 4, "candidates": "base", "seed": 0}
        if of == "space":
            return TartSampler(Predictor("ridge"), space, **options)
        return TartSampler(
            Predictor("ridge"), to_architecture=lambda trial: suggest_architecture(trial, space), **options
        )

    continued(storage, NARROW, 1000.0, 6, sampler(NARROW))
    trials = continued(storage, WIDE, 0.0, 7, sampler(WIDE)).trials
    assert [trial.user_attrs["architecture_settings"]["C"] for trial in trials] == [16] * 6 + [32] * 7
    expected = [trial.user_attrs.get("expected_value") for trial in trials]
    assert expected[6:10] == [None] * 4  # it begins anew
    assert all(-20 < value < 40 for value in expected[10:])  # of 0 to 16; with the others, 1000 and more
    again = continued(storage, NARROW, 1000.0, 1, sampler(NARROW)).trials  # and goes on with the first
    assert again[-1].user_attrs["expected_value"] > 900


def test_the_pruner_compares_with_trials_of_the_same_setting(storage):
    def pruner(space):
        return TartPruner(Predictor("params"), space, population="study", quantile=1.0, min_share=0.0)

    def sampler(seed):
        return optuna.samplers.RandomSampler(seed=seed)

    wide = continued(storage, WIDE, 0.0, 5, sampler(0), pruner(WIDE))
    assert "pruned_because" not in wide.trials[0].user_attrs  # there is nothing to compare it with
    narrow = continued(storage, NARROW, 0.0, 5, sampler(1), pruner(NARROW)).trials[5:]
    assert "pruned_because" not in narrow[0].user_attrs  # though all before it have more parameters
    scores = [trial.user_attrs["predicted_score"] for trial in narrow]
    assert [trial.state.name == "PRUNED" for trial in narrow] == [
        i > 0 and score < max(scores[:i]) for i, score in enumerate(scores)
    ]


def test_trials_that_do_not_tell_their_settings_count():
    """Such as those of version 0.1.0, and those that were added by hand."""
    sampler = TartSampler(Predictor("ridge"), WIDE, n_candidates=30, n_startup_trials=4, seed=0)
    study = optuna.create_study(sampler=sampler, direction="maximize")
    for _ in range(6):
        trial = study.ask()
        study.tell(trial, separable(WIDE.suggest(trial)))
    assert all(trial.user_attrs.get("architecture_settings") is None for trial in study.trials)
    assert "expected_value" in study.trials[-1].user_attrs


def test_an_architecture_may_be_rebuilt_at_another_size():
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    suggested = suggest_architecture(study.ask(), NARROW)
    assert architecture_of(study.trials[0], WIDE).genotype == suggested.genotype
