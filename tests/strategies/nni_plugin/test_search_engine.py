"""``tart-nas search --engine nni``: real experiments, in which all goes wrong that can."""

import json
import signal
import socket
import sqlite3
import sys
import time
from unittest.mock import ANY
from urllib.request import Request, urlopen

import optuna
import pytest
from optuna.trial import TrialState

from tests.runs.conftest import outcome

OPTIONS = (
    "--space darts --candidates 60 --dataset digits --cells 2 --channels 4 --train-images 120 --batch-size 40 "
    "--lr 0.05 --device cpu --quiet"
).split()


def until(condition, seconds=400):  # a minute is enough on an idle machine
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


def search(programs, ridge_file, folder, *options):
    command = (sys.executable, "-m", "tart_nas.cli", "search", "--predictor", ridge_file, "--out", folder)
    return programs.start(*command, *OPTIONS, *options)


def asked(port, what, method="GET", body=None):
    request = Request(f"http://127.0.0.1:{port}/api/v1/nni/{what}", body, {"Content-Type": "application/json"})
    request.method = method
    with urlopen(request, timeout=20) as answer:
        text = answer.read()
        return json.loads(text) if text else None


def trials_of(folder):
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'study.sqlite3'}")
    return study.get_trials()


def shown(folder, experiment="*"):
    """What NNI shows of each trial of a run, by the name of the pick: its name, its status, the curve, the metric."""
    found = {}
    for database in folder.glob(f"nni/{experiment}/db/nni.sqlite"):
        with sqlite3.connect(database) as tables:
            events = tables.execute("SELECT trialJobId, event, data FROM TrialJobEvent ORDER BY rowid").fetchall()
            metrics = tables.execute("SELECT trialJobId, type, data FROM MetricData ORDER BY rowid").fetchall()
        picks = {trial: json.loads(data)["parameters"]["pick"] for trial, _, data in events if trial and data}
        for trial, status, _ in events:
            if trial in picks:
                found[picks[trial]] = [trial, status, [], None]
        for trial, kind, data in metrics:
            if kind == "FINAL":
                found[picks[trial]][3] = float(json.loads(data))
            else:
                found[picks[trial]][2].append(float(json.loads(data)))
    return found


def test_the_web_page_shows_the_trials_and_the_result_is_that_of_the_other_engine(programs, port, tmp_path, ridge_file):
    options = "--top-k 1 --random 1 --rounds 2 --epochs 2".split()
    process = search(programs, ridge_file, tmp_path / "process", *options)
    status, output = programs.finish(process)
    assert status == 0, output
    process = search(
        programs, ridge_file, tmp_path / "nni", *options, "--engine", "nni", "--nni-port", port, "--nni-concurrency", 2
    )
    until(lambda: process.poll() is not None or list(tmp_path.glob("nni/nni/_latest/environments/*/trials/*")))
    assert asked(port, "check-status")["status"] == "RUNNING"
    assert programs.listening() == {("127.0.0.1", port)}
    with urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
        assert "<title>Neural Network Intelligence</title>" in page.read().decode()
    status, of_nni = programs.finish(process)
    assert status == 0, of_nni
    assert programs.processes() == []

    assert of_nni.splitlines()[1:-1] == output.splitlines()[1:-1]  # but for the seconds, and the folder
    assert outcome(tmp_path / "nni") == outcome(tmp_path / "process")
    trials = trials_of(tmp_path / "nni")
    assert len(trials) == 3
    assert len(list(tmp_path.glob("nni/nni/*/db"))) == 2  # of one experiment, and of the link to it
    assert shown(tmp_path / "nni") == {
        trial.user_attrs["pick"]: [ANY, "SUCCEEDED", list(trial.intermediate_values.values()), trial.value]
        for trial in trials
    }


