"""How the sampler chooses and learns, with one objective, by one worker."""

import pickle

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.errors import PredictorError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.layout import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strategies.acquisition import ACQUISITIONS
from tart_nas.strategies.optuna_plugin import (
    TartSampler,
    architecture_of,
    architecture_parameters,
    suggest_architecture,
)
from tests.strategies.optuna_plugin.studies import RIDGE, objective_of, run, study_with


def parameters(study):
    return [trial.params for trial in study.trials]


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["maximize", "minimize"])
def test_it_learns_from_the_study_alone(sign, space, truth):
    direction = "maximize" if sign > 0 else "minimize"
    study = run(TartSampler(space=space, n_candidates=100, seed=0), space, truth, 35, sign, direction=direction)
    values = sign * np.array([trial.value for trial in study.trials])
    assert np.median(values[20:]) > np.max(values[:10])
    expected = [trial.user_attrs.get("expected_value") for trial in study.trials]
    assert expected[:10] == [None] * 10
    assert np.corrcoef(expected[15:], sign * values[15:])[0, 1] > 0.3 or np.std(values[15:]) < 0.3
    assert all(abs(e - sign * v) < 1.5 for e, v in zip(expected[15:], values[15:], strict=True))  # its unit, its sign


def test_a_fitted_predictor_chooses_from_the_first_trial_on(space, truth, judge):
    scaled = Predictor("ridge").fit(space.sample(200, 5), judge.predict(space.sample(200, 5)) * 0.01)  # another unit
    sampled = truth.predict(space.sample(500, 9))
    study = run(TartSampler(scaled, space, n_candidates=100, seed=0), space, truth, 25)
    values = [trial.value + trial.params["lr"] for trial in study.trials]
    assert np.median(values[:5]) > np.quantile(sampled, 0.9)
    assert np.median(values[15:]) > np.quantile(sampled, 0.97)


@pytest.mark.parametrize("objectives", [None, [lambda architecture: 10.0 * architecture.n_cells]])
def test_what_is_expected_is_in_the_studys_unit_and_sign_or_absent(objectives, space, judge, truth):
    """The predictor gives accuracies of some 93; the study minimises errors between 0 and 0.1."""
    sampler = TartSampler(judge, space, objectives=objectives, n_candidates=20, seed=0)
    study = study_with(sampler, direction="minimize")
    study.optimize(lambda trial: 1 - float(truth.predict([suggest_architecture(trial, space)])[0]) / 100, n_trials=8)
    expected = [trial.user_attrs.get("expected_value") for trial in study.trials]
    if objectives is not None:  # known without any label
        assert expected == [80.0] * 8
        return
    assert expected[:4] == [None] * 4
    assert expected[4:] == pytest.approx([trial.value for trial in study.trials[4:]], abs=0.02)


@pytest.mark.parametrize("candidates", ["random", "base"])
def test_an_exact_predictor_loses_no_trial_to_its_first_labels(candidates, space, judge):
    """They are of the few architectures that it puts first, and in another unit."""
    sampled = 0.01 * judge.predict(space.sample(500, 9))
    sampler = TartSampler(judge, space, candidates=candidates, n_candidates=60, seed=0)
    study = study_with(sampler)
    study.optimize(lambda trial: 0.01 * float(judge.predict([suggest_architecture(trial, space)])[0]), n_trials=9)
    values = [trial.value for trial in study.trials]
    assert "expected_value" in study.trials[4].user_attrs  # from the fourth label on, it learns
    assert min(values[4:]) > np.quantile(sampled, 0.8 if candidates == "base" else 0.9)


def test_the_same_seed_gives_the_same_study_and_another_another(space, truth):
    studies = [run(TartSampler(RIDGE, space, n_candidates=20, seed=s), space, truth, 14) for s in (0, 0, 1)]
    assert parameters(studies[0]) == parameters(studies[1]) != parameters(studies[2])


def test_resumed_with_the_same_seed_it_goes_on_with_new_networks(space, truth, tmp_path):
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study.log")))
    for _ in range(2):
        sampler = TartSampler(RIDGE, space, n_candidates=20, seed=0)
        study = optuna.create_study(study_name="s", storage=storage, sampler=sampler, load_if_exists=True)
        study.optimize(objective_of(space, truth), n_trials=6)
    assert len({trial.params["lr"] for trial in study.trials}) == 12
    assert len({space.canonical(architecture_of(trial, space)) for trial in study.trials}) == 12


@pytest.mark.parametrize("acquisition", ACQUISITIONS)
@pytest.mark.parametrize("candidates", ["random", "evolution", "base"])
def test_no_network_is_proposed_twice(acquisition, candidates, space, truth):
    sampler = TartSampler(
        RIDGE, space, acquisition=acquisition, candidates=candidates, n_candidates=8, n_startup_trials=5, seed=0
    )
    study = run(sampler, space, truth, 14)
    assert len({space.canonical(architecture_of(trial, space)) for trial in study.trials}) == 14


class Generous(optuna.samplers.RandomSampler):
    """Gives all that it can sample together, whatever is asked for, as TPE by groups does in Optuna 4."""

    def infer_relative_search_space(self, study, trial):
        return optuna.search_space.intersection_search_space(study.trials)

    def sample_relative(self, study, trial, search_space):
        whole = self.infer_relative_search_space(study, trial)
        return {name: self.sample_independent(study, trial, name, each) for name, each in whole.items()}


