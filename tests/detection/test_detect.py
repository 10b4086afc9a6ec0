"""``tart-nas detect``: the folder, the starts, the page, what is refused."""

import json
import re
import sys
from typing import Any

import pytest
import torch

from tart_nas.detection import load_detector
from tart_nas.errors import CheckpointError
from tart_nas.file_kinds import FileKind, recognise
from tart_nas.hypernetworks import GHN, GHNConfig
from tart_nas.networks import NetworkDescription, save
from tart_nas.published import DARTS
from tests.runs.pages import Page

SMALL = ["--cells", 2, "--channels", 4, "--min-size", 64, "--epochs", 1, "--regions", 32]
STILL = ["--lr", 1e-30, "--weight-decay", 0]  # a training that moves nothing
ARCHITECTURE = DARTS.resized(n_cells=2, C=4)


@pytest.fixture
def detect(drawn, command):
    def run(out, *options):
        return command("detect", "--data-dir", drawn, "--out", out, *SMALL, "--quiet", *options)

    return run


def weights_of(folder):
    detector: Any = load_detector(folder)
    return {name: tensor for name, tensor in detector.backbone.body.network.named_parameters()}


def test_a_detector_from_random_weights(detect, command, people, tmp_path):
    folder = tmp_path / "<out>"
    status, out, errors = detect(folder, "darts")
    assert (status, errors) == (0, "")
    assert re.fullmatch(rf"AP [\d.]+ %, AP50 [\d.]+ %, AP75 [\d.]+ % on 2 test images: {folder}\n", out)
    result = json.loads((folder / "result.json").read_text())
    assert result["recipe"]["epochs"] == len(result["curve"]) == 1
    assert (result["train_images"], result["test_images"]) == (4, 2)
    assert f"AP {100 * result['AP']:.2f} %" in out
    assert result["scaling"]["max_size"] == round(64 * 1333 / 800)
    assert recognise(folder).kind is FileKind.DETECTOR_FOLDER
    (found,) = load_detector(folder)([people.test[0].pixels / 255])
    assert found["boxes"].shape[1] == 4

    page = Page((folder / "report.html").read_text())
    assert [value[:23] for name, value in page.asked] == ["data:image/jpeg;base64,"] * 2
    assert f"{100 * result['AP50']:.1f} %" in page.text
    assert f"{people.test[0].name}: {len(people.test[0].boxes)} true box" in page.text
    truths = [values for tag, values in page.elements if tag == "rect" and values.get("class") == "true"]
    assert len(truths) == sum(len(image.boxes) for image in people.test)
    assert "random weights of the seed" in page.text

    before = (folder / "training.safetensors").read_bytes()
    assert detect(folder, "darts")[:2] == (status, out), "the same command goes on, and has nothing left to do"
    assert (folder / "training.safetensors").read_bytes() == before
    status, _, errors = detect(folder, "darts", "--seed", 1)
    assert (status, errors) == (2, f"error: {folder} was made with another seed: use a new folder.\n")
    status, _, errors = detect(folder, "darts", "--lr-step", 4)
    assert "was made with another recipe (lr_step 3 then, 4 now)" in errors
    before = sorted(path.name for path in folder.iterdir())
    status, _, errors = command("retrain", "darts", "--out", folder, "--epochs", 1)
    assert status == 2
    assert "is of another kind of training, with 'lr_factor' in its recipe: use a new folder." in errors
    assert sorted(path.name for path in folder.iterdir()) == before
    status, _, errors = detect(tmp_path / "other", folder)
    assert "is the folder of a trained detector, where a network" in errors


def test_from_predicted_weights(detect, tmp_path):
    torch.manual_seed(0)
    ghn = GHN.from_config(GHNConfig(max_shape=(8, 8, 5, 5), num_classes=7, hid=8))
    ghn.save(tmp_path / "ghn.safetensors")
    status, _, errors = detect(tmp_path / "out", "darts", *STILL, "--init", tmp_path / "ghn.safetensors")
    assert (status, errors) == (0, "")
    expected = ghn.predict(NetworkDescription(ARCHITECTURE, None, 7, 224).build())
    for name, tensor in weights_of(tmp_path / "out").items():
        torch.testing.assert_close(tensor.detach(), expected[name])
    assert f"predicted by {tmp_path / 'ghn.safetensors'}" in (tmp_path / "out/report.html").read_text()


