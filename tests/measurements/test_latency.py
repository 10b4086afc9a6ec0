"""Labels of the latency alone, and a predictor of one's own device made of them."""

import json
from dataclasses import replace

import pytest
from torch import nn

import tart_nas
from tart_nas.errors import RunFolderError
from tart_nas.measurements import MeasuringSettings, inference_time, measure, outcome, read_labelled_data
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace

TIMED = MeasuringSettings(only="latency", timing_batch=1, image_size=16)
NETWORKS = dict(enumerate(DartsSpace(2, 4).sample(2, 0)))


def test_networks_are_timed_without_images_and_fitted(tmp_path, command, undrawn):
    options = ["--cells", 2, "--channels", 4, "--image-size", 16, "--only", "latency", "--out", tmp_path / "labels"]
    status, out, errors = command("measure", "darts", "--networks", 5, *options, "--quiet")
    assert (status, errors) == (0, "")
    assert out.endswith("labels.json: 5 of 5 networks measured, 0 failed\n")
    content = json.loads((tmp_path / "labels/labels.json").read_text())
    assert content["about"]["images"] is None
    assert content["about"]["settings"]["timing_batch"] == 1
    labels = content["darts"].values()
    assert all(
        label["time"] > 0 and label["time_reference"] > 0 < label["time_relative"] and "val_acc" not in label
        for label in labels
    )
    status, _, errors = command("measure", "darts", "--networks", 5, *options, "--quiet")
    assert (status, errors) == (0, "")
    assert json.loads((tmp_path / "labels/labels.json").read_text())["darts"] == content["darts"]  # not timed again
    data = read_labelled_data(tmp_path / "labels")
    assert list(data.targets) == ["inference_speed"]
    arguments = ["fit", tmp_path / "labels", "--kind", "ridge", "--folds", 0, "--out", tmp_path / "p.safetensors"]
    status, _, errors = command(*arguments, "--quiet")
    assert (status, errors) == (0, "")
    assert Predictor.load(tmp_path / "p.safetensors").targets == ("inference_speed",)
    result = tart_nas.search(
        tart_nas.DartsSpace(n_cells=2, C=4),
        predictor="params",
        candidates=6,
        top_k=1,
        dataset="digits",
        budget=tart_nas.TrainingBudget(train_images=40),
        recipe=tart_nas.TrainingRecipe(epochs=1, batch_size=20),
        objectives=("accuracy", "latency"),
        latency_predictor=tmp_path / "p.safetensors",
        out=tmp_path / "run",
    )
    costs = result.picks[0].pick.costs
    assert 0.05 < costs["latency_ms"] / costs["predicted_latency_ms"] < 20


@pytest.mark.parametrize("keeps", [None, True, False])
def test_the_networks_keep_statistics_as_the_settings_say(keeps, tmp_path, monkeypatch):
    timed = []

    def spied(network, *arguments, **options):
        timed.append({m.track_running_stats for m in network.modules() if isinstance(m, nn.BatchNorm2d)})
        return inference_time(network, *arguments, **options)

    monkeypatch.setattr(outcome, "inference_time", spied)
    settings = replace(TIMED, track_running_stats=keeps)
    file = measure(NETWORKS, settings, out=tmp_path, group="darts", device="cpu")
    stated = json.loads(file.read_text())["about"]["settings"]["track_running_stats"]
    assert timed == [{stated}] * 2
    assert stated is (keeps is not False)  # by default as a search times networks


def test_labels_of_before_are_of_networks_that_keep_them(tmp_path):
    """Whatever their settings said: the labels that are added must compare with them."""
    file = measure(NETWORKS, TIMED, out=tmp_path, group="darts", device="cpu", at_most=1)
    content = json.loads(file.read_text())
    content["about"]["settings"]["track_running_stats"] = False
    del content["about"]["statistics_are_as_set"]
    (tmp_path / "study.sqlite3").unlink()
    file.write_text(json.dumps(content))
    without = replace(TIMED, track_running_stats=False)
    with pytest.raises(RunFolderError, match=r"other settings \(track_running_stats True then, False now\)"):
        measure(NETWORKS, without, out=tmp_path, group="darts", device="cpu")
    measure(NETWORKS, TIMED, out=tmp_path, group="darts", device="cpu")
    about = json.loads(file.read_text())["about"]
    assert (about["measured"], about["settings"]["track_running_stats"]) == (2, True)
    with pytest.raises(RunFolderError, match=r"track_running_stats True then, False now"):
        measure(NETWORKS, without, out=tmp_path, group="darts", device="cpu")


@pytest.mark.parametrize(
    ("options", "keeps"), [([], True), (["--budget", "small"], True), (["--no-track-statistics"], False)]
)
def test_the_options_of_the_command(options, keeps, tmp_path, command):
    small = "--networks 1 --cells 2 --channels 4 --image-size 16 --only latency --device cpu --quiet".split()
    assert command("measure", "darts", *small, *options, "--out", tmp_path)[0] == 0
    assert json.loads((tmp_path / "labels.json").read_text())["about"]["settings"]["track_running_stats"] is keeps


def test_more_networks_of_the_darts_space_are_others(tmp_path, command):
    small = "--cells 2 --channels 4 --image-size 16 --only latency --device cpu --quiet --networks".split()
    assert command("measure", "darts", "--out", tmp_path, *small, 1)[0] == 0
    before = (tmp_path / "labels.json").read_bytes()
    status, _, errors = command("measure", "darts", "--out", tmp_path, *small, 2)
    assert (status, errors.count("\n")) == (2, 1)
    assert "or give `--networks` as before: a sample of another number has other networks" in errors
    assert (tmp_path / "labels.json").read_bytes() == before
