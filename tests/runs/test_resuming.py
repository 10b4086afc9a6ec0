"""Runs that are killed, crowded or out of disk: real processes, real kills."""

import os
import resource
import signal
import subprocess
import sys
import time

import optuna
import pytest
from filelock import FileLock

from tests.runs.conftest import SMALL_OPTIONS, outcome


def start(ridge, folder, *options, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **arguments):
    """A search in a process of its own, which an interrupt reaches even where the tests run in the background."""
    command = [sys.executable, "-m", "tart_nas.cli", "search", "--predictor", str(ridge[1]), "--out", str(folder)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *SMALL_OPTIONS, *options],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=preexec_fn,
        **arguments,
    )


def finish(process):
    errors = process.communicate(timeout=240)[1]
    return process.returncode, errors


@pytest.fixture
def undisturbed(finished):
    """The same search, from Python."""
    return finished.folder


def reached(folder, moment):
    """Whether a run has come to a moment of its life."""
    if moment == "training":  # within the first trial
        study = folder / "study.sqlite3"
        if not (folder / "candidates.parquet").exists() or not study.exists():
            return False
        trials = optuna.load_study(study_name=None, storage=f"sqlite:///{study}").get_trials()
        return any(trial.state.name == "RUNNING" and trial.intermediate_values for trial in trials)
    return (folder / moment).exists()


TOP_1, TOP_2 = (f"weights/top-{i}/weights.safetensors" for i in (1, 2))
MOMENTS = ["config.json", "study.sqlite3", "candidates.parquet", "training", TOP_2, "report.html"]


def wait_for(process, folder, moment):
    """Until then, or until it has ended well: on a busy machine a moment may pass unseen."""
    while not reached(folder, moment) and process.poll() is None:
        time.sleep(0.01)
    assert process.returncode in (None, 0), f"ended before {moment}: {process.stderr.read()}"


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_as_if_undisturbed(ridge, tmp_path, undisturbed):
    folder, trained, ends = tmp_path / "run", {}, []
    for moment in MOMENTS:
        process = start(ridge, folder)
        wait_for(process, folder, moment)
        process.send_signal(signal.SIGKILL)
        ends.append(process.wait())
        if moment == TOP_2:
            trained["top-1"] = (folder / TOP_1).stat().st_mtime_ns
    assert ends[:3] == [-signal.SIGKILL] * 3
    assert finish(start(ridge, folder)) == (0, "")
    assert outcome(folder) == outcome(undisturbed)
    assert trained["top-1"] == (folder / TOP_1).stat().st_mtime_ns  # not trained again
    assert not [path for path in folder.rglob("*") if ".tmp" in path.name]


def test_a_second_process_is_refused(ridge, tmp_path, undisturbed):
    with FileLock(undisturbed / ".lock"):  # as a running search holds it
        status, errors = finish(start(ridge, undisturbed))
    assert status == 2
    assert errors == f"error: Another search is running in {undisturbed}: wait for it, or use another.\n"


# bytes that a file may have: no config, no study
@pytest.mark.parametrize("size", [500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_full_disk_ends_with_one_line_and_the_run_resumes(ridge, tmp_path, undisturbed, size):
    def fill():
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    folder = tmp_path / "run"
    status, errors = finish(start(ridge, folder, preexec_fn=fill))
    assert status == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert str(folder) in errors
    assert finish(start(ridge, folder)) == (0, "")
    assert outcome(folder) == outcome(undisturbed)


def test_interrupted_it_says_how_to_go_on(ridge, tmp_path):
    folder = tmp_path / "run"
    process = start(ridge, folder, "--epochs", "500")
    wait_for(process, folder, "training")
    process.send_signal(signal.SIGINT)
    status, errors = finish(process)
    assert status == 130
    assert errors.strip() == f"interrupted: the same command resumes the run in {folder}"
