"""``tart-nas retrain`` and ``tart-nas export``: real processes, real kills."""

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from tart_nas.errors import RunFolderError, SettingError
from tart_nas.images import load_images
from tart_nas.networks import NetworkDescription, build_network, describe, load
from tart_nas.published import DARTS
from tart_nas.runs.retraining import retrain
from tart_nas.training import PROTOCOLS, TrainingRecipe, evaluate

SMALL = "--cells 3 --channels 4 --dataset digits --train-images 96 --epochs 3 --batch-size 32".split()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, fork_server):
    folder = tmp_path_factory.mktemp("retrain") / "out"
    status, out, errors = fork_server.run("retrain", "darts", *SMALL, "--out", folder)
    assert (status, errors) == (0, "")
    assert out.startswith("validation accuracy ")
    return folder


def test_the_protocol_is_that_of_darts(undisturbed):
    result = json.loads((undisturbed / "result.json").read_text())
    assert result["recipe"] == replace(PROTOCOLS["darts"], epochs=3, batch_size=32).to_dict()
    assert {**result["recipe"], "epochs": 600, "batch_size": 96}.items() >= {
        "lr": 0.025, "momentum": 0.9, "weight_decay": 3e-4, "gradient_clip": 5.0, "batch_size": 96, "cutout": 16,
        "drop_path": 0.2, "auxiliary": 0.4, "epochs": 600, "lr_min": 0.0, "crop": 4, "flip": True,
    }.items()  # fmt: skip
    assert len(result["curve"]) == 3
    assert PROTOCOLS["deepnets1m"] == TrainingRecipe(epochs=50)


def test_the_folder_is_the_trained_network(undisturbed):
    network, about = load(undisturbed), describe(undisturbed).about
    images = load_images("digits", train_images=96)
    assert list(images.mean) == about["mean"]
    measured = evaluate(network, images.validation, images, device="cpu")
    assert measured == about["validation_accuracy"] == json.loads((undisturbed / "result.json").read_text())["accuracy"]
    assert describe(undisturbed).architecture == replace(DARTS, n_cells=3, C=4)


def stamp_of(path):
    """When a file was written; None where there is none."""
    with suppress(FileNotFoundError):
        return path.stat().st_mtime_ns
    return None


@pytest.mark.slow
def test_killed_after_each_epoch_it_ends_with_the_same_bytes(undisturbed, tmp_path, fork_server):
    folder, checkpoint = tmp_path / "out", tmp_path / "out/training.safetensors"
    stamp = None
    for _ in range(2):
        process = fork_server.start("retrain", "darts", *SMALL, "--out", folder)
        while (now := stamp_of(checkpoint)) in (None, stamp) and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        _, errors = process.communicate()
        assert process.returncode in (-signal.SIGKILL, 0), errors  # 0: on a busy machine it may have ended by now
        stamp = now
    status, _, errors = fork_server.run("retrain", "darts", *SMALL, "--out", folder)
    assert status == 0, errors
    for name in ("weights.safetensors", "network.json"):
        assert (folder / name).read_bytes() == (undisturbed / name).read_bytes()
    assert not [path for path in folder.iterdir() if ".tmp" in path.name]


