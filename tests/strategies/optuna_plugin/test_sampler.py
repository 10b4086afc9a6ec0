import pickle
import time

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.errors import PredictorError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.layout import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, Parameters
from tart_nas.strategies.acquisition import ACQUISITIONS
from tart_nas.strategies.optuna_plugin import (
    TartHyperbandPruner,
    TartSampler,
    architecture_of,
    architecture_parameters,
    suggest_architecture,
)

RIDGE = Predictor("ridge")
"""Unfitted: the quickest to refit."""


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


def test_constraints_are_learned(space, truth):
    limit = float(np.median([parameter_count(a) for a in space.sample(200, 0)]))

    def objective(trial):
        architecture = suggest_architecture(trial, space)
        trial.set_constraint("size", parameter_count(architecture) / limit - 1)
        return float(truth.predict([architecture])[0])

    study = study_with(TartSampler(RIDGE, space, n_candidates=60, seed=0))
    study.optimize(objective, n_trials=30)
    feasible = [max(trial.constraints.values()) <= 0 for trial in study.trials]
    assert np.mean(feasible[:10]) < 0.8
    assert np.mean(feasible[12:]) >= 0.8


def test_threads_share_a_study(space, truth):
    study = study_with(TartSampler(RIDGE, space, n_candidates=20, n_startup_trials=5))
    study.optimize(objective_of(space, truth), n_trials=24, n_jobs=2)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 24
    assert len({space.canonical(architecture_of(trial, space)) for trial in study.trials}) == 24


WORKER = """
import sys, optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import TartSampler, suggest_architecture
space, truth = DartsSpace(), Predictor("params")
sampler = TartSampler(Predictor("ridge"), space, n_candidates=20, n_startup_trials=5, seed=0)
storage = JournalStorage(JournalFileBackend(sys.argv[1]))
study = optuna.create_study(study_name="s", storage=storage, sampler=sampler, direction="maximize", load_if_exists=True)
study.optimize(lambda trial: float(truth.predict([suggest_architecture(trial, space)])[0]), n_trials=10)
"""


def test_processes_share_a_study(space, tmp_path, fork_server):
    log = tmp_path / "study.log"
    workers = [fork_server.start(log, code=WORKER) for _ in range(2)]
    assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    trials = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(str(log)))).trials
    assert len(trials) == 20
    assert len({space.canonical(architecture_of(trial, space)) for trial in trials}) == 20


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


def test_failed_pruned_and_nan_trials_teach_nothing(space, truth):
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


class Raising(Predictor):
    def predict(self, architectures, return_std=False, target=None, outside="raise"):
        raise MemoryError("no more")


def test_a_raising_predictor_leaves_trials_to_the_base_sampler(space, truth, labelled):
    raising = Raising("ridge").fit(labelled[0][:100], labelled[1][:100])
    make = lambda trial: suggest_architecture(trial, space)  # noqa: E731
    sampler = TartSampler(raising, to_architecture=make, n_candidates=4, seed=0)
    study = study_with(sampler)
    with pytest.warns(UserWarning, match="leaves trial 0 to its base sampler .* MemoryError: no more") as caught:
        study.optimize(objective_of(space, truth), n_trials=3)
    assert len([w for w in caught if "base sampler" in str(w.message)]) == 1
    assert all(trial.state.name == "COMPLETE" for trial in study.trials)


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


def test_a_storage_that_fails_for_a_while_leaves_the_study_whole(space, truth, tmp_path):
    path = tmp_path / "study.log"
    study = run(
        TartSampler(RIDGE, space, n_candidates=10, n_startup_trials=3, seed=0),
        space,
        truth,
        6,
        storage=JournalStorage(JournalFileBackend(str(path))),
        study_name="s",
    )
    away = path.rename(tmp_path / "away")
    with pytest.raises(OSError, match="study.log"):
        study.optimize(objective_of(space, truth), n_trials=1)
    time.sleep(0.1)
    away.rename(path)
    study.optimize(objective_of(space, truth), n_trials=3)
    assert [t.state.name for t in study.trials if t.state.is_finished()] == ["COMPLETE"] * 9
