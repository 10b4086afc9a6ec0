"""Somebody else uses the study of a run: dashboards and scripts add, enqueue and optimize trials."""

import subprocess
import sys
import threading

import optuna
import pytest
from optuna.trial import TrialState

import tart_nas
from tart_nas.runs import SearchResult, work
from tart_nas.runs.queue import run_queue
from tart_nas.trials import HeartbeatQueue, RetryWhileUnreachable
from tests.runs.conftest import SMALL, SMALL_OPTIONS, outcome
from tests.runs.results import new_study_of

pytestmark = pytest.mark.usefixtures("undrawn")

STATES = ["waiting", "running", "complete", "failed", "pruned", "half a pick"]


def study_of(folder):
    return optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.sqlite3'}")


def add_foreign(study, state):
    if state == "waiting":
        study.enqueue_trial({"x": 1.0})
    elif state == "running":
        study.add_trial(optuna.create_trial(state=TrialState.RUNNING, user_attrs={"mine": True}))
    elif state == "half a pick":
        study.add_trial(optuna.create_trial(value=2.0, user_attrs={"pick": "top-1", "curve": []}))
    else:
        name = {"complete": "COMPLETE", "failed": "FAIL", "pruned": "PRUNED"}[state]
        value = 3.0 if state == "complete" else None
        study.add_trial(optuna.create_trial(state=TrialState[name], value=value))


def of_run(folder):
    """The outcome of a run without the trials of others."""
    trials, *rest = outcome(folder, of_run=True)
    return [trial[1:] for trial in trials], *rest


def test_before_the_search_and_before_it_is_resumed(finished, ridge, tmp_path):
    folder = tmp_path / "run"
    study = new_study_of(finished, folder)
    for state in STATES:
        add_foreign(study, state)
    result = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert [p.pick for p in result.picks] == [p.pick for p in finished.picks]
    assert of_run(folder) == of_run(finished.folder)
    for state in STATES:
        add_foreign(study, state)
    again = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert again.to_dict() == SearchResult.load(folder).to_dict() == result.to_dict()
    assert work(folder, device="cpu") == 0
    foreign = [trial.state.name for trial in study.trials if "rank" not in trial.user_attrs]
    assert foreign == ["WAITING", "RUNNING", "COMPLETE", "FAIL", "PRUNED", "COMPLETE"] * 2


@pytest.mark.slow
def test_during_a_search_in_rounds_with_a_worker(ridge, tmp_path):
    folder = tmp_path / "run"
    done = threading.Event()

    def interfere():
        """Adds trials of all states as soon as there is a study, and goes on while the search runs."""
        while not done.wait(0.2):
            if (folder / "candidates.parquet").exists():
                for state in STATES:
                    add_foreign(study_of(folder), state)
                return

    other = threading.Thread(target=interfere)
    other.start()
    command = [sys.executable, "-m", "tart_nas.cli", "search", "--out", str(folder)]
    options = ["--predictor", str(ridge[1]), *SMALL_OPTIONS, "--rounds", "2"]
    search = subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not (folder / "config.json").exists() and search.poll() is None:
        done.wait(0.05)
    worker = subprocess.Popen([*command, "--worker", "--quiet"], stderr=subprocess.PIPE, text=True)
    out, errors = search.communicate(timeout=500)  # half a minute on an idle machine
    done.set()
    other.join()
    assert (search.returncode, errors) == (0, "")
    assert worker.communicate(timeout=300)[1] == ""
    assert worker.returncode == 0
    assert "failed" not in out
    study = study_of(folder)
    assert len([trial for trial in study.trials if "rank" not in trial.user_attrs]) == len(STATES)
    assert [p.pick.name for p in SearchResult.load(folder).picks] == ["top-1", "top-2", "random-1", "top-3", "top-4"]


def test_what_an_optimize_takes_from_the_run_is_trained_all_the_same(finished, ridge, tmp_path):
    """Optuna's ``optimize`` runs whatever trial waits, those of the run included."""
    folder = tmp_path / "run"
    study = new_study_of(finished, folder)
    for p in finished.picks:
        study.enqueue_trial({}, user_attrs=p.pick.to_attributes())

    def objective(trial):
        if trial.number == 1:
            raise optuna.TrialPruned
        if trial.number == 2:
            raise ZeroDivisionError
        return 7.0

    study.optimize(objective, n_trials=5, catch=(ZeroDivisionError,))
    result = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert [(p.pick.name, p.validation_accuracy, p.test_accuracy) for p in result.picks] == [
        (p.pick.name, p.validation_accuracy, p.test_accuracy) for p in finished.picks
    ]
    assert len(study.trials) == 5 + 3


def test_taken_while_the_search_runs(finished, ridge, tmp_path, monkeypatch):
    """Between planning and claiming, which is when a trial waits."""
    folder, claimed = tmp_path / "run", HeartbeatQueue.claimed
    taken: list[int] = []

    def objective(trial):
        taken.append(trial.number)
        return 9.0

    def late(queue):
        if not taken:
            study_of(folder).optimize(objective, n_trials=2)
        return claimed(queue)

    monkeypatch.setattr(HeartbeatQueue, "claimed", late)
    result = tart_nas.search(predictor=ridge[0], out=folder, **SMALL)
    assert len(taken) == 2
    assert [(p.pick.name, p.validation_accuracy) for p in result.picks] == [
        (p.pick.name, p.validation_accuracy) for p in finished.picks
    ]


def test_foreign_trials_are_neither_claimed_nor_given_up(tmp_path):
    study = optuna.create_study(storage=f"sqlite:///{tmp_path}/study", direction="maximize")
    for state in STATES:
        add_foreign(study, state)
    main, worker = (run_queue(study, 0.01, RetryWhileUnreachable(0), is_main=is_main) for is_main in (True, False))
    states = [trial.state for trial in study.trials]
    for _ in range(20):
        main.fail_stale_trials()
        worker.fail_stale_trials()
        threading.Event().wait(0.01)
    assert main.interrupted_trials() == []
    for queue in (main, worker):
        with queue.claimed() as claim:
            assert claim is None
    assert main.is_idle()
    assert [trial.state for trial in study.trials] == states
