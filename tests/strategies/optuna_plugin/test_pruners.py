import pickle

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies.optuna_plugin import (
    TartHyperbandPruner,
    TartPruner,
    TartSampler,
    architecture_of,
    architecture_parameters,
    suggest_architecture,
)

EPOCHS = 9


def study_with(pruner, sampler=None, **arguments):
    sampler = sampler or optuna.samplers.RandomSampler(seed=0)
    return optuna.create_study(**{"direction": "maximize", **arguments}, sampler=sampler, pruner=pruner)


def objective_of(space, truth, trained=None):
    """Trains for some epochs, that is: approaches what the truth says."""

    def objective(trial):
        lr = trial.suggest_float("lr", 0.01, 0.1)
        final = truth.predict([suggest_architecture(trial, space)])[0] - lr
        if trial.should_prune():
            raise optuna.TrialPruned
        if trained is not None:
            trained.append(trial.number)
        for epoch in range(EPOCHS):
            trial.report(final - 3 * 0.5**epoch, epoch)
            if trial.should_prune():
                raise optuna.TrialPruned
        return final

    return objective


class Given(optuna.samplers.RandomSampler):
    """Suggests known architectures, one a trial; enqueued ones would pass the gate."""

    def __init__(self, networks, space):
        super().__init__()
        self.parameters = [architecture_parameters(network, space) for network in networks]

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self.parameters[trial.number][param_name]


def by_gate(study):
    return [t for t in study.trials if "pruned_because" in t.user_attrs]


def by_curve(study):
    return [t for t in study.trials if t.state.name == "PRUNED" and "pruned_because" not in t.user_attrs]


@pytest.mark.parametrize(
    "inner",
    [optuna.pruners.NopPruner(), None, optuna.pruners.SuccessiveHalvingPruner()],
    ids=["nop", "median", "halving"],
)
def test_it_prunes_before_training_and_leaves_the_rest_to_the_inner_pruner(inner, judge, truth, space):
    trained: list[int] = []
    study = study_with(TartPruner(judge, space, quantile=0.5, inner=inner))
    study.optimize(objective_of(space, truth, trained), n_trials=60)
    scores = judge.predict([architecture_of(t, space) for t in study.trials])
    threshold = np.quantile(judge.predict(space.sample(1000, seed=0)), 0.5)
    assert 15 < len(by_gate(study)) < 45
    for trial, score in zip(study.trials, scores, strict=True):
        assert trial.user_attrs["predicted_score"] == pytest.approx(score)
        assert (trial in by_gate(study)) == (score < threshold)
        assert (trial.number in trained) == (score >= threshold)
        if trial in by_gate(study):
            assert trial.state.name == "PRUNED"
            assert trial.intermediate_values == {}
            assert f"{score:.6g} is below" in trial.user_attrs["pruned_because"]
    assert bool(by_curve(study)) == (not isinstance(inner, optuna.pruners.NopPruner))