def test_another_recipe_is_refused(undisturbed, command):
    before = {path.name: path.read_bytes() for path in undisturbed.iterdir()}
    status, _, errors = command("retrain", "darts", *SMALL, "--epochs", 4, "--out", undisturbed)
    assert status == 2
    assert errors == (f"error: {undisturbed} was made with another recipe (epochs 3 then, 4 now): use a new folder.\n")
    assert {path.name: path.read_bytes() for path in undisturbed.iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nobody"], "There is no network 'nobody'"),
        (["darts", "--protocol", "pdarts"], "'--protocol': 'pdarts' is not one of 'darts', 'deepnets1m', 'imagenet'"),
        (["darts", "--threads", "0"], "'--threads': Input should be greater than or equal to 1, but got '0'"),
        (["darts", "--shots", "1000"], "`--shots` must be in [1, "),
        (["squeezenet1_1", "--cells", "3"], "are of architectures, not of other networks"),
        (["darts", "--dataset", "folder"], "`--data-dir` must name the folder"),
        (["darts", "--dataset", "mnist"], "'--dataset': 'mnist' is not one of"),
    ],
)
def test_a_wrong_argument_is_one_line_and_status_2(arguments, said, tmp_path, command):
    dataset = [] if "--dataset" in arguments else ["--dataset", "digits"]
    status, _, errors = command("retrain", *arguments, *dataset, "--out", tmp_path / "out")
    assert status == 2
    assert errors.startswith("error: ")
    assert said in errors
    assert errors.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_model_of_torchvision_few_shot_on_the_test_images(tmp_path, command):
    arguments = ["squeezenet1_1", "--dataset", "digits", "--shots", 5, "--test", "--epochs", 1, "--batch-size", 25]
    status, out, errors = command("retrain", *arguments, "--out", tmp_path / "out", "--quiet")
    assert (status, errors) == (0, "")
    assert out.startswith("test accuracy ")
    images = load_images("digits", shots=5)
    assert len(images.train) == 50
    network = load(tmp_path / "out")
    measured = evaluate(network, images.test, images, device="cpu")
    assert measured == describe(tmp_path / "out").about["test_accuracy"]
    status, out, errors = command("export", tmp_path / "out", "--out", tmp_path / "network.pt2")
    assert status == 0, errors
    inputs = torch.randn(3, 3, 32, 32)
    exported = torch.export.load(tmp_path / "network.pt2").module()
    torch.testing.assert_close(exported(inputs), network(inputs), atol=1e-4, rtol=1e-4)


def test_folders_of_images(tmp_path, command):
    digits = load_images("digits").test
    for k in range(60):
        label = int(digits.labels[k]) % 2
        path = tmp_path / "images" / ("val" if k >= 44 else "train") / ("odd" if label else "even") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(digits.images[k].permute(1, 2, 0).numpy()).resize((40 + k, 90 - k)).save(path)
    arguments = ["darts", "--cells", 3, "--channels", 4, "--dataset", "folder", "--data-dir", tmp_path / "images"]
    arguments += ["--image-size", 48, "--epochs", 2, "--batch-size", 8, "--drop-path", 0, "--protocol", "imagenet"]
    contents = []
    for name in ("one", "two"):
        status, _, errors = command("retrain", *arguments, "--out", tmp_path / name, "--quiet")
        assert (status, errors) == (0, "")
        contents.append(load_file(tmp_path / name / "weights.safetensors"))
    assert all(torch.equal(contents[0][key], contents[1][key]) for key in contents[0])
    assert describe(tmp_path / "one").about["classes"] == ["even", "odd"]


def test_the_best_of_a_search(finished, tmp_path, command):
    best = finished.best
    arguments = ["--cells", 2, "--channels", 4, "--dataset", "digits", "--train-images", 40, "--epochs", 1]
    status, _, errors = command("retrain", finished.folder, *arguments, "--out", tmp_path / "out", "--quiet")
    assert (status, errors) == (0, "")
    description = describe(tmp_path / "out")
    assert description.architecture == replace(best.pick.architecture, n_cells=2, C=4)
    assert description.about["name"].startswith(best.pick.name)


