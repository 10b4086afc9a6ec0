"""Nothing that a folder of labels holds is lost, or mixed with what does not belong to it."""

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import optuna
import pytest

from tart_nas.errors import RunFolderError, SettingError
from tart_nas.measurements import MeasuringSettings, inference_time, measure, outcome, read_label_file
from tart_nas.search_spaces import DartsSpace
from tests.measurements.conftest import SETTINGS

TIMED = MeasuringSettings(only="latency", timing_batch=1, image_size=8)
NETWORKS = dict(enumerate(DartsSpace(2, 4).sample(4, 0)))
OPTIONS: dict[str, Any] = {"group": "nets", "device": "cpu"}


def some(*indices):
    return {index: NETWORKS[index] for index in indices}


def study_of(folder):
    return optuna.load_study(study_name="tart-nas measure", storage=f"sqlite:///{folder / 'study.sqlite3'}")


@pytest.fixture(scope="module")
def timed(tmp_path_factory):
    """Labels of the networks 0 and 1."""
    return measure(some(0, 1), TIMED, out=tmp_path_factory.mktemp("timed"), **OPTIONS)


@pytest.fixture
def folder(timed, tmp_path):
    """A copy of their folder."""
    return Path(shutil.copytree(timed.parent, tmp_path / "folder"))


@pytest.fixture
def file_alone(timed, tmp_path):
    """A folder of which the file of labels alone was kept."""
    folder = tmp_path / "alone"
    folder.mkdir()
    shutil.copy(timed, folder)
    return folder


def changed(folder, change):
    """Changes the content of a folder's labels."""
    file = folder / "labels.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))


class TestAnotherGroup:
    """A file that was renamed, or one more name on the command line."""

    def test_of_the_file_alone(self, file_alone):
        before = (file_alone / "labels.json").read_bytes()
        with pytest.raises(RunFolderError, match=r"labels.json is of the group 'nets', but got .* group 'renamed'"):
            measure(some(0, 1), TIMED, out=file_alone, group="renamed", device="cpu")
        assert (file_alone / "labels.json").read_bytes() == before
        assert not (file_alone / "study.sqlite3").exists()

    @pytest.mark.parametrize("has_file", [True, False])
    def test_of_a_study(self, has_file, folder):
        file = folder / "labels.json"
        if not has_file:  # of which the study alone knows the labels
            file.unlink()
        before = file.read_bytes() if has_file else None
        with pytest.raises(RunFolderError, match="is of the group 'nets', but got networks of the group 'renamed'"):
            measure(some(2, 3), TIMED, out=folder, group="renamed", device="cpu")
        assert (file.read_bytes() if file.exists() else None) == before
        assert len(study_of(folder).trials) == 2

    @pytest.mark.parametrize("has_file", [True, False])
    def test_a_study_of_an_earlier_version_goes_on(self, has_file, folder):
        """It does not know its group: the file does, where there is one."""
        with sqlite3.connect(folder / "study.sqlite3") as database:
            database.execute("DELETE FROM study_user_attributes")
        database.close()
        if has_file:
            with pytest.raises(RunFolderError, match="labels.json is of the group 'nets'"):
                measure(some(2), TIMED, out=folder, group="renamed", device="cpu")
        else:
            (folder / "labels.json").unlink()
        file = measure(some(2), TIMED, out=folder, **OPTIONS)
        assert sorted(read_label_file(file, "nets")[1]) == [0, 1, 2]
        with pytest.raises(RunFolderError, match="is of the group 'nets'"):
            measure(some(2), TIMED, out=folder, group="renamed", device="cpu")

    def test_a_file_of_two_groups(self, file_alone):
        """As the released labels have one for each split: the other ones would be lost."""
        changed(file_alone, lambda content: content.update(test=content["nets"]))
        before = (file_alone / "labels.json").read_bytes()
        with pytest.raises(RunFolderError, match="is of the group 'test', but got networks of the group 'nets'"):
            measure(some(0), TIMED, out=file_alone, **OPTIONS)
        assert (file_alone / "labels.json").read_bytes() == before
        assert sorted(read_label_file(file_alone / "labels.json", "test")[1]) == [0, 1]
        with pytest.raises(RunFolderError, match="it has 2 groups of them"):
            read_label_file(file_alone / "labels.json")

    def test_readers_name_it(self, timed):
        with pytest.raises(RunFolderError, match="has no labels of 'val', but of 'nets'"):
            read_label_file(timed, "val")

    @pytest.mark.parametrize("group", ["about", "failed"])
    def test_a_name_that_the_file_has_for_something_else(self, group, tmp_path):
        with pytest.raises(SettingError, match=f"The group of labels cannot be '{group}'"):
            measure(some(0), TIMED, out=tmp_path / "out", group=group, device="cpu")
        assert not (tmp_path / "out").exists()

    def test_a_renamed_file_is_one_line_and_status_2(self, tmp_path, command):
        options = ["--only", "latency", "--image-size", 8, "--device", "cpu", "--out", tmp_path / "out", "--quiet"]
        first, renamed = tmp_path / "first.json", tmp_path / "renamed.json"
        first.write_text(json.dumps([NETWORKS[0].to_dict()]))
        assert command("measure", first, *options)[0] == 0
        before = (tmp_path / "out/labels.json").read_bytes()
        status, _, errors = command("measure", first.rename(renamed), *options)
        assert (status, errors.count("\n")) == (2, 1)
        assert "is of the group 'first', but got networks of the group 'renamed'" in errors
        assert (tmp_path / "out/labels.json").read_bytes() == before


