"""A search with worker processes of its own: both train, a killed search takes its workers along."""

import signal
import subprocess
import time

import pytest
from optuna.trial import TrialState

import tart_nas
from tart_nas.errors import SettingError
from tart_nas.runs import SearchResult
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


@pytest.mark.parametrize("workers", [0, -1, 1.5, True, "2"])
def test_a_wrong_number_of_workers_is_refused_before_anything_is_written(workers, tmp_path):
    with pytest.raises(SettingError, match="`workers` must be a whole number of at least 1"):
        tart_nas.search(workers=workers, out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
