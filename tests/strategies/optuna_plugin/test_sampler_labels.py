"""Which trials of a study the sampler learns from, and that each is read once."""

import numpy as np
import optuna
import pytest

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, Parameters
from tart_nas.strategies.optuna_plugin import (
    TartHyperbandPruner,
    TartSampler,
    architecture_of,
    architecture_parameters,
    suggest_architecture,
)
from tart_nas.strategies.optuna_plugin.history import History, canonical_form
from tart_nas.strategies.optuna_plugin.rebuilding import Rebuilder
from tests.strategies.optuna_plugin.studies import RIDGE, objective_of, study_with


class Recording(Predictor):
    """Keeps what it is fitted to; copies of it, which the sampler makes, share that."""

    def __init__(self):
        super().__init__("ridge")
        self.fits: list[list[float]] = []

    def __deepcopy__(self, memo):
        copied = Recording()
        copied.fits = self.fits
        return copied

    def fit(self, architectures, values, *arguments, **named):  # type: ignore[override]
        self.fits.append(list(values))
        return super().fit(architectures, values, *arguments, **named)


def test_under_hyperband_it_learns_from_all_brackets(space, truth, judge):
    def objective(trial):
        value = float(truth.predict([suggest_architecture(trial, space)])[0])
        if trial.should_prune():
            raise optuna.TrialPruned
        for epoch in range(9):
            trial.report(value - 0.5**epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    recording = Recording()
    sampler = TartSampler(recording, space, n_candidates=20, n_startup_trials=5, seed=0)
    study = study_with(sampler, pruner=TartHyperbandPruner(judge, space, quantile=0.2, max_resource=9))
    study.optimize(objective, n_trials=40)
    complete = sum(trial.state.name == "COMPLETE" for trial in study.trials)
    assert 0 < complete < 40
    assert len(recording.fits[-1]) >= complete - 1  # but the last


@pytest.mark.parametrize("seed", range(5))
def test_a_study_of_which_most_trials_are_pruned_moves_on(seed, space, truth):
    """With labels of the few whole trials alone, it proposes the like of what was pruned until the end."""
    finals = []

    def objective(trial):
        finals.append(float(truth.predict([suggest_architecture(trial, space)])[0]))
        for epoch in range(4):
            trial.report(finals[-1] - 2 * 0.5**epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return finals[-1]

    pruner = optuna.pruners.PercentilePruner(10, n_startup_trials=5)
    study = study_with(TartSampler(RIDGE, space, n_candidates=100, seed=seed), pruner=pruner)
    study.optimize(objective, n_trials=28)
    assert sum(trial.state.name == "PRUNED" for trial in study.trials[:10]) >= 2
    assert np.median(finals[20:]) > max(finals[:10])


def test_failed_and_nan_trials_have_no_value_to_learn(space, truth):
    def fails_at_times(trial):
        value = float(truth.predict([suggest_architecture(trial, space)])[0])
        if trial.number % 3 == 1:
            raise RuntimeError("out of memory")
        return float("nan") if trial.number % 3 == 2 else value

    recording = Recording()
    study = study_with(TartSampler(recording, space, n_candidates=20, n_startup_trials=4, seed=0))
    study.optimize(fails_at_times, n_trials=30, catch=(RuntimeError,))
    assert recording.fits[-1] == [study.trials[i].value for i in range(0, 29, 3)]
    assert len({space.canonical(architecture_of(trial, space)) for trial in study.trials}) == 30


@pytest.mark.parametrize("cause", ["lr", "size"])
def test_what_fails_is_avoided(cause, space):
    """Where all trials fail, a predictor of values alone stays uncertain, and proposes the like of them for ever."""
    failed = []

    def objective(trial):
        normal = suggest_architecture(trial, space).genotype.normal
        skips = sum(op == "skip_connect" for op, _ in normal)
        rate = np.log10(trial.suggest_float("lr", 1e-4, 10, log=True)) if cause == "lr" else -1
        failed.append(skips > 3 if cause == "size" else rate > -0.5)
        if failed[-1] and cause == "size":
            raise RuntimeError("out of memory")
        return float("nan") if failed[-1] else skips / 4 - 0.3 * (rate + 0.8) ** 2

    study = study_with(TartSampler(space=space, n_candidates=100, seed=1))
    study.optimize(objective, n_trials=40, catch=(RuntimeError,))
    assert sum(failed[:28]) > 0
    assert sum(failed[-12:]) < 4


def test_what_counts_as_a_failure(space):
    """What raises, gives no finite value, or is given up without a finite report; not what our own pruner stops."""

    def objective(trial):
        suggest_architecture(trial, space)
        trial.suggest_float("lr", 0.01, 0.1)
        if trial.number == 0:
            raise RuntimeError("out of memory")
        if trial.number == 1:
            trial.report(0.5, 0)
        if trial.number == 2:
            trial.report(float("nan"), 0)
        if trial.number == 4:
            trial.set_user_attr("pruned_because", "of its score")
        if trial.number in (1, 2, 3, 4):
            raise optuna.TrialPruned
        return {5: float("nan"), 6: -float("inf")}.get(trial.number, 1.0)

    study = study_with(optuna.samplers.RandomSampler(seed=0))
    study.optimize(objective, n_trials=8, catch=(RuntimeError,))
    history = History(Rebuilder(space.suggest, space), canonical_form(space))
    history.read(study, 8)
    failures = [architecture_of(study.trials[number], space) for number in (0, 2, 3, 5, 6)]
    assert [architecture for architecture, _ in history.failures] == failures
    assert [list(others) for _, others in history.failures] == [["lr"]] * 5
    assert len(history.values) == 1


@pytest.mark.parametrize("n", [1, 2])
def test_a_loss_that_diverged_does_not_hide_the_others(n, space):
    def objective(trial):
        operations = suggest_architecture(trial, space).genotype.normal
        loss = 3 - sum(op == "skip_connect" for op, _ in operations) / 4
        return [1e9 if trial.number in (3, 7) else loss] * n

    study = study_with(TartSampler(space=space, seed=0), direction=None, directions=["minimize"] * n)
    study.optimize(objective, n_trials=30)
    assert min(trial.values[0] for trial in study.trials) <= (1.25 if n == 1 else 1.75)


def test_trials_of_another_space_or_of_an_older_version_are_left_out(space, truth):
    recording = Recording()
    study = study_with(TartSampler(recording, space, n_candidates=20, n_startup_trials=3, seed=0))
    uniform = optuna.distributions.FloatDistribution(0, 1)
    study.add_trial(optuna.create_trial(params={"x": 0.5}, distributions={"x": uniform}, value=1e9))
    study.optimize(objective_of(space, truth), n_trials=6)
    assert len(recording.fits[-1]) == 5
    assert study.trials[-1].user_attrs["expected_value"] < 200


class Rebuilding(DartsSpace):
    """Counts how often an architecture is made of known parameters."""

    rebuilt = 0

    def suggest(self, suggester):
        self.rebuilt += isinstance(suggester, Parameters)
        return super().suggest(suggester)


def test_many_trials_cost_no_more(truth):
    # Not seconds but work: what is read again for each suggestion, and what is fitted, is bounded.
    recording, space = Recording(), Rebuilding()
    study = study_with(TartSampler(recording, space, n_candidates=10, max_labels=40, seed=0))
    architectures = space.sample(400, seed=1)
    values = truth.predict(architectures)
    distributions = study.ask()
    suggest_architecture(distributions, space)
    for architecture, value in zip(architectures, values, strict=True):
        study.add_trial(
            optuna.create_trial(
                params=architecture_parameters(architecture, space),
                distributions=distributions.distributions,
                value=value,
            )
        )
    study.tell(distributions, 90.0)
    study.optimize(objective_of(space, truth), n_trials=1)
    assert 401 <= space.rebuilt <= 420  # each trial once, and the candidates
    assert len(recording.fits[-1]) == len(set(recording.fits[-1])) == 40
    assert {trial.value for trial in sorted(study.trials[:-1], key=lambda t: -t.value)[:20]} <= set(recording.fits[-1])
    before = space.rebuilt
    study.optimize(objective_of(space, truth), n_trials=2)
    assert space.rebuilt - before < 20