class TestDamaged:
    """A file that was cut or edited: one error, and nothing is written."""

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            (
                lambda content: content["about"].pop("settings"),
                "does not tell how .* measured: it lacks 'settings'",
            ),
            (lambda content: content["about"].update(settings=[1]), "does not tell how its labels were measured"),
            (lambda content: content["about"]["settings"].pop("recipe"), "does not tell .* no recipe"),
            (lambda content: content["about"]["settings"].update(seed="1"), "does not tell .* `seed` must be"),
            (lambda content: content["about"].update(images=[1]), "does not tell how its labels were measured"),
            (lambda content: content["nets"]["1"].pop("time"), "Label 1 of .* is damaged: it lacks 'time'"),
            (lambda content: content["nets"]["1"].pop("architecture"), "Label 1 of .* it lacks 'architecture'"),
            (lambda content: content["nets"]["1"].update(architecture=[]), "Label 1 of .* An architecture needs"),
            (lambda content: content["nets"]["1"].update(time_relative=0), "Label 1 of .* not of the expected form"),
            (lambda content: content["nets"]["1"].update(time_relative="a"), "Label 1 of .* not of the expected form"),
            (lambda content: content["nets"]["1"].update(time=float("nan")), "Label 1 of .* not of the expected form"),
            (lambda content: content["nets"]["1"].update(note=float("inf")), "Label 1 of .* not of the expected form"),
        ],
    )
    def test_is_refused(self, change, said, file_alone):
        changed(file_alone, change)
        before = (file_alone / "labels.json").read_bytes()
        with pytest.raises(RunFolderError, match=said):
            measure(some(0, 1), TIMED, out=file_alone, **OPTIONS)
        assert (file_alone / "labels.json").read_bytes() == before
        assert not (file_alone / "study.sqlite3").exists()

    def test_a_label_without_its_accuracy(self, networks, tmp_path):
        measure({0: networks[0]}, SETTINGS, out=tmp_path, **OPTIONS)
        changed(tmp_path, lambda content: content["nets"]["0"].pop("val_acc"))
        with pytest.raises(RunFolderError, match="Label 0 of .* is damaged: it lacks 'val_acc'"):
            measure({0: networks[0]}, SETTINGS, out=tmp_path, **OPTIONS)

    @pytest.mark.parametrize(
        "change", [lambda of: of["about"].pop("settings"), lambda of: of["darts"]["0"].pop("time")]
    )
    def test_is_one_line_and_status_2(self, change, tmp_path, command):
        arguments = "measure darts --networks 1 --cells 2 --channels 4 --only latency --device cpu --quiet".split()
        assert command(*arguments, "--out", tmp_path)[0] == 0
        changed(tmp_path, change)
        (tmp_path / "study.sqlite3").unlink()
        status, _, errors = command(*arguments, "--out", tmp_path)
        assert (status, errors.count("\n")) == (2, 1)
        assert errors.startswith("error: ")