def test_hyperband_keeps_its_brackets(judge, truth, space):
    pruner = TartHyperbandPruner(judge, space, quantile=0.4, max_resource=EPOCHS)
    study = study_with(pruner, optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    study.optimize(objective_of(space, truth), n_trials=60)
    assert by_gate(study)
    assert by_curve(study)
    trial = study.ask()
    seen = optuna.pruners._filter_study(study, trial.storage.get_trial(trial._trial_id)).get_trials()
    assert 0 < len(seen) < 61  # those of its bracket: what TPE learns from


def test_the_first_time_of_asking_may_be_after_a_report(judge, space):
    study = study_with(TartPruner(judge, space, quantile=1.0, min_share=0))
    trial = study.ask()
    suggest_architecture(trial, space)
    trial.report(1.0, 0)
    assert trial.should_prune()
    assert trial.should_prune()
    assert "predicted_score" in trial.user_attrs


def test_warm_up_and_floor(judge, truth, space):
    study = study_with(TartPruner(judge, space, quantile=1.0, n_startup_trials=7, min_share=0.25))
    study.optimize(objective_of(space, truth), n_trials=60)
    passed = [t.number for t in study.trials if t not in by_gate(study)]
    assert passed[:7] == list(range(7))
    assert len(passed) == pytest.approx(15, abs=1)


def test_the_population_of_a_study(judge, truth, space):
    study = study_with(TartPruner(judge, space, quantile=0.8, population="study", min_share=0, n_startup_trials=5))
    study.optimize(objective_of(space, truth), n_trials=50)
    scores = [t.user_attrs["predicted_score"] for t in study.trials]
    for trial in study.trials[5:]:
        low = scores[trial.number] < np.quantile(scores[: trial.number], 0.8)
        assert (trial in by_gate(study)) == low
    assert "of the earlier trials" in by_gate(study)[0].user_attrs["pruned_because"]


def test_a_space_of_ones_own(judge):
    space = DartsSpace()
    base = space.sample(1, seed=0)[0].genotype

    def to_architecture(trial):
        ops = [trial.suggest_categorical(f"op{i}", ["skip_connect", "sep_conv_3x3", "max_pool_3x3"]) for i in range(8)]
        pairs = [(op, source) for op, (_, source) in zip(ops, base.normal, strict=True)]
        return space.architecture(Genotype(pairs, base.normal_concat, base.reduce, base.reduce_concat))

    study = study_with(TartPruner(judge, to_architecture=to_architecture, quantile=0.5, n_startup_trials=5))

    def objective(trial):
        trial.suggest_float("lr", 0, 1)
        architecture = to_architecture(trial)
        if trial.should_prune():
            raise optuna.TrialPruned
        return float(judge.predict([architecture])[0])

    study.optimize(objective, n_trials=40)
    assert 5 < len(by_gate(study)) < 35
    trial = study.ask()
    with pytest.raises(SettingError, match=r"Trial 40 has no architecture yet .* the parameters are none at all"):
        trial.should_prune()


def test_several_objectives_have_the_gate(judge, truth, space):
    pruner = TartPruner(judge, space, quantile=0.5)
    study = study_with(pruner, direction=None, directions=["maximize", "minimize"])

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        if pruner.gate(trial):
            raise optuna.TrialPruned
        assert not pruner.gate(trial)  # once decided
        return truth.predict([architecture])[0], 1.0

    study.optimize(objective, n_trials=30)
    assert 5 < len(by_gate(study)) < 25
    assert all(t.state.name == "PRUNED" for t in by_gate(study))
    assert not pruner.gate(optuna.trial.FixedTrial({}))
    with pytest.raises(SettingError, match="gate"):
        pruner.prune(study, study.trials[0])


def test_the_direction_does_not_change_what_is_pruned(judge, truth, space):
    numbers = []
    for direction in ("maximize", "minimize"):
        study = study_with(TartPruner(judge, space), direction=direction)
        study.optimize(objective_of(space, truth), n_trials=20)
        numbers.append([t.number for t in by_gate(study)])
    assert numbers[0] == numbers[1] != []


def test_threads_and_failing_trials(judge, truth, space):
    # Which trials are pruned depends on the threads. Of the twelve that are to fail, some are not pruned before.
    study = study_with(TartPruner(judge, space, quantile=0.3, inner=optuna.pruners.NopPruner()))
    objective = objective_of(space, truth)

    def fails_at_times(trial):
        value = objective(trial)
        if trial.number % 5 == 0:
            return float("nan")
        if trial.number % 7 == 0:
            raise RuntimeError("out of memory")
        return value

    study.optimize(fails_at_times, n_trials=40, n_jobs=2, catch=(RuntimeError,))
    assert {t.state.name for t in study.trials} == {"COMPLETE", "FAIL", "PRUNED"}
    assert all("predicted_score" in t.user_attrs for t in study.trials)


def test_it_is_pickled_and_resumed_on_a_file(judge, truth, space, tmp_path):
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    pruner = TartPruner(judge, space)
    study = study_with(pruner, storage=storage, study_name="s")
    study.optimize(objective_of(space, truth), n_trials=12)
    again = pickle.loads(pickle.dumps(pruner))  # as for processes of joblib
    loaded = optuna.load_study(study_name="s", storage=storage, pruner=again)
    loaded.sampler = optuna.samplers.RandomSampler(seed=1)
    loaded.optimize(objective_of(space, truth), n_trials=12)
    assert all("predicted_score" in t.user_attrs for t in loaded.trials)


def test_a_study_without_architectures_ends_with_a_clear_error(judge, space):
    study = study_with(TartPruner(judge, space))

    def objective(trial):
        trial.suggest_float("x", 0, 1)
        return 0.0 if trial.should_prune() else 1.0

    with pytest.raises(SettingError, match=r"no parameter 'normal_node2_op0' .* the parameters are x"):
        study.optimize(objective, n_trials=1)
    assert study.trials[0].state.name == "FAIL"


def test_another_space_is_refused_and_a_stranger_let_through(judge, space):
    with pytest.raises(PredictorError, match="C 16"):
        TartPruner(judge, DartsSpace(C=16))
    with pytest.raises(PredictorError, match="outside what"):
        TartHyperbandPruner(judge, DeepNets1MSpace())

    def to_architecture(trial):
        return Architecture(space.sample(1, 0)[0].genotype, trial.suggest_int("n_cells", 8, 9))

    study = study_with(TartPruner(judge, to_architecture=to_architecture, quantile=1.0, population="study"))
    study.enqueue_trial({"n_cells": 9})
    trial = study.ask()
    to_architecture(trial)
    with pytest.warns(UserWarning, match="does not know"):
        assert not trial.should_prune()
    assert "outside" in trial.user_attrs["not_judged_because"]


def test_networks_that_are_not_judged_leave_the_threshold_alone():
    """Some networks of the split, and of its sample, are larger than what the predictor has learned from."""
    predictor, space = Predictor.from_pretrained("deepnets1m-cifar10"), DeepNets1MSpace("dense")
    networks = space.sample(40, seed=1)
    study = study_with(TartPruner("deepnets1m-cifar10", space, quantile=0.2), Given(networks, space))

    def objective(trial):
        suggest_architecture(trial, space)
        if trial.should_prune():
            raise optuna.TrialPruned
        return float(trial.number)

    with pytest.warns(UserWarning, match="does not know some architectures: these are never pruned"):
        study.optimize(objective, n_trials=40)
    judged = predictor.judges(networks)
    assert 0 < np.count_nonzero(~judged) < 20
    for trial, is_judged in zip(study.trials, judged, strict=True):
        assert ("predicted_score" in trial.user_attrs) == is_judged
        assert ("not_judged_because" in trial.user_attrs) == (not is_judged)
    sample = predictor.predict(space.sample(1000, seed=0), outside="nan")
    threshold = np.quantile(sample[np.isfinite(sample)], 0.2)
    low = [t for t in study.trials if t.user_attrs.get("predicted_score", np.inf) < threshold]
    assert by_gate(study) == low  # a fifth or so of those that are judged, and not all but the few that must pass
    assert 0 < len(low) < judged.sum() / 2


def test_a_threshold_that_is_not_a_number_never_prunes():
    """The only network that was sampled of the space is one that the predictor does not judge."""
    predictor, space = Predictor.from_pretrained("deepnets1m-cifar10"), DeepNets1MSpace("dense")
    seed = next(seed for seed in range(100) if not predictor.judges(space.sample(1, seed)).any())
    networks = [network for network in space.sample(20, seed=1) if predictor.judges([network]).all()]
    assert len(networks) > 2
    pruner = TartPruner(predictor, space, n_population=1, seed=seed, quantile=1.0, min_share=0)
    study = study_with(pruner, Given(networks, space))

    def objective(trial):
        suggest_architecture(trial, space)
        return float(trial.should_prune())

    with pytest.warns(UserWarning, match="judges none of the 1 architectures that were sampled"):
        study.optimize(objective, n_trials=len(networks))
    assert all("predicted_score" in trial.user_attrs for trial in study.trials)
    assert [trial.value for trial in study.trials] == [0.0] * len(networks)


@pytest.mark.parametrize("of", ["space", "function"])
def test_an_architecture_that_a_person_enqueued_passes(of, judge, truth, space):
    make = {
        "space": {"space": space},
        "function": {"to_architecture": lambda trial: suggest_architecture(trial, space)},
    }
    study = study_with(TartPruner(judge, **make[of], quantile=1.0, population="study", min_share=0))
    sample = space.sample(50, seed=1)
    worst = architecture_parameters(sample[int(np.argmin(judge.predict(sample)))], space)
    study.enqueue_trial(architecture_parameters(sample[int(np.argmax(judge.predict(sample)))], space))
    study.enqueue_trial(worst)
    study.enqueue_trial({**worst, "lr": 0.05})
    study.enqueue_trial({"lr": 0.05})  # of the architecture, nothing
    study.enqueue_trial({"normal_node2_op0": "skip_connect"})  # and a part
    study.optimize(objective_of(space, truth), n_trials=8)
    assert all("predicted_score" in trial.user_attrs for trial in study.trials)
    assert [trial.number for trial in by_gate(study)] == [3, 4, 5, 6, 7]


@pytest.mark.parametrize("pretrained", [True, False])
def test_what_the_sampler_chose_is_not_pruned(pretrained, judge, truth, space):
    """Though of what the gate's predictor says, it has learned the opposite."""
    predictor = judge if pretrained else Predictor("ridge")
    sampler = TartSampler(predictor, space, n_candidates=40, n_startup_trials=6, seed=0)
    study = study_with(TartPruner(judge, space, quantile=0.9, min_share=0.5), sampler)

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        if trial.should_prune():
            raise optuna.TrialPruned
        return -float(truth.predict([architecture])[0])

    study.optimize(objective, n_trials=24)
    informed = [trial for trial in study.trials if "expected_value" in trial.user_attrs]
    assert len(informed) >= 8
    assert not any(trial in informed for trial in by_gate(study))
    assert bool(by_gate(study)) == (not pretrained)  # random architectures of the beginning are


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"quantile": 1.5}, r"`quantile` must be a number in \[0, 1\], but got 1.5"),
        ({"min_share": -1}, "`min_share`"),
        ({"n_population": 0}, "`n_population` must be a whole number of at least 1, but got 0"),
        ({"n_startup_trials": -1}, "`n_startup_trials`"),
        ({"population": "world"}, "space, study, but got 'world'"),
        ({"to_architecture": lambda trial: None}, "either `space`"),
        ({"inner": optuna.pruners.HyperbandPruner()}, "TartHyperbandPruner"),
        ({"inner": "median"}, "`inner` must be a pruner of Optuna's, .* but got 'median'"),
    ],
)
def test_wrong_arguments(arguments, message, judge, space):
    with pytest.raises(SettingError, match=message):
        TartPruner(judge, space, **arguments)


def test_the_study_is_no_space(judge, space):
    with pytest.raises(SettingError, match="either `space`"):
        TartPruner(judge)
    with pytest.raises(SettingError, match="use 'study'"):
        TartPruner(judge, to_architecture=lambda trial: space.sample(1, 0)[0], population="space")
