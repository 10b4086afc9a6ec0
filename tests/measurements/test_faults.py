"""Faults of the machine pass, a network's own stay; trials of others in the study are left alone."""

import dataclasses
import json
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState

from tart_nas.errors import InsufficientMemoryError, MachineError, RunFolderError
from tart_nas.images import ImageSplit, load_images
from tart_nas.measurements import measure, read_label_file
from tests.failing_device import FAULT, FailingDevice
from tests.measurements.conftest import SETTINGS

OPTIONS: dict[str, Any] = {"group": "val", "device": "cpu"}


@pytest.fixture
def failing(monkeypatch):
    return FailingDevice(monkeypatch)


def study_of(folder):
    return optuna.load_study(study_name="tart-nas measure", storage=f"sqlite:///{folder / 'study.sqlite3'}")


def test_a_device_fault_is_nobodys_failure(networks, tmp_path, failing):
    chosen = dataclasses.replace(networks[0], C=8)
    failing.start(FAULT, after=4, of=lambda network: network.architecture == chosen)  # in its second epoch
    with pytest.raises(MachineError, match="The measurement of network 0 was interrupted.* unspecified launch failure"):
        measure(networks, SETTINGS, out=tmp_path, **OPTIONS)
    about, labels, failed = read_label_file(tmp_path / "labels.json")
    assert (about["measured"], labels, failed) == (0, {}, {})
    with pytest.raises(MachineError):  # as long as it is broken, but the others come first
        measure(networks, SETTINGS, out=tmp_path, **OPTIONS)
    assert list(read_label_file(tmp_path / "labels.json")[1]) == [1, 2]
    failing.stop()
    measure(networks, SETTINGS, out=tmp_path, **OPTIONS)
    about, labels, failed = read_label_file(tmp_path / "labels.json")
    assert (about["measured"], about["failed"], sorted(labels), failed) == (3, 0, [0, 1, 2], {})
    assert len(study_of(tmp_path).trials) == 3


def test_what_does_not_fit_into_memory_is_left_to_the_next_call(networks, tmp_path, failing):
    big = dataclasses.replace(networks[1], C=8)
    failing.start(torch.OutOfMemoryError("CUDA out of memory."), of=lambda network: network.architecture == big)
    with pytest.raises(InsufficientMemoryError, match=r"1 networks do not fit into memory here \(1\)"):
        measure(networks, SETTINGS, out=tmp_path, **OPTIONS)
    assert read_label_file(tmp_path / "labels.json")[0]["measured"] == 2
    failing.stop()
    measure(networks, SETTINGS, out=tmp_path, **OPTIONS)
    assert read_label_file(tmp_path / "labels.json")[0]["measured"] == 3


def test_failures_of_earlier_versions_are_tried_once_more(networks, tmp_path):
    """They recorded every fault as the network's own: in the study, and in the file alone."""
    file = measure({0: networks[0]}, SETTINGS, out=tmp_path / "new", **OPTIONS)
    content = json.loads(file.read_text())
    del content["about"]["failures_are_final"], content["val"]["0"]
    content["failed"]["val"]["0"] = "CUDA error: unspecified launch failure"
    folder = tmp_path / "old"
    folder.mkdir()
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'study.sqlite3'}", study_name="tart-nas measure", direction="maximize"
    )
    attributes = {"index": 0, "architecture": json.dumps(networks[0].to_dict()), "failure": "CUDA error"}
    study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs=attributes))
    for _ in range(2):
        (folder / "labels.json").write_text(json.dumps(content))
        measure({0: networks[0]}, SETTINGS, out=folder, **OPTIONS)
        about, labels, failed = read_label_file(folder / "labels.json")
        assert (about["measured"], about["failed"], list(labels), failed) == (1, 0, [0], {})
        (folder / "study.sqlite3").unlink()


def test_foreign_trials_are_left_alone(networks, tmp_path):
    measure({0: networks[0]}, SETTINGS, out=tmp_path, **OPTIONS)
    study = study_of(tmp_path)
    study.enqueue_trial({"x": 1.0})
    study.add_trial(optuna.create_trial(state=TrialState.RUNNING))
    study.add_trial(optuna.create_trial(value=3.0, user_attrs={"index": 1}))
    for state in (TrialState.FAIL, TrialState.PRUNED):
        study.add_trial(optuna.create_trial(state=state))
    states = [trial.state for trial in study.trials]
    file = measure(networks, SETTINGS, out=tmp_path, **OPTIONS)
    about, labels, failed = read_label_file(file)
    assert (about["measured"], sorted(labels), failed) == (3, [0, 1, 2], {})
    assert [trial.state for trial in study.trials][: len(states)] == states


def test_what_an_optimize_takes_is_measured_all_the_same(networks, tmp_path):
    two = {i: networks[i] for i in (0, 1)}
    measure(two, SETTINGS, out=tmp_path, at_most=1, **OPTIONS)
    study_of(tmp_path).optimize(lambda trial: 9.0, n_trials=1)  # what waits
    file = measure(two, SETTINGS, out=tmp_path, **OPTIONS)
    labels = read_label_file(file)[1]
    assert sorted(labels) == [0, 1]
    assert labels[1]["architecture"] == networks[1].to_dict()


def test_other_images_are_refused(networks, tmp_path, monkeypatch):
    """Of the same name, sizes and settings, as two folders of one data set may hold them."""
    one = {0: networks[0]}
    file = measure(one, SETTINGS, out=tmp_path, **OPTIONS)
    before = file.read_bytes()
    # Not where they lie: label files are passed on.
    assert json.loads(before)["about"]["images"].keys() == {"name", "fingerprint", "test_fingerprint"}
    right = load_images("digits", train_images=96, validation_images=64, test_images=64, image_size=SETTINGS.image_size)
    for split in ("train", "test"):
        other = ImageSplit(255 - getattr(right, split).images, getattr(right, split).labels)
        changes = {"train": other} if split == "train" else {"read_test": lambda other=other: other}
        wrong = dataclasses.replace(right, **changes)
        monkeypatch.setattr("tart_nas.measurements.measuring.load_images", lambda *_, wrong=wrong, **__: wrong)
        with pytest.raises(RunFolderError, match="were measured on other images"):
            measure(one, SETTINGS, out=tmp_path, **OPTIONS)
    assert file.read_bytes() == before
    content = json.loads(before)
    del content["about"]["images"]  # as earlier versions wrote it
    file.write_text(json.dumps(content))
    measure(one, SETTINGS, out=tmp_path, **OPTIONS)


def test_where_every_network_failed_the_command_says_so(networks, tmp_path, command):
    listed = tmp_path / "networks.json"
    listed.write_text(json.dumps([networks[0].to_dict()]))
    options = "--dataset digits --channels 8 --image-size 8 --train-images 96 --validation-images 64".split()
    options += "--test-images 64 --epochs 1 --batch-size 32 --lr 1e30 --crop 2 --device cpu --quiet".split()
    status, out, errors = command("measure", listed, "--out", tmp_path / "out", *options)
    assert status == 2
    assert out == f"{tmp_path}/out/labels.json: 0 of 1 networks measured, 1 failed\n"
    assert errors.startswith("error: None of 1 networks could be measured: The training diverged: the loss is")
    assert errors.count("\n") == 1