def test_networks_that_are_given_later_count_as_planned_too(folder):
    about, labels, _ = read_label_file(measure(some(2), TIMED, out=folder, **OPTIONS))
    assert (about["planned"], about["measured"], sorted(labels)) == (3, 3, [0, 1, 2])


def test_another_network_under_an_index_leaves_the_folder_as_it_is(folder):
    """The networks before it were enqueued, and measured by the next call."""
    before = (folder / "labels.json").read_bytes()
    for has_file in (True, False):
        if not has_file:
            (folder / "labels.json").unlink()
        with pytest.raises(RunFolderError, match="label of another network under the index 1"):
            measure({3: NETWORKS[3], 1: NETWORKS[2]}, TIMED, out=folder, **OPTIONS)
        assert len(study_of(folder).trials) == 2
    (folder / "study.sqlite3").unlink()
    (folder / "labels.json").write_bytes(before)
    with pytest.raises(RunFolderError, match="label of another network under the index 1"):
        measure({3: NETWORKS[3], 1: NETWORKS[2]}, TIMED, out=folder, **OPTIONS)
    assert (folder / "labels.json").read_bytes() == before
    assert not (folder / "study.sqlite3").exists()


def test_failures_of_networks_that_are_not_given_again_are_kept(file_alone):
    """They have no trial: the file does not tell their networks."""
    changed(file_alone, lambda content: content["failed"]["nets"].update({"3": "no such shape"}))
    for _ in range(2):
        about, labels, failed = read_label_file(measure(some(0, 2), TIMED, out=file_alone, **OPTIONS))
        assert (failed, sorted(labels)) == ({3: "no such shape"}, [0, 1, 2])
        assert (about["planned"], about["measured"], about["failed"]) == (4, 3, 1)
    about, _, failed = read_label_file(measure(some(3), TIMED, out=file_alone, **OPTIONS))  # not tried again
    assert (failed, about["planned"]) == ({3: "no such shape"}, 4)


def test_nor_do_those_of_earlier_versions_become_final(file_alone):
    """These tell no fault of the machine apart, so that such a network is tried once more whenever it is given."""

    def of_before(content):
        content["failed"]["nets"]["3"] = "CUDA error"
        del content["about"]["failures_are_final"]

    changed(file_alone, of_before)
    assert read_label_file(measure(some(2), TIMED, out=file_alone, **OPTIONS))[2] == {3: "CUDA error"}
    about, labels, failed = read_label_file(measure(some(3), TIMED, out=file_alone, **OPTIONS))
    assert (failed, sorted(labels), about["failures_are_final"]) == ({}, [0, 1, 2, 3], True)


@pytest.mark.parametrize("state", ["waits", "failed"])
def test_labels_that_were_measured_elsewhere_come_back(state, tmp_path):
    """From a copy of the file, of which the study here knows that the network waits, or failed."""
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    measure(some(0, 1), TIMED, out=here, at_most=1, **OPTIONS)
    shutil.copytree(here, elsewhere)
    (elsewhere / "study.sqlite3").unlink()
    measured = measure(some(0, 1), TIMED, out=elsewhere, **OPTIONS).read_bytes()
    if state == "failed":
        study = study_of(here)
        attributes = study.trials[1].user_attrs | {"failure": "no such shape", "failure_is_final": True}
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)  # the one that waits
        study.add_trial(optuna.create_trial(state=optuna.trial.TrialState.FAIL, user_attrs=attributes))
    (here / "labels.json").write_bytes(measured)
    assert measure(some(0, 1), TIMED, out=here, **OPTIONS).read_bytes() == measured


def test_a_file_of_another_measurement_beside_a_study(folder, file_alone):
    shutil.copy(measure({0: NETWORKS[2]}, TIMED, out=file_alone / "other", **OPTIONS), folder)
    before = (folder / "labels.json").read_bytes()
    with pytest.raises(RunFolderError, match="of another network than study.sqlite3 beside it has under the index 0"):
        measure(some(3), TIMED, out=folder, **OPTIONS)
    assert (folder / "labels.json").read_bytes() == before


