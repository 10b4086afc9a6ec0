"""Runs that are killed, crowded or out of disk: real processes, real kills."""

import signal
import time

import optuna
import pytest
from filelock import FileLock

from tests.runs.conftest import outcome


def finish(process):
    errors = process.communicate()[1]
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
    assert process.returncode in (None, 0), f"ended before {moment}: {process.communicate()}"


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_as_if_undisturbed(start, tmp_path, undisturbed):
    folder, trained, ends = tmp_path / "run", {}, []
    for moment in MOMENTS:
        process = start(folder)
        wait_for(process, folder, moment)
        process.send_signal(signal.SIGKILL)
        ends.append(process.wait())
        if moment == TOP_2:
            trained["top-1"] = (folder / TOP_1).stat().st_mtime_ns
    assert ends[:3] == [-signal.SIGKILL] * 3
    assert finish(start(folder)) == (0, "")
    assert outcome(folder) == outcome(undisturbed)
    assert trained["top-1"] == (folder / TOP_1).stat().st_mtime_ns  # not trained again
    assert not [path for path in folder.rglob("*") if ".tmp" in path.name]


def test_a_second_process_is_refused(start, tmp_path, undisturbed):
    with FileLock(undisturbed / ".lock"):  # as a running search holds it
        status, errors = finish(start(undisturbed))
    assert status == 2
    assert errors == f"error: Another search is running in {undisturbed}: wait for it, or use another.\n"


# bytes that a file may have: no config, no study
@pytest.mark.parametrize("size", [500, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_full_disk_ends_with_one_line_and_the_run_resumes(start, tmp_path, undisturbed, size):
    folder = tmp_path / "run"
    status, errors = finish(start(folder, bytes_at_most=size))
    assert status == 2
    assert errors.startswith("error: ")
    assert errors.count("\n") == 1
    assert str(folder) in errors
    assert finish(start(folder)) == (0, "")
    assert outcome(folder) == outcome(undisturbed)


def test_interrupted_it_says_how_to_go_on(start, tmp_path):
    folder = tmp_path / "run"
    process = start(folder, "--epochs", "500")
    wait_for(process, folder, "training")
    process.send_signal(signal.SIGINT)
    status, errors = finish(process)
    assert status == 130
    assert errors.strip() == f"interrupted: the same command resumes the run in {folder}"
