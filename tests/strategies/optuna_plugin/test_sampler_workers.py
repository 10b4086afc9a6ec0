"""Threads and processes that share a study, and what goes wrong beside them."""

import time

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tart_nas.predictors import Predictor
from tart_nas.strategies.optuna_plugin import TartSampler, architecture_of, suggest_architecture
from tests.strategies.optuna_plugin.studies import RIDGE, objective_of, run, study_with


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
