import dataclasses
import json
import signal
import sys
import time
from typing import Any

import optuna
import pytest

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import ClusterError, RunFolderError, SettingError
from tart_nas.measurements import measure, read_label_file
from tests.measurements.conftest import SETTINGS, without_times

TWO_THREADS = dataclasses.replace(SETTINGS, threads=2)


@pytest.fixture(scope="session")
def finished(networks, tmp_path_factory):
    """The labels of an undisturbed run."""
    return measure(networks, SETTINGS, out=tmp_path_factory.mktemp("labels"), group="val", device="cpu")


def test_labels_and_study(finished, networks):
    about, labels, failed = read_label_file(finished)
    assert (about["planned"], about["measured"], about["failed"], failed) == (3, 3, 0, {})
    assert about["settings"] == SETTINGS.to_dict()
    assert {i: Architecture.from_dict(label["architecture"]) for i, label in labels.items()} == networks
    study = optuna.load_study(study_name="tart-nas measure", storage=f"sqlite:///{finished.parent / 'study.sqlite3'}")
    for trial in study.trials:
        assert trial.value == labels[trial.user_attrs["index"]]["val_acc"]
        assert len(trial.intermediate_values) == 2


def test_the_data_set_reads_them(tmp_path):
    generate("val", 2, tmp_path, seed=3)
    architectures = dict(enumerate(DeepNets1M(tmp_path, "val").architectures()))
    file = measure(architectures, SETTINGS, out=tmp_path / "labels", group="val", device="cpu")
    _, labels, _ = read_label_file(file, "val")
    dataset = DeepNets1M(tmp_path, "val", labels=file)
    for index in architectures:
        assert dataset[index].labels["test_acc_noise"] == labels[index]["test_acc_noise"]
        assert dataset[index].labels["converge_time"] == labels[index]["converge_time"]


def test_in_parts_and_from_the_file_alone(finished, networks, tmp_path):
    options: dict[str, Any] = {"group": "val", "device": "cpu"}
    first = {i: networks[i] for i in (0, 1)}
    file = measure(first, SETTINGS, out=tmp_path, at_most=1, **options)
    assert read_label_file(file)[0]["measured"] == 1
    (tmp_path / "study.sqlite3").unlink()
    measure(networks, SETTINGS, out=tmp_path, **options)
    about, labels, _ = read_label_file(file)
    assert about["measured"] == 3
    assert without_times(labels) == without_times(read_label_file(finished)[1])
    before = file.read_text()
    measure(networks, SETTINGS, out=tmp_path, **options)  # nothing is left to do
    assert file.read_text() == before


def test_a_failure_is_recorded_and_the_others_are_measured(networks, tmp_path):
    unfit = dataclasses.replace(networks[1], C=1)  # a network has at least two channels
    settings = dataclasses.replace(SETTINGS, C=None)
    architectures = {0: unfit, 1: dataclasses.replace(networks[1], C=8)}
    file = measure(architectures, settings, out=tmp_path, group="val", device="cpu")
    about, labels, failed = read_label_file(file)
    assert (about["measured"], about["failed"], list(labels)) == (1, 1, [1])
    assert failed == {0: "`C` must be at least 2 to build a network, but got 1."}
    (tmp_path / "study.sqlite3").unlink()
    before = file.read_text()
    measure(architectures, settings, out=tmp_path, group="val", device="cpu")  # not tried again
    assert file.read_text() == before


def test_divergence_is_such_a_failure(networks, tmp_path):
    recipe = dataclasses.replace(SETTINGS.recipe, lr=1e30, gradient_clip=0.0)
    settings = dataclasses.replace(SETTINGS, recipe=recipe)
    file = measure({7: networks[0]}, settings, out=tmp_path, group="val", device="cpu")
    assert "The training diverged: the loss is" in read_label_file(file)[2][7]


@pytest.mark.slow
def test_killed_and_started_again(finished, networks, tmp_path, fork_server):
    """With kill -9 in the middle of a network."""
    listed = tmp_path / "networks.json"
    listed.write_text(json.dumps([architecture.to_dict() for architecture in networks.values()]))
    command = ["measure", listed, "--out", tmp_path / "out", "--device", "cpu"]
    command += "--dataset digits --channels 8 --image-size 8 --train-images 96 --validation-images 64".split()
    command += "--test-images 64 --epochs 2 --batch-size 32 --lr 0.05 --crop 2 --quiet".split()
    process = fork_server.start(*command)
    try:
        while process.poll() is None and not (tmp_path / "out/.locks/1.lock").exists():
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    about, labels, _ = read_label_file(tmp_path / "out/labels.json")
    assert about["measured"] == len(labels)
    status, out, errors = fork_server.run(*command)
    assert status == 0, errors
    assert out.strip().endswith("3 of 3 networks measured, 0 failed")
    labels = read_label_file(tmp_path / "out/labels.json")[1]
    assert without_times(labels) == without_times(read_label_file(finished)[1])


