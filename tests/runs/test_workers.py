"""Runs with workers on real servers: PostgreSQL, Optuna's gRPC proxy, a journal file; real kills."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from tart_nas.errors import RunFolderError, SettingError
from tart_nas.runs import SearchResult, work
from tart_nas.runs.folder import RunFolder
from tart_nas.runs.queue import run_queue
from tart_nas.runs.storage import masked, open_study
from tart_nas.trials import RetryWhileUnreachable
from tests.runs.conftest import pick
from tests.runs.servers import Postgres, start_proxy

OPTIONS = (
    "--space darts --dataset digits --candidates 60 --random 0 --cells 2 --channels 4 --train-images 300 --epochs 3 "
    "--batch-size 20 --lr 0.05 --device cpu --quiet --heartbeat 1"
).split()


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


def start(folder, *options):
    command = [sys.executable, "-m", "tart_nas.cli", "search", "--out", str(folder), *map(str, options)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def start_when_told(folder, *options):
    """The same, but it begins at once when it reads a line: the seconds of its imports are over by then."""
    code = "import sys; from tart_nas.cli import main; import tart_nas.runs; sys.stdin.readline(); main()"
    command = [sys.executable, "-c", code, "search", "--out", str(folder), *map(str, options)]
    environment, pipe = {**os.environ, "OMP_NUM_THREADS": "1"}, subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment)


def start_search(folder, ridge, address, top_k):
    search = start(folder, "--predictor", ridge[1], "--storage", address, "--top-k", top_k, *OPTIONS)
    wait_until(search, lambda: (folder / "config.json").exists())
    return search


def wait_until(process, is_so, seconds=200):
    deadline = time.monotonic() + seconds
    while not (what := is_so()):
        assert process.poll() is None, f"ended too early: {process.communicate()}"
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return what


def finish(process):
    out, errors = process.communicate(timeout=300)
    assert (process.returncode, errors) == (0, "")
    return out


def trials_of(folder, address):
    study = open_study(address, RunFolder(folder).read_place()[1], RunFolder(folder).study)
    return study.get_trials(deepcopy=False)


def worker_of(trial):
    return trial.system_attrs.get("tart_nas:worker", "")


@pytest.mark.slow
def test_a_killed_worker_has_its_trial_retried_once(ridge, tmp_path, postgres):
    folder, n = tmp_path / "run", 8
    workers = [start_when_told(folder, "--worker", "--storage", postgres.address, "--quiet") for _ in range(3)]
    search = start_search(folder, ridge, postgres.address, n)
    assert "secret" not in (folder / "config.json").read_text()
    for worker in workers:
        worker.stdin.write("now\n")
        worker.stdin.flush()
    by_pid = {str(worker.pid): worker for worker in workers}

    def running_on_a_worker():
        running = (t for t in trials_of(folder, postgres.address) if t.state == TrialState.RUNNING)
        return [t for t in running if ":" in worker_of(t)]

    running = wait_until(search, running_on_a_worker)
    victim = by_pid.pop(worker_of(running[0]).split(":")[-2])
    victim.send_signal(signal.SIGKILL)
    victim.communicate()
    out = finish(search)
    trained = [int(finish(worker).split()[0]) for worker in by_pid.values()]
    trials = trials_of(folder, postgres.address)
    complete = Counter(t.user_attrs["pick"] for t in trials if t.state == TrialState.COMPLETE)
    assert complete == {f"top-{i + 1}": 1 for i in range(n)}  # each trained once
    lost = [t for t in trials if t.state == TrialState.FAIL]
    assert [worker_of(t).split(":")[-2] for t in lost] == [str(victim.pid)]
    assert [t.user_attrs["retry_of"] for t in trials if "retry_of" in t.user_attrs] == [lost[0].number]
    assert len(trials) == n + 1
    by_workers = [t for t in trials if t.state == TrialState.COMPLETE and ":" in worker_of(t)]
    assert sum(trained) <= len(by_workers)  # the victim may have finished one before
    result = SearchResult.load(folder, postgres.address)
    assert [p.pick.name for p in result.picks] == [f"top-{i + 1}" for i in range(n)]
    assert all(p.failure is None and p.test_accuracy is not None for p in result.picks)
    assert "failed" not in out
    with pytest.raises(SettingError, match="password"):
        SearchResult.load(folder)


@pytest.mark.slow
def test_a_database_that_goes_away_for_a_while(ridge, tmp_path, postgres):
    folder = tmp_path / "run"
    search = start_search(folder, ridge, postgres.address, 2)
    wait_until(search, lambda: any(t.intermediate_values for t in trials_of(folder, postgres.address)))
    postgres.stop()
    time.sleep(3)
    postgres.start()
    finish(search)
    trials = trials_of(folder, postgres.address)
    assert [t.state for t in trials] == [TrialState.COMPLETE] * 2
    assert all(len(t.intermediate_values) == 3 for t in trials)


@pytest.mark.slow
def test_workers_meet_through_the_grpc_proxy(ridge, tmp_path):
    folder = tmp_path / "run"
    proxy, address = start_proxy(f"sqlite:///{tmp_path}/study.sqlite3")
    try:
        search = start_search(folder, ridge, address, 2)
        # The folder names the server, and it is contacted only where the user names it too.
        worker = start(folder, "--worker", "--storage", address, "--quiet")
        finish(search)
        assert "trials trained" in finish(worker)
        trials = trials_of(folder, address)
        assert [t.state for t in trials] == [TrialState.COMPLETE] * 2
        assert SearchResult.load(folder, address).best.validation_accuracy is not None
    finally:
        proxy.kill()
        proxy.wait()


def studies(path):
    """One study as two processes see it."""
    return [
        optuna.create_study(storage=JournalStorage(JournalFileBackend(str(path))), study_name="s", load_if_exists=True)
        for _ in range(2)
    ]


def test_a_silent_worker_is_given_up_after_a_second_time(tmp_path):
    mine, theirs = studies(tmp_path / "log")
    mine.enqueue_trial({}, user_attrs=pick("top-1").to_attributes())
    main = run_queue(mine, 0.05, RetryWhileUnreachable(0), is_main=True)
    for expected in ("first", "second"):
        worker = run_queue(theirs, 1000, RetryWhileUnreachable(0), is_main=False)  # whose first sign comes too late
        with worker.claimed() as claim, worker.claimed() as second:
            assert claim is not None
            assert second is None  # there is but one
        deadline = time.monotonic() + 20
        while len(mine.get_trials(states=(TrialState.FAIL,))) < (1 if expected == "first" else 2):
            main.fail_stale_trials()  # nobody's heart beats
            time.sleep(0.02)
            assert time.monotonic() < deadline
        main.fail_stale_trials()
    assert [t.state for t in mine.trials] == [TrialState.FAIL] * 2
    assert [t.user_attrs.get("retry_of") for t in mine.trials] == [None, 0]
    assert main.is_idle()


def test_a_beating_heart_keeps_the_trial(tmp_path):
    mine, theirs = studies(tmp_path / "log")
    mine.enqueue_trial({}, user_attrs=pick("top-1").to_attributes())
    main = run_queue(mine, 0.3, RetryWhileUnreachable(0), is_main=True)
    worker = run_queue(theirs, 0.3, RetryWhileUnreachable(0), is_main=False)
    deadline = time.monotonic() + 60
    with worker.claimed() as claim:
        assert claim is not None
        while mine.trials[0].system_attrs.get("tart_nas:beat", 0) < 9:  # longer than silence is borne
            main.fail_stale_trials()
            time.sleep(0.05)
            assert time.monotonic() < deadline
    assert mine.trials[0].state == TrialState.RUNNING


def test_one_waiting_trial_is_claimed_by_one_only(tmp_path):
    mine, theirs = studies(tmp_path / "log")
    for i in range(20):
        mine.enqueue_trial({}, user_attrs=pick(f"top-{i}").to_attributes())
    queues = [run_queue(study, 1.0, RetryWhileUnreachable(0), is_main=False) for study in (mine, theirs)]
    numbers = []
    for queue in queues * 11:
        with queue.claimed() as claim:
            numbers += [] if claim is None else [claim.known.number]
    assert sorted(numbers) == list(range(20))
    assert len(mine.trials) == 20


def test_what_cannot_be_joined_or_opened(tmp_path, finished):
    with pytest.raises(RunFolderError, match="not a run folder"):
        work(tmp_path)
    assert work(finished.folder, device="cpu") == 0  # all is trained
    with pytest.raises(RunFolderError, match="Cannot open postgresql"):
        open_study("postgresql+psycopg://tart:secret@127.0.0.1:1/tart", "s", tmp_path / "own")
    assert masked("postgresql+psycopg://tart:secret@host/db") == "postgresql+psycopg://tart:***@host/db"
    assert masked("grpc://host:1") == "grpc://host:1"


def test_patience_ends():
    def away():
        raise ConnectionError("refused")

    with pytest.raises(RunFolderError, match=r"away for 0.1 s: refused"):
        RetryWhileUnreachable(0.1)(away)
    with pytest.raises(ConnectionError):
        RetryWhileUnreachable(0)(away)
    answers = iter([ConnectionError(), 7])

    def back():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert RetryWhileUnreachable(5)(back) == 7
