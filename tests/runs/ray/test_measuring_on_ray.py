"""``tart-nas measure --engine ray``: a real cluster, of which a worker is killed."""

import json
import threading
import time
from typing import Any

import optuna
import pytest

from tart_nas.measurements import measure, read_label_file
from tart_nas.search_spaces import DartsSpace
from tests.measurements.conftest import SETTINGS, without_times

pytestmark = pytest.mark.ray

OPTIONS = "measure darts --networks 2 --cells 2 --channels 4 --image-size 16 --only latency --engine ray --quiet"


@pytest.fixture
def networks():
    return dict(enumerate(DartsSpace(n_cells=2).sample(3, 0)))


def test_labels_are_those_of_this_process_though_a_worker_is_killed(networks, programs, tmp_path, monkeypatch):
    monkeypatch.setenv("TART_NAS_TEST", programs.environment["TART_NAS_TEST"])  # Ray's processes inherit it
    killed: list[Any] = []
    has_ended = threading.Event()

    def kill_once():
        while not killed and not has_ended.is_set():
            for other in programs.processes():
                if other.cmdline() and other.cmdline()[0].startswith("ray::network"):
                    other.kill()
                    killed.append(other)
                    break
            time.sleep(0.1)

    killer = threading.Thread(target=kill_once)
    killer.start()
    try:
        there = measure(networks, SETTINGS, out=tmp_path / "ray", group="darts", device="cpu", engine="ray")
    finally:
        has_ended.set()
        killer.join()
    assert killed
    here = measure(networks, SETTINGS, out=tmp_path / "process", group="darts", device="cpu")
    about, labels, failed = read_label_file(there)
    assert (about["planned"], about["measured"], failed) == (3, 3, {})
    assert without_times(labels) == without_times(read_label_file(here)[1])
    assert all(len(label["curve"]["seconds"]) == SETTINGS.recipe.epochs for label in labels.values())
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{there.parent / 'study.sqlite3'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert all(len(trial.intermediate_values) == SETTINGS.recipe.epochs for trial in study.trials)


def test_the_latency_alone_in_two_commands(programs, tmp_path):
    labels = tmp_path / "labels/labels.json"
    for options, said in ((["--at-most", 1], "1 of 2"), ([], "2 of 2")):
        command = ("-m", "tart_nas.cli", *OPTIONS.split(), "--out", labels.parent, *options)
        assert programs.run(*command) == (0, f"{labels}: {said} networks measured, 0 failed\n")
        assert programs.processes() == []
    measured = json.loads(labels.read_text())["darts"].values()
    assert all(label["time"] > 0 and label["device"] == "cpu, 1 thread" for label in measured)
