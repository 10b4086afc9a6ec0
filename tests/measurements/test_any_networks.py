"""The latency of networks that are not made of cells: of a user's own space, and by their names."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

import tart_nas
from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, PredictorError, SettingError
from tart_nas.measurements import MeasuringSettings, measure, read_label_file, read_labelled_data
from tart_nas.predictors import LabelledData, Predictor
from tart_nas.search_spaces import DartsSpace, TrialArchitecture, TrialSpace

NAME = "tests.measurements.test_any_networks:build"
TIMED = MeasuringSettings(only="latency", timing_batch=1)


CODE = """
from torch import nn

def build():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(9))
"""


def build(trial):
    """Wide or narrow, deep or flat."""
    width = trial.suggest_int("width", 2, 64)
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3), nn.ReLU()]
    for _ in range(trial.suggest_int("depth", 0, 3)):
        layers += [nn.Conv2d(width, width, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


def breaks(trial):
    """Traced, but of no use once it has numbers."""
    layer = nn.Conv2d(3, trial.suggest_int("width", 2, 64), 3)
    if not layer.weight.is_meta:
        raise RuntimeError("no memory\nhere")
    return nn.Sequential(layer, nn.Flatten())


def test_a_sample_of_an_own_space_is_timed_fitted_and_searched(tmp_path, command, undrawn):
    options = ["--space", NAME, "--image-size", 16, "--only", "latency", "--out", tmp_path / "labels", "--quiet"]
    status, out, errors = command("measure", "--networks", 11, "--at-most", 2, *options)
    assert (status, errors) == (0, "")
    assert out.endswith("labels.json: 2 of 11 networks measured, 0 failed\n")
    first = json.loads((tmp_path / "labels/labels.json").read_text())[NAME]
    status, out, errors = command("measure", "--networks", 12, *options)
    assert (status, errors) == (0, "")
    content = json.loads((tmp_path / "labels/labels.json").read_text())
    assert {index: content[NAME][index] for index in first} == first  # not timed again
    assert content["about"]["networks"]["build"] == NAME

    data, own = read_labelled_data(tmp_path / "labels"), TrialSpace(NAME, 16)
    assert data.architectures == own.sample(12, 0)
    label = content[NAME]["3"]
    assert data.targets["inference_speed"][3] == -np.log(label["time_relative"])
    assert label["params"] == label["trained_params"] == data.architectures[3].graph.num_parameters
    fitted = tmp_path / "p.safetensors"
    status, _, errors = command(
        "fit", tmp_path / "labels", "--kind", "gp-graph", "--folds", 2, "--out", fitted, "--quiet"
    )
    assert (status, errors) == (0, "")
    predictor = Predictor.load(fitted)
    assert predictor.judges(data.architectures).all()
    status, out, errors = command("score", tmp_path / "labels", "--predictor", fitted)
    assert (status, errors, len(out.splitlines())) == (0, "", 10)
    result = tart_nas.search(
        own,
        predictor="params",
        candidates=6,
        top_k=1,
        random=0,
        dataset="digits",
        budget=tart_nas.TrainingBudget(train_images=40, image_size=16),
        recipe=tart_nas.TrainingRecipe(epochs=1, batch_size=20),
        objectives=("accuracy", "latency"),
        latency_predictor=fitted,
        out=tmp_path / "run",
    )
    costs = result.picks[0].pick.costs
    assert 0.05 < costs["latency_ms"] / costs["predicted_latency_ms"] < 20
    # What the search found is timed, too, if the function is named.
    again = ["measure", tmp_path / "run", "--only", "latency", "--networks", 1, "--out", tmp_path / "again", "--quiet"]
    status, _, errors = command(*again)
    assert (status, errors.count("\n")) == (2, 1)
    assert f"give `--space` {NAME}" in errors
    assert command(*again, "--space", NAME)[0] == 0


def test_networks_are_timed_by_their_names(tmp_path, command, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "their_nets.py").write_text(CODE)
    names = ["torchvision:squeezenet1_1", "their_nets:build", "DARTS", "their_nets:build"]
    options = ["--only", "latency", "--out", "labels", "--quiet"]
    status, _, errors = command("measure", *names[:2], *options)
    assert (status, errors) == (0, "")  # both of their own size, 224
    status, out, errors = command("measure", *names, *options[:2], "--image-size", 32, "--out", "small", "--quiet")
    assert (status, errors) == (0, "")
    assert out.endswith("3 of 3 networks measured, 0 failed\n")
    about, labels, _ = read_label_file("small/labels.json")
    assert about["networks"] == {"names": names[:3], "group": "networks"}
    assert labels[1]["architecture"]["space"] == "their_nets:build"
    assert labels[1]["trained_params"] == 4 * 28 + 3600 * 9 + 9
    data = read_labelled_data("small")
    assert [type(network) for network in data.architectures] == [TrialArchitecture, TrialArchitecture, Architecture]
    assert data.architectures[0].input_size == (3, 32, 32)
    status, _, errors = command("measure", "small", *options[:2], "--out", "again")
    assert (status, errors.count("\n")) == (2, 1)
    assert "name torchvision:squeezenet1_1 in place of the file" in errors
    status, _, errors = command("measure", "their_nets:build", *options[:2], "--out", "small", "--image-size", 32)
    assert (status, errors.count("\n")) == (2, 1)
    assert "small/labels.json is of the group 'networks', but got networks of the group 'their_nets:build'" in errors
    sys.modules.pop("their_nets", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "latency"], "your own space as `--space`"),
        (["--only", "latency", "--space", NAME], f"`--networks` must say how many architectures of {NAME}"),
        (["--space", NAME, "--networks", 4], '`--only` "latency"'),
        (["--space", NAME, "--networks", 4, "--only", "latency", "--cells", 3], "has no cells"),
        (["darts", "--networks", 4, "--space", NAME, "--only", "latency"], "`--space` is for networks of a space"),
        (["DARTS", "--space", NAME, "--only", "latency"], "`--space` is for networks of a space"),
        (["torchvision:resnet19", "DARTS", "--only", "latency"], "did you mean resnet18"),
        (["torchvision:squeezenet1_1", "ViT", "--only", "latency"], "32 to 224 pixels: give one `--image-size`"),
        (["DARTS", "labels.json", "--only", "latency"], "labels.json is a file or a folder, of which one"),
        (["--space", "tests.measurements:nothing", "--networks", 4, "--only", "latency"], "has no 'nothing'"),
    ],
)
def test_what_cannot_be_measured_is_one_line(arguments, said, tmp_path, command):
    status, _, errors = command("measure", *arguments, "--out", tmp_path / "labels", "--quiet")
    assert (status, errors.count("\n")) == (2, 1), errors
    assert said in errors
    assert not (tmp_path / "labels").exists()


def test_in_python(tmp_path):
    own = TrialSpace(build, (3, 16, 16))
    networks = dict(enumerate(own.sample(4, 0))) | dict(enumerate(DartsSpace(2, 4).sample(1, 0), start=4))
    file = measure(networks, TIMED, out=tmp_path / "labels", group="own", build=own.network)
    data = read_labelled_data(file)
    assert data.architectures == [*networks.values()]
    data.write(tmp_path / "labelled.json")
    again = LabelledData.read(tmp_path / "labelled.json")
    assert again.architectures == data.architectures
    np.testing.assert_array_equal(again.targets["inference_speed"], data.targets["inference_speed"])
    with pytest.raises(SettingError, match=r"`build` must make the networks of tests.measurements"):
        measure(networks, TIMED, out=tmp_path / "no", group="own")
    with pytest.raises(SettingError, match=r"is of images of \(3, 16, 16\), but .* here \(3, 32, 32\)"):
        measure(networks, replace(TIMED, image_size=32), out=tmp_path / "no", group="own", build=own.network)
    with pytest.raises(ArchitectureError, match="has no cells"):
        measure(networks, replace(TIMED, C=8), out=tmp_path / "no", group="own", build=own.network)
    with pytest.raises(PredictorError, match="needs architectures"):
        Predictor("gp").fit(data.architectures, data.targets)
    assert not (tmp_path / "no").exists()


def test_what_cannot_be_built_is_counted(tmp_path):
    own = TrialSpace(breaks, 16)
    file = measure(dict(enumerate(own.sample(2, 0))), TIMED, out=tmp_path / "labels", group="own", build=own.network)
    about, labels, failed = read_label_file(file)
    assert (about["failed"], labels) == (2, {})
    assert "RuntimeError: no memory" in failed[0]