def test_two_workers_share_the_work(networks, tmp_path, fork_server):
    code = (
        "import sys, json; from tart_nas.measurements import *; from tart_nas.architecture import Architecture\n"
        "nets = {i: Architecture.from_dict(n) for i, n in enumerate(json.loads(sys.argv[2]))}\n"
        "settings = MeasuringSettings.from_dict(json.loads(sys.argv[3]))\n"
        "measure(nets, settings, out=sys.argv[1], group='val', device='cpu')"
    )
    nets = json.dumps([architecture.to_dict() for architecture in networks.values()])
    workers = [fork_server.start(tmp_path, nets, json.dumps(SETTINGS.to_dict()), code=code) for _ in range(2)]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    study = optuna.load_study(study_name="tart-nas measure", storage=f"sqlite:///{tmp_path / 'study.sqlite3'}")
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3
    assert read_label_file(tmp_path / "labels.json")[0]["measured"] == 3


class TestRefused:
    def test_other_settings(self, finished, networks):
        other = dataclasses.replace(SETTINGS, seed=1)
        with pytest.raises(RunFolderError, match=r"other settings \(seed 0 then, 1 now\)"):
            measure(networks, other, out=finished.parent, group="val", device="cpu")

    def test_another_network_under_an_index(self, finished, networks):
        swapped = {0: networks[1]}
        with pytest.raises(RunFolderError, match="label of another network under the index 0"):
            measure(swapped, SETTINGS, out=finished.parent, group="val", device="cpu")

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (lambda nets: {"architectures": [*nets.values()]}, "`architectures` must be a mapping of indices"),
            (lambda nets: {"architectures": {}}, "must be a mapping of indices to at least one architecture"),
            (lambda nets: {"architectures": {"a": nets[0]}}, "`index` of `architectures` must be a whole number"),
            (lambda nets: {"architectures": {0: nets[0].genotype}}, "must be architectures, .*, but 0 is Genotype"),
            (lambda nets: {"group": None}, "`group` must be a text, but got None"),
        ],
    )
    def test_what_no_file_of_labels_could_hold(self, change, said, networks, tmp_path):
        given = {"architectures": networks, "group": "val"} | change(networks)
        with pytest.raises(SettingError, match=said):
            measure(settings=SETTINGS, out=tmp_path / "new", device="cpu", **given)
        assert not (tmp_path / "new").exists()

    def test_a_foreign_study(self, networks, tmp_path):
        (tmp_path / "study.sqlite3").write_text("nothing of the kind")
        with pytest.raises(RunFolderError, match="is not the study of a measurement"):
            measure(networks, SETTINGS, out=tmp_path, group="val", device="cpu")
        assert (tmp_path / "study.sqlite3").read_text() == "nothing of the kind"

    def test_a_foreign_file_of_labels(self, networks, tmp_path):
        (tmp_path / "labels.json").write_text("[]")
        with pytest.raises(RunFolderError, match="is no file of measured labels"):
            measure(networks, SETTINGS, out=tmp_path, group="val", device="cpu")
        assert (tmp_path / "labels.json").read_text() == "[]"

    @pytest.mark.parametrize(
        ("options", "said"),
        [
            ({"at_most": 0}, "`at_most` must be a whole number"),
            ({"device": "toaster"}, "toaster"),
            ({"engine": "dask"}, "`engine` must be one of process, ray"),
            ({"ray_address": "127.0.0.1:6379"}, "`ray_address` is for `engine` 'ray'"),
            ({"gpus_per_trial": 1}, "`gpus_per_trial` is for `engine` 'ray'"),
            ({"engine": "ray", "ray_address": "nowhere"}, "`ray_address` must be HOST:PORT"),
            ({"engine": "ray", "cpus_per_trial": -1}, "`cpus_per_trial` must be"),
            (
                {"engine": "ray", "cpus_per_trial": 0.5, "settings": TWO_THREADS},
                "at least the `threads` of a network, 2",
            ),
        ],
    )
    def test_arguments(self, options, said, networks, tmp_path):
        with pytest.raises(SettingError, match=said):
            measure(networks, out=tmp_path / "out", group="val", **{"settings": SETTINGS, "device": "cpu", **options})
        assert not (tmp_path / "out").exists()

    def test_ray_that_is_missing(self, networks, tmp_path, monkeypatch):
        monkeypatch.setitem(sys.modules, "ray", None)
        with pytest.raises(ClusterError, match=r"Ray is not installed .*\[ray\]"):
            measure(networks, SETTINGS, out=tmp_path / "out", group="val", device="cpu", engine="ray")
        assert not (tmp_path / "out").exists()
