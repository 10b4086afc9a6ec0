"""Labels of the latency alone, and a predictor of one's own device made of them."""

import json

import tart_nas
from tart_nas.measurements import read_labelled_data
from tart_nas.predictors import Predictor


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