class TestFolder:
    RECIPE = TrainingRecipe(epochs=1, batch_size=32)

    @pytest.fixture
    def arguments(self):
        description = NetworkDescription(replace(DARTS, n_cells=2, C=2), None, 10, 32)
        return description, load_images("digits", train_images=64, validation_images=10), self.RECIPE

    def test_a_foreign_one(self, arguments, tmp_path):
        (tmp_path / "thesis.tex").write_text("mine")
        with pytest.raises(RunFolderError, match=r"is no folder of a training \(it holds thesis.tex\)"):
            retrain(*arguments, out=tmp_path, device="cpu")

    def test_another_seed_or_network(self, arguments, tmp_path):
        retrain(*arguments, out=tmp_path, device="cpu")
        with pytest.raises(RunFolderError, match="was made with another seed"):
            retrain(*arguments, out=tmp_path, seed=1, device="cpu")
        other = replace(arguments[0], track_running_stats=False)
        with pytest.raises(RunFolderError, match="was made with another network"):
            retrain(other, *arguments[1:], out=tmp_path, device="cpu")

    def test_another_name_of_the_network(self, arguments, tmp_path):
        """Which depends on how the command was given, and from where."""
        description, *others = arguments
        retrain(replace(description, about={"name": "top-1 of first"}), *others, out=tmp_path, device="cpu")
        retrain(replace(description, about={"name": "top-1 of ."}), *others, out=tmp_path, device="cpu")
        assert describe(tmp_path).about["name"] == "top-1 of ."

    def test_what_was_refused_leaves_the_folder_to_the_next_call(self, arguments, tmp_path):
        with pytest.raises(SettingError, match="`seed` must be a whole number of at least 0"):
            retrain(*arguments, out=tmp_path / "new", seed=-1, device="cpu")
        assert not (tmp_path / "new").exists()
        with pytest.raises(SettingError, match="does not take images of 32x32 pixels: "):
            retrain(NetworkDescription(None, "alexnet", 10, 32), *arguments[1:], out=tmp_path / "new", device="cpu")
        assert retrain(*arguments, out=tmp_path / "new", device="cpu").folder == tmp_path / "new"

    def test_the_seed_decides_the_initial_weights(self, arguments, tmp_path):
        description, images, _ = arguments
        frozen = TrainingRecipe(epochs=1, batch_size=32, lr=1e-30, weight_decay=0.0, gradient_clip=0.0)
        retrain(description, images, frozen, out=tmp_path, seed=5, device="cpu")
        with torch.random.fork_rng():
            torch.manual_seed(5)
            initial = build_network(description.architecture)
        for name, parameter in load(tmp_path).named_parameters():
            torch.testing.assert_close(parameter, initial.get_parameter(name))

    def test_initial_weights_and_the_optimizer(self, arguments, tmp_path):
        description, images, _ = arguments
        retrain(*arguments, out=tmp_path / "first", device="cpu")
        recipe = TrainingRecipe(epochs=1, batch_size=32, weight_decay=0.0).adjusted(optimizer="adamw", lr=1e-30)
        given = {"initial_weights": tmp_path / "first", "device": "cpu"}
        retrain(description, images, recipe, out=tmp_path / "second", **given)
        first, second = (load(tmp_path / name).state_dict() for name in ("first", "second"))
        for name, _ in load(tmp_path / "first").named_parameters():
            assert torch.equal(first[name], second[name])
        retrain(description, images, recipe, out=tmp_path / "second", **given)
        with pytest.raises(RunFolderError, match="was made with another initial weights"):
            retrain(description, images, recipe, out=tmp_path / "second", device="cpu")
        with pytest.raises(
            RunFolderError, match=r"another recipe \(lr 1e-30 then, 0.025 now, .* adamw then, sgd now\)"
        ):
            retrain(*arguments, out=tmp_path / "second", device="cpu")

    def test_a_folder_of_the_version_before(self, arguments, tmp_path):
        """Its settings name no optimizer."""
        retrain(*arguments, out=tmp_path, device="cpu")
        settings = json.loads((tmp_path / "settings.json").read_text())
        del settings["recipe"]["optimizer"]
        (tmp_path / "settings.json").write_text(json.dumps(settings))
        before = (tmp_path / "weights.safetensors").read_bytes()
        retrain(*arguments, out=tmp_path, device="cpu")
        assert (tmp_path / "weights.safetensors").read_bytes() == before

    def test_a_model_that_takes_no_images_of_the_size(self, arguments, tmp_path):
        description = NetworkDescription(None, "alexnet", 10, 32)
        with pytest.raises(SettingError, match="alexnet does not take images of 32x32 pixels: "):
            retrain(description, *arguments[1:], out=tmp_path, device="cpu")

    def test_no_such_device(self, arguments, tmp_path):
        with pytest.raises(SettingError, match="toaster"):
            retrain(*arguments, out=tmp_path / "out", device="toaster")
        assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_under_torchrun(undisturbed, tmp_path):
    """Two processes, one folder; their own parts of the batches are normalised apart, so the weights are others."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command += ["-m", "tart_nas.cli", "retrain", "darts", *SMALL, "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("validation accuracy") == 1
    images = load_images("digits", train_images=96)
    measured = evaluate(load(tmp_path / "out"), images.validation, images, device="cpu")
    assert measured == describe(tmp_path / "out").about["validation_accuracy"]
    ours, theirs = (json.loads((folder / "result.json").read_text()) for folder in (tmp_path / "out", undisturbed))
    assert ours["recipe"] == theirs["recipe"]
    assert [epoch["epoch"] for epoch in ours["curve"]] == [1, 2, 3]