def test_from_a_trained_network(detect, tmp_path):
    about = {"name": "mine", "mean": [0.4, 0.5, 0.6], "std": [0.2, 0.2, 0.2]}
    description = NetworkDescription(ARCHITECTURE, None, 10, 32, about=about)
    network = description.build()
    save(network, description, tmp_path / "trained")
    status, _, errors = detect(tmp_path / "out", *STILL, "--initial-weights", tmp_path / "trained")
    assert (status, errors) == (0, "")
    trained = weights_of(tmp_path / "out")
    assert trained.keys() == {name for name, _ in network.named_parameters() if not name.startswith("classifier")}
    for name, tensor in trained.items():
        torch.testing.assert_close(tensor, network.get_parameter(name))
    settings = json.loads((tmp_path / "out/settings.json").read_text())
    assert settings["scaling"]["mean"] == about["mean"]
    assert settings["backbone"]["image_size"] == 32, "the form that it was trained in"
    status, _, errors = detect(tmp_path / "next", "pdarts", "--initial-weights", tmp_path / "trained")
    assert status == 2
    assert "The initial weights are of another network" in errors


@pytest.mark.parametrize("is_named", [False, True])
def test_from_a_network_that_a_search_trained_below_its_full_size(is_named, command, drawn, tmp_path):
    about = {"name": "top-1", "full_size_architecture": DARTS.to_dict()}
    description = NetworkDescription(ARCHITECTURE, None, 10, 32, track_running_stats=False, about=about)
    network = description.build()
    save(network, description, tmp_path / "trained")
    names = [tmp_path / "trained"] if is_named else []
    sizes = ["--min-size", 64, "--epochs", 1, "--regions", 32]
    arguments = ["--data-dir", drawn, "--out", tmp_path / "out", *sizes, *STILL, "--quiet"]
    status, _, errors = command("detect", *names, *arguments, "--initial-weights", tmp_path / "trained")
    assert (status, errors) == (0, "")
    for name, tensor in weights_of(tmp_path / "out").items():
        torch.testing.assert_close(tensor, network.get_parameter(name))
    backbone = json.loads((tmp_path / "out/settings.json").read_text())["backbone"]
    assert (backbone["image_size"], backbone["track_running_stats"]) == (32, False)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["nobody"], "There is no network 'nobody'"),
        ([], "but got neither"),
        (["resnet18"], "cells and channels are of architectures, not models."),
        (["darts", "--min-size", "70", "--max-size", "60"], "`--max-size` must be a whole number of at least 70"),
        (["darts", "--init-noise", "0.1"], "`--init-noise`, `--init-orthogonal` and `--init-from-layer` need"),
        (["darts", "--test-images", "6"], "`--test-images` must be a whole number in [1, 5], but got 6"),
        (["darts", "--lr", "1e30"], "error: The training diverged: "),
    ],
)
def test_a_wrong_argument_is_one_line(options, said, detect, tmp_path):
    status, out, errors = detect(tmp_path / "out", *options)
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert said in errors
    assert "diverged" in said or not (tmp_path / "out").exists()


def test_nothing_is_written_without_data_or_pycocotools(drawn, command, tmp_path, monkeypatch):
    arguments = ["detect", "darts", "--out", tmp_path / "out", "--data-dir"]
    (tmp_path / "empty").mkdir()
    status, _, errors = command(*arguments, tmp_path / "empty")
    assert (status, errors.count("\n")) == (2, 1)
    assert "there is no folder PNGImages; expected PNGImages/<name>.png and PedMasks/<name>_mask.png." in errors
    monkeypatch.setitem(sys.modules, "pycocotools", None)
    status, _, errors = command(*arguments, drawn)
    assert (status, errors.count("\n")) == (2, 1)
    assert "needs pycocotools" in errors
    assert not (tmp_path / "out").exists()


def test_a_folder_without_a_detector(tmp_path):
    with pytest.raises(CheckpointError, match=r"settings.json is not the settings of a detector's training: No such"):
        load_detector(tmp_path)
    (tmp_path / "settings.json").write_text('{"backbone": {}}')
    with pytest.raises(CheckpointError, match="it lacks 'architecture'"):
        load_detector(tmp_path)
