"""Signs of life of a process, whose memory may not suffice for a moment, and what its threads do for lost trials."""

import threading
import time

import optuna
import pytest
from optuna.trial import TrialState

from tart_nas.study_file import open_study_file
from tart_nas.trials import RetryWhileUnreachable, heartbeats
from tart_nas.trials.heartbeats import HeartbeatQueue
from tart_nas.trials.optuna_internals import set_system_attr


@pytest.mark.parametrize(
    ("owner", "name", "error"),
    [
        (heartbeats, "set_system_attr", MemoryError()),
        (threading.Event, "wait", RuntimeError("can't allocate lock")),
    ],
)
def test_a_heart_goes_on_beating_after_memory_did_not_suffice(tmp_path, monkeypatch, owner, name, error):
    study = optuna.create_study(storage=open_study_file(tmp_path / "study.sqlite3"))
    running = study.ask()
    queue = HeartbeatQueue(study, lambda trial: True, RetryWhileUnreachable(0), interval=0.01)
    original = getattr(owner, name)
    failures: list[Exception] = []

    def scarce(*arguments):
        if threading.current_thread() is not threading.main_thread() and len(failures) < 3:
            failures.append(error)
            raise error
        return original(*arguments)

    def has_beaten():
        return any(name.endswith("beat") for name in study.trials[0].system_attrs)

    monkeypatch.setattr(owner, name, scarce)
    with queue.heartbeat(study.trials[running.number]):
        deadline = time.monotonic() + 60  # seconds, on a busy machine
        while (len(failures) < 3 or not has_beaten()) and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(failures) == 3
    assert has_beaten()


def test_two_threads_enqueue_a_lost_trial_once(tmp_path):
    study = optuna.create_study(storage=open_study_file(tmp_path / "study.sqlite3"))
    lost, running = study.ask(), study.ask()
    set_system_attr(study, study.trials[lost.number], "tart_nas:lost", True)
    study.tell(lost, state=TrialState.FAIL)
    is_enqueuing = threading.Event()

    def retry(trial, attributes):
        is_enqueuing.set()
        time.sleep(0.5)  # in which the other thread comes to read the trials
        study.enqueue_trial({}, user_attrs=attributes)

    queue = HeartbeatQueue(study, lambda trial: True, RetryWhileUnreachable(0), interval=0.05, retry=retry)
    with queue.heartbeat(study.trials[running.number]):
        assert is_enqueuing.wait(60)
        queue.fail_stale_trials()
    assert [trial.user_attrs.get("retry_of") for trial in study.trials] == [None, None, lost.number]