def test_a_search_whose_processes_are_killed_ends_with_all_its_trials(programs, port, tmp_path, ridge_file):
    folder = tmp_path / "run"
    before: set[str] = set()

    def start():
        before.update(path.name for path in folder.glob("nni/*"))
        return search(programs, ridge_file, folder, "--top-k", 4, "--epochs", 25, "--engine", "nni", "--nni-port", port)

    def training(name):
        """NNI's trial that trains a pick in the experiment started last, once it has told of an epoch."""

        def begun():
            try:
                (experiment,) = {path.name for path in folder.glob("nni/*")} - before - {"_latest"}
                trial, status, curve, _ = shown(folder, experiment)[name]
            except (ValueError, KeyError, sqlite3.OperationalError):  # it has no table yet, or none of this trial
                return None
            return trial if curve and status == "RUNNING" else None

        until(begun)
        return begun()

    process = start()
    training("top-1")
    process.send_signal(signal.SIGKILL)
    process.wait()
    until(lambda: programs.processes() == [])  # the trial ends with the search, and NNI's manager

    process = start()
    training("top-1")  # it is taken up in place
    (manager,) = [other for other in programs.processes() if other.name() == "node"]
    manager.send_signal(signal.SIGKILL)
    status, output = programs.finish(process)
    assert status == 2
    assert output.startswith("error: NNI's manager does not answer any more (")
    assert output.count("\n") == 1
    assert "the same command resumes the run" in output
    until(lambda: programs.processes() == [])

    process = start()
    training("top-1")
    process.send_signal(signal.SIGINT)
    status, output = programs.finish(process)
    assert (status, output) == (130, f"\ninterrupted: the same command resumes the run in {folder}\n")
    assert programs.processes() == []

    process = start()
    asked(port, f"trial-jobs/{training('top-1')}", "DELETE")  # cancelled on the web page
    asked(port, "trial-jobs", "POST", b'{"pick": "of mine"}')  # added there
    training("top-2")
    (trial,) = [other for other in programs.processes() if "tart_nas.runs.nni_trial" in other.cmdline()]
    trial.send_signal(signal.SIGKILL)
    status, output = programs.finish(process, 400)
    assert status == 0, output
    assert programs.processes() == []
    trials = trials_of(folder)
    assert [trial.state.name for trial in trials] == ["FAIL", "FAIL", "COMPLETE", "COMPLETE"]
    failures = [trial.user_attrs["failure"] for trial in trials[:2]]
    assert all("its NNI trial ended as USER_CANCELED: " in failure for failure in failures), failures
    assert "top-1 failed: its NNI trial ended as USER_CANCELED: " in output
    seen = shown(folder, "_latest")
    assert seen.pop("of mine")[1] == "FAILED"
    assert [seen[f"top-{i}"][1] for i in (1, 2, 3, 4)] == ["USER_CANCELED"] * 2 + ["SUCCEEDED"] * 2


def test_a_network_that_cannot_be_trained_is_a_failed_trial(programs, port, tmp_path, ridge_file):
    options = f"--top-k 1 --epochs 1 --lr 1e30 --engine nni --nni-port {port}".split()
    with socket.socket() as busy:
        busy.bind(("127.0.0.1", port))
        busy.listen()
        status, output = programs.finish(search(programs, ridge_file, tmp_path / "run", *options))
    message = f"error: The port {port} cannot be used (Address already in use): give another one to NNI.\n"
    assert (status, output) == (2, message)
    status, output = programs.finish(search(programs, ridge_file, tmp_path / "run", *options))  # the folder is usable
    assert status == 2, output
    assert output.rpartition("error: ")[2].startswith("None of the 1 networks could be trained: ")
    (trial,) = trials_of(tmp_path / "run")
    assert trial.state == TrialState.FAIL
    assert f"top-1 failed: {trial.user_attrs['failure']}" in " ".join(output.split())
    assert shown(tmp_path / "run") == {"top-1": [ANY, "FAILED", [], None]}
    (errors,) = tmp_path.glob("run/nni/_latest/environments/*/trials/*/trial.stderr")
    assert errors.read_text() == f"{trial.user_attrs['failure']}\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--nni-port 0", "Invalid value for '--nni-port': "),
        ("--nni-host localhost", "Invalid value for '--nni-host': 'localhost' is not one of '127.0.0.1', "),
        ("--nni-concurrency 0", "Invalid value for '--nni-concurrency': "),
    ],
)
def test_options_that_are_wrong(programs, tmp_path, ridge_file, options, message):
    status, output = programs.finish(
        search(programs, ridge_file, tmp_path / "run", "--engine", "nni", *options.split())
    )
    assert (status, output.count("\n")) == (2, 1)
    assert output.startswith(f"error: {message}")
    assert options.split()[1] in output
    assert not (tmp_path / "run").exists()
