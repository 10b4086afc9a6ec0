import pickle
from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.errors import SettingError
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.strategies.optuna_plugin import (
    TartHyperbandPruner,
    TartPruner,
    TartSampler,
    add_architecture,
    architecture_of,
    suggest_architecture,
)


def test_a_study_begins_with_what_is_known(space, truth, labelled, tmp_path):
    """Of 40 known architectures the sampler has learned enough for its first trials to be good ones."""
    path = str(tmp_path / "study.log")
    sampler = TartSampler(Predictor("ridge"), space, n_candidates=100, seed=0, prefix="net_")
    study = optuna.create_study(
        study_name="s", storage=JournalStorage(JournalFileBackend(path)), sampler=sampler, direction="minimize"
    )
    networks = space.sample(40, seed=1)
    for network, accuracy in zip(networks, truth.predict(networks), strict=True):
        add_architecture(study, network, 1 - accuracy / 100)

    def objective(trial):
        trial.suggest_float("lr", 0.01, 0.1)
        return 1 - float(truth.predict([suggest_architecture(trial, space, prefix="net_")])[0]) / 100

    study.optimize(objective, n_trials=4)
    trials = optuna.load_study(study_name="s", storage=JournalStorage(JournalFileBackend(path))).trials
    known = [space.canonical(architecture_of(trial, space, prefix="net_")) for trial in trials]
    assert known[:40] == [space.canonical(network) for network in networks]
    assert len(set(known)) == 44
    values = [trial.values[0] for trial in trials]
    assert max(values[40:]) < np.quantile(values[:40], 0.25)
    assert all("expected_value" in trial.user_attrs for trial in trials[40:])


def test_other_samplers_learn_from_it_too(space):
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    suggest_architecture(trial, space)
    study.tell(trial, (1.0, 2.0))
    add_architecture(study, space.sample(1, 0)[0], (0.5, 1), space=space)
    assert study.trials[1].values == [0.5, 1.0]
    add_architecture(study, space.sample(1, 1)[0], np.array([0.25, 2]), space=space)
    assert study.trials[2].values == [0.25, 2.0]
    assert study.trials[0].distributions == study.trials[1].distributions
    assert study.trials[0].user_attrs == study.trials[1].user_attrs


def test_what_does_not_fit_is_refused(space):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    network = space.sample(1, 0)[0]
    for arguments, named, message in (
        ((network, 1.0), {}, "Give `space`"),
        ((network, [1.0, 2.0]), {"space": space}, r"one number for each of 1 objectives, got \[1.0, 2.0\]"),
        ((network, "0.9"), {"space": space}, "`value` must be a number .* but got '0.9'"),
        ((network, float("nan")), {"space": space}, "`value` must be a number .* but got nan"),
        (({"C": 16}, 1.0), {"space": space}, r"does not contain the architecture \{'C': 16\}"),
        ((replace(network, C=16), 1.0), {"space": space}, "does not contain"),
    ):
        with pytest.raises(SettingError, match=message):
            add_architecture(study, *arguments, **named)
    deepnets = DeepNets1MSpace()
    with pytest.raises(SettingError, match="other settings than the architecture's"):
        add_architecture(study, replace(deepnets.sample(1, 0)[0], C=64), 1.0, space=deepnets)
    assert study.trials == []


def test_how_they_were_made_is_shown(space):
    assert repr(TartSampler(space=space, seed=3)) == f"TartSampler(space={space!r}, seed=3)"
    assert (
        repr(TartPruner("params", space, quantile=0.7))
        == f"TartPruner(predictor='params', space={space!r}, quantile=0.7)"
    )
    pruner = TartHyperbandPruner("params", space, max_resource=9)
    assert repr(pruner) == f"TartHyperbandPruner(predictor='params', space={space!r}, max_resource=9)"


@pytest.mark.parametrize("make", [TartSampler, TartPruner, TartHyperbandPruner])
def test_a_space_in_the_predictors_place(make, space):
    with pytest.raises(SettingError, match=r"`predictor` must be a Predictor, a name or a path, .*`space=...`"):
        make(space)


def test_a_bundled_predictor_is_pickled_by_its_name(space, tmp_path, judge):
    for make in (TartSampler, TartPruner, TartHyperbandPruner):
        made = make("darts-cifar10", space)
        pickled = pickle.dumps(made)
        assert len(pickled) < 20_000
        study = optuna.create_study(direction="maximize")
        again = pickle.loads(pickled)
        assert repr(again) == repr(made)
        if make is TartSampler:
            study.sampler = again
        else:
            study.sampler, study.pruner = optuna.samplers.RandomSampler(seed=0), again
        trial = study.ask()
        suggest_architecture(trial, space)
        assert trial.should_prune() in (True, False)
    judge.save(tmp_path / "mine.safetensors")  # which another machine does not have
    pickled = pickle.dumps(TartPruner(tmp_path / "mine.safetensors", space))
    (tmp_path / "mine.safetensors").unlink()
    pickle.loads(pickled)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_patience_around_the_gate_is_refused_and_inside_it_works(space, judge):
    patient = optuna.pruners.PatientPruner(TartPruner(judge, space), patience=2)
    study = optuna.create_study(direction="maximize", pruner=patient)
    with pytest.raises(SettingError, match="PatientPruner around TartPruner would let every trial train"):
        suggest_architecture(study.ask(), space)
    trial = study.ask()
    space.suggest(trial)  # as a function of one's own does, which this plugin does not see
    for step, value in enumerate([3.0, 2.0, 1.0, 0.5]):
        trial.report(value, step)
    with pytest.raises(SettingError, match="PatientPruner around TartPruner"):
        trial.should_prune()
    study.pruner = TartPruner(judge, space, quantile=0.0, inner=optuna.pruners.PatientPruner(None, patience=2))
    trial = study.ask()
    suggest_architecture(trial, space)
    decisions = []
    for epoch, value in enumerate([0.5, 0.4, 0.3, 0.2, 0.1]):
        decisions.append(trial.should_prune())
        trial.report(value, epoch)
    assert not any(decisions[:4])
    assert trial.should_prune()