class TestAnotherKindOfDevice:
    """Times of CPUs and GPUs do not compare, and `fit` learns from all that a file has."""

    @pytest.mark.parametrize("device", ["cuda", "cuda:0", "NVIDIA H200", "mps, 1 thread"])
    @pytest.mark.parametrize("has_study", [False, True])
    def test_is_refused(self, device, has_study, folder):
        changed(folder, lambda content: [label.update(device=device) for label in content["nets"].values()])
        (folder / "study.sqlite3").unlink()
        if has_study:  # which alone tells it
            measure(some(0, 1), TIMED, out=folder, **OPTIONS)
            (folder / "labels.json").unlink()
        trials = len(study_of(folder).trials) if has_study else 0
        before = {path: path.read_bytes() for path in folder.glob("*.json")}
        kind = "mps" if "mps" in device else "cuda"
        with pytest.raises(RunFolderError, match=f"were measured on {kind}, those of cpu do not compare .*`device`"):
            measure(some(0, 1, 2), TIMED, out=folder, **OPTIONS)
        assert {path: path.read_bytes() for path in folder.glob("*.json")} == before
        assert (folder / "study.sqlite3").exists() == has_study
        assert (len(study_of(folder).trials) if has_study else 0) == trials

    def test_a_folder_in_which_they_were_mixed(self, file_alone):
        """By an earlier version: it goes on with neither."""
        changed(file_alone, lambda content: content["nets"]["1"].update(device="NVIDIA H200"))
        with pytest.raises(RunFolderError, match="measured on cpu and cuda, which do not compare: use a new folder"):
            measure(some(2), TIMED, out=file_alone, **OPTIONS)

    def test_a_finished_folder_has_nothing_to_be_timed(self, file_alone):
        changed(file_alone, lambda content: [label.update(device="cuda") for label in content["nets"].values()])
        about, labels, _ = read_label_file(measure(some(0, 1), TIMED, out=file_alone, **OPTIONS))
        assert (about["measured"], {label["device"] for label in labels.values()}) == (2, {"cuda"})

    @pytest.mark.parametrize("device", [None, "cpu", "cpu, 8 threads"])
    def test_labels_of_before_and_of_the_same_kind_go_on(self, device, file_alone):
        def of_before(content):
            for label in content["nets"].values():
                del label["device"]
                label |= {} if device is None else {"device": device}

        changed(file_alone, of_before)
        assert sorted(read_label_file(measure(some(2), TIMED, out=file_alone, **OPTIONS))[1]) == [0, 1, 2]

    def test_two_that_begin_at_once(self, tmp_path, monkeypatch):
        """The one that is second leaves its network to the next call."""

        def timed(*arguments, **options):
            study = study_of(tmp_path)
            label = {"time": 1.0, "time_reference": 1.0, "time_relative": 1.0, "device": "NVIDIA H200"}
            attributes = study.trials[1].user_attrs | {"label": label | {"architecture": NETWORKS[1].to_dict()}}
            study.add_trial(optuna.create_trial(value=0.0, user_attrs=attributes))
            return inference_time(*arguments, **options)

        monkeypatch.setattr(outcome, "inference_time", timed)
        with pytest.raises(RunFolderError, match="were measured on cuda, those of cpu do not compare"):
            measure(some(0, 1), TIMED, out=tmp_path, **OPTIONS)
        assert [trial.state.name for trial in study_of(tmp_path).trials] == ["RUNNING", "WAITING", "COMPLETE"]

    def test_is_one_line_that_names_the_option(self, tmp_path, command):
        arguments = "measure darts --networks 2 --cells 2 --channels 4 --only latency --device cpu --quiet".split()
        assert command(*arguments, "--at-most", 1, "--out", tmp_path)[0] == 0
        changed(tmp_path, lambda content: content["darts"]["0"].update(device="cuda"))
        (tmp_path / "study.sqlite3").unlink()
        status, _, errors = command(*arguments, "--out", tmp_path)
        assert (status, errors.count("\n")) == (2, 1)
        assert "were measured on cuda" in errors
        assert "`--device`" in errors
