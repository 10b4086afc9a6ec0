"""A search with worker processes of its own: both train, a killed search takes its workers along."""

import signal
import subprocess
import time
from contextlib import nullcontext

import pytest
from optuna.trial import TrialState

import tart_nas
from tart_nas.errors import InsufficientMemoryError, SettingError
from tart_nas.runs import SearchResult, searching
from tart_nas.runs.pick_training import PickTraining
from tests.runs.conftest import SMALL
from tests.runs.test_faults import study_of
from tests.runs.test_workers import finish, start, trials_of, wait_until, worker_of

N = 6
# Each network takes seconds, so that a worker's imports are over before all is trained.
OPTIONS = (
    "--space darts --dataset digits --candidates 60 --cells 2 --channels 4 --train-images 600 --epochs 3 "
    f"--batch-size 20 --device cpu --quiet --heartbeat 1 --top-k {N}"
).split()


def is_running(pid):
    """Whether a process runs; one that has ended, and that nobody has asked about yet, does not."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
    return state.strip()[:1] not in ("", "Z")


@pytest.mark.slow
def test_both_processes_train_and_a_killed_search_takes_its_worker_along(ridge, tmp_path):
    folder = tmp_path / "run"
    options = ("--predictor", ridge[1], *OPTIONS)
    search = start(folder, *options, "--workers", 2)
    wait_until(search, (folder / "candidates.parquet").exists)  # by then the study is there

    def workers_at_work():
        running = [t for t in trials_of(folder, None) if t.state == TrialState.RUNNING]
        return [worker_of(t) for t in running if worker_of(t) not in ("", "search")]

    wait_until(search, workers_at_work)
    pids = {int(name.split(":")[1]) for name in workers_at_work()}
    assert pids
    assert search.pid not in pids
    search.send_signal(signal.SIGKILL)
    search.communicate()
    deadline = time.monotonic() + 60
    while any(map(is_running, pids)):
        assert time.monotonic() < deadline
        time.sleep(0.05)

    finish(start(folder, *options, "--workers", 2))
    result = SearchResult.load(folder)
    assert [p.failure for p in result.picks] == [None] * N
    assert sorted(p.pick.name for p in result.picks) == [f"top-{i}" for i in range(1, N + 1)]


def test_workers_are_started_where_there_is_something_to_train(ridge, tmp_path, monkeypatch, undrawn):
    """Those of a finished run too, which tries again what failed for a reason that passes."""
    begun, train = [], PickTraining.train

    def noted(count, joining):
        study = study_of(tmp_path / "run")
        waiting = len(study.get_trials(states=(TrialState.WAITING,)))
        begun.append((count, waiting, study.user_attrs["all_trained"]))
        return nullcontext()

    def too_large(self, pick, *arguments, **settings):
        if pick.name == "top-2":
            raise InsufficientMemoryError("it is too large")
        return train(self, pick, *arguments, **settings)

    monkeypatch.setattr(searching, "local_workers", noted)
    settings = {**SMALL, "predictor": ridge[0], "out": tmp_path / "run", "rounds": 2, "random": 0, "workers": 3}
    with monkeypatch.context() as patch:
        patch.setattr(PickTraining, "train", too_large)
        tart_nas.search(**settings)
    assert begun == [(3, 2, False)]  # once, not in each round
    result = tart_nas.search(**settings)
    assert [p.failure for p in result.picks] == [None] * 4
    assert begun[1:] == [(3, 1, False)]
    tart_nas.search(**settings)
    assert len(begun) == 2  # nothing is left


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_a_wrong_number_of_workers_is_refused_before_anything_is_written(workers, tmp_path):
    with pytest.raises(SettingError, match="`workers` must be a whole number of at least 1"):
        tart_nas.search(workers=workers, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