def test_a_base_that_gives_more_than_is_asked_for_leaves_the_architecture(space, truth):
    study = run(TartSampler(RIDGE, space, base=Generous(seed=0), n_candidates=20, seed=0), space, truth, 8)
    for trial in study.trials:
        chosen = trial.system_attrs["tart_nas:network"]["network"]
        assert space.canonical(architecture_of(trial, space)).to_dict() == chosen


def test_what_is_enqueued_is_kept(space, truth):
    wanted = architecture_parameters(space.sample(1, 3)[0], space)
    study = study_with(TartSampler(RIDGE, space, n_candidates=10, n_startup_trials=4, seed=0))
    for _ in range(2):  # before anything is known, and after
        study.enqueue_trial(wanted)
        study.enqueue_trial({"normal_node2_op0": "dil_conv_5x5", "reduce_node5_inputs": "1,3"})
        study.enqueue_trial({"lr": 0.05})
        study.optimize(objective_of(space, truth), n_trials=6)
    for first in (0, 6):
        assert {name: study.trials[first].params[name] for name in wanted} == wanted
        partly = study.trials[first + 1].params
        assert (partly["normal_node2_op0"], partly["reduce_node5_inputs"]) == ("dil_conv_5x5", "1,3")
        assert study.trials[first + 2].params["lr"] == 0.05


def test_a_conditional_space_of_ones_own(space, judge):
    fixed = space.sample(1, 0)[0].genotype

    def to_architecture(trial):
        width = 2 if trial.suggest_categorical("kind", ["plain", "mixed"]) == "plain" else 8
        ops = [trial.suggest_categorical(f"op{i}", ["skip_connect", "sep_conv_3x3"]) for i in range(width)]
        if width == 8:
            trial.suggest_int("unused", 1, 9, step=2)
        pairs = [(ops[i % width], source) for i, (_, source) in enumerate(fixed.normal)]
        return space.architecture(Genotype(pairs, fixed.normal_concat, fixed.reduce, fixed.reduce_concat))

    def objective(trial):
        trial.suggest_float("lr", 0, 1)
        return float(judge.predict([to_architecture(trial)])[0])

    sampler = TartSampler(to_architecture=to_architecture, n_candidates=16, n_startup_trials=6, seed=0)
    study = study_with(sampler)
    study.optimize(objective, n_trials=20)
    kinds = [trial.params["kind"] for trial in study.trials]
    assert {len(trial.params) for trial in study.trials} == {4, 11}
    assert set(kinds) == {"plain", "mixed"}
    assert all("expected_value" in trial.user_attrs for trial in study.trials[8:])


def test_deepnets_1m_has_studies_too():
    space = DeepNets1MSpace("search")

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        return float(np.log10(parameter_count(architecture)))

    sampler = TartSampler(Predictor("params"), space, n_candidates=30, seed=0)
    study = study_with(sampler, direction="maximize")
    study.optimize(objective, n_trials=8)
    assert all(trial.state.name == "COMPLETE" for trial in study.trials)  # none that the sampling rules reject
    sampled = [parameter_count(a) for a in space.sample(100, 0)]
    assert np.median([10**trial.value for trial in study.trials]) > np.quantile(sampled, 0.9)
    learned = study_with(TartSampler(RIDGE, space, n_candidates=60, n_startup_trials=5, seed=0))
    learned.optimize(objective, n_trials=12)  # most candidates are outside what five networks span
    assert all(trial.state.name == "COMPLETE" for trial in learned.trials)


def test_it_is_pickled_and_used_for_another_study(space, truth):
    def objective(trial):
        return float(truth.predict([suggest_architecture(trial, space)])[0])

    sampler = TartSampler(RIDGE, space, n_candidates=20, n_startup_trials=4, seed=0)
    studies = [study_with(sampler) for _ in range(2)]
    for study in studies:
        study.optimize(objective, n_trials=8)
    assert parameters(studies[0]) == parameters(studies[1])  # of the first study, nothing was left in the sampler
    studies[1].sampler = pickle.loads(pickle.dumps(sampler))
    for study in studies:
        study.optimize(objective, n_trials=2)
    assert parameters(studies[0]) == parameters(studies[1])
    assert "expected_value" in studies[1].trials[-1].user_attrs


def test_a_space_the_predictor_does_not_know_is_refused(judge):
    with pytest.raises(PredictorError, match="C 16"):
        TartSampler(judge, DartsSpace(C=16))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_candidates": 0}, "`n_candidates` must be a whole number of at least 1, but got 0"),
        ({"refit_every": 0}, "`refit_every`"),
        ({"n_startup_trials": -1}, "`n_startup_trials`"),
        ({"max_labels": 3}, "`max_labels` must be a whole number of at least 4"),
        ({"acquisition": "luck"}, "expected-improvement, .* but got 'luck'"),
        ({"candidates": "all"}, "random, evolution, base, but got 'all'"),
        ({"seed": -1}, "`seed`"),
        ({"to_architecture": len}, "either `space`"),
    ],
)
def test_wrong_arguments(arguments, message, space):
    with pytest.raises(SettingError, match=message):
        TartSampler(RIDGE, space, **arguments)


def test_a_function_cannot_be_sampled(space):
    with pytest.raises(SettingError, match="use 'base'"):
        TartSampler(to_architecture=lambda trial: space.sample(1, 0)[0], candidates="random")
    with pytest.raises(SettingError, match="either `space`"):
        TartSampler()
