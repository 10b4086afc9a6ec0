"""Parameters beside the architecture: their effect is told apart from the architecture's, and they are chosen too."""

import math

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import TartSampler, suggest_architecture
from tart_nas.strategies.optuna_plugin.history import History, canonical_form
from tart_nas.strategies.optuna_plugin.other_parameters import OtherParameters
from tart_nas.strategies.optuna_plugin.rebuilding import Rebuilder

RATE = FloatDistribution(1e-4, 1, log=True)
DISTRIBUTIONS = {
    "lr": RATE,
    "batch": IntDistribution(16, 128, step=16),
    "how": CategoricalDistribution(["sgd", "adam"]),
}


def told(n, seed=0):
    rng = np.random.default_rng(seed)
    rates, batches = 10 ** rng.uniform(-4, 0, n), 16 * rng.integers(1, 9, n)
    rows = zip(rates.tolist(), batches.tolist(), rng.choice(["sgd", "adam"], n).tolist(), strict=True)
    return [dict(zip(DISTRIBUTIONS, zip(DISTRIBUTIONS.values(), row, strict=True), strict=True)) for row in rows]


def loss(setting, strength):
    """Of the best rate 0.03 and of Adam."""
    return strength * ((math.log10(setting["lr"]) + 1.5) ** 2 + (setting["how"] == "sgd"))


def certain(settings):
    return np.ones(len(settings))


def of(each):
    return {name: value for name, (_, value) in each.items()}


@pytest.mark.parametrize(("strength", "least"), [(0.0, 0.9), (3.0, 0.85)])
def test_the_effect_is_told_apart_from_the_architectures(labelled, strength, least):
    architectures, accuracies, others = labelled[0][:60], np.array(labelled[1][:60]), told(60)
    accuracies = (accuracies - accuracies.mean()) / accuracies.std()
    values = accuracies - [loss(of(each), strength) for each in others]
    model = OtherParameters()
    comparable = model.comparable(architectures, others, values, seed=0)
    assert np.corrcoef(comparable, accuracies)[0, 1] > least
    if strength:
        assert np.corrcoef(values, accuracies)[0, 1] < 0.5
        chosen = [model.chosen(np.random.default_rng(seed), certain) for seed in range(5)]
        assert {setting["how"] for setting in chosen} == {"adam"}
        assert all(0.005 < setting["lr"] < 0.2 for setting in chosen)
        assert all(setting["batch"] in range(16, 129, 16) for setting in chosen)


def test_what_not_all_trials_have_teaches_nothing(labelled):
    architectures, values, others = labelled[0][:10], np.arange(10.0), told(10)
    del others[3]["lr"]
    others[4]["batch"] = (IntDistribution(16, 256, log=True), 32)
    others[5]["how"] = (CategoricalDistribution(["sgd"]), "sgd")
    model = OtherParameters()
    assert model.comparable(architectures, others, values, seed=0).tolist() == values.tolist()
    assert (model.distributions, model.chosen(np.random.default_rng(0), certain)) == ({}, {})


def rates_of(study, strength=3.0, n=26):
    space = DartsSpace()

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        skips = sum(op == "skip_connect" for op, _ in architecture.genotype.normal)
        return skips / 4 - loss({"lr": trial.suggest_float("lr", 1e-4, 1, log=True), "how": "adam"}, strength)

    study.optimize(objective, n_trials=n)
    return [trial.params["lr"] for trial in study.trials]


def test_a_sampler_chooses_them_too():
    study = optuna.create_study(direction="maximize", sampler=TartSampler(space=DartsSpace(), seed=0))
    study.enqueue_trial({"lr": 0.5})
    rates = rates_of(study)
    assert rates[0] == 0.5
    assert np.median([abs(math.log10(rate) + 1.5) for rate in rates[-10:]]) < 0.2
    assert study.best_value > 0.4  # four of eight operations, at the best rate
    sampler = TartSampler(space=DartsSpace(), base=RandomSampler(seed=0), seed=0)
    rates = rates_of(optuna.create_study(direction="maximize", sampler=sampler))
    assert np.std(np.log10(rates[-10:])) > 0.5  # the base that was given samples them


def test_a_study_may_go_on_with_another_range(tmp_path):
    space, backend = DartsSpace(), optuna.storages.journal.JournalFileBackend(str(tmp_path / "study.log"))
    for n, low, high in ((10, 1e-4, 1), (16, 1e-3, 0.1)):

        def objective(trial, low=low, high=high):
            rate = trial.suggest_float("lr", low, high, log=True)
            skips = sum(op == "skip_connect" for op, _ in suggest_architecture(trial, space).genotype.normal)
            return skips / 4 - loss({"lr": rate, "how": "adam"}, 3.0)

        study = optuna.create_study(
            study_name="s",
            storage=optuna.storages.JournalStorage(backend),
            sampler=TartSampler(space=space, seed=0),
            direction="maximize",
            load_if_exists=True,
        )
        study.optimize(objective, n_trials=n)
    assert np.median([abs(math.log10(trial.params["lr"]) + 1.5) for trial in study.trials[-8:]]) < 0.2


@pytest.mark.parametrize("kind", ["categorical", "int"])
def test_what_decides_whether_there_is_an_architecture_is_left_to_the_base(kind):
    space = DartsSpace()

    def objective(trial):
        choice = trial.suggest_categorical("n", [0, 1, 2]) if kind == "categorical" else trial.suggest_int("n", 0, 2)
        lost = loss({"lr": trial.suggest_float("lr", 1e-4, 1, log=True), "how": "adam"}, 0.2)
        if choice == 0:
            return -1 - lost
        architecture = suggest_architecture(trial, space)
        return sum(op == "skip_connect" for op, _ in architecture.genotype.normal) / 4 - lost

    study = optuna.create_study(direction="maximize", sampler=TartSampler(space=space, seed=0))
    study.optimize(objective, n_trials=40)
    without = [trial.params["n"] == 0 for trial in study.trials]
    assert any(without[:20])
    assert sum(without[20:]) < 10  # TPE, which knows of all trials, chooses them less and less


def test_pruned_trials_teach_what_their_curves_tell():
    space, sampler = DartsSpace(), RandomSampler(seed=0)
    study = optuna.create_study(direction="minimize", sampler=sampler)

    def objective(trial):
        suggest_architecture(trial, space)
        final = trial.number / 10
        trial.report(final + 1, 0)
        if trial.number in (5, 8):
            raise optuna.TrialPruned
        trial.report(final + 0.5, 1)
        return final

    study.optimize(objective, n_trials=5)
    history = History(Rebuilder(space.suggest, space), canonical_form(space))
    history.read(study, 5)
    assert len(history.values) == 5
    study.optimize(objective, n_trials=5)
    history.read(study, 10)
    assert [trial.state for trial in study.trials].count(TrialState.PRUNED) == 2
    estimates = dict(zip(history.architectures, (value for (value,) in history.values), strict=True))
    assert len(estimates) == 10
    architecture = space.suggest(optuna.trial.FixedTrial(study.trials[8].params))
    assert estimates[architecture] == pytest.approx(-0.8)  # on the line of the others; higher is better here
