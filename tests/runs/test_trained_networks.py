"""What a search trained is a network that can be loaded, exported and trained again."""

import json
import logging
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

import tart_nas
from tart_nas.errors import CheckpointError
from tart_nas.images import load_images
from tart_nas.networks import describe, load
from tart_nas.runs import SearchResult
from tart_nas.training import evaluate
from tests.runs.conftest import SMALL

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def images():
    return load_images("digits", train_images=120, image_size=8)


@pytest.fixture
def earlier(finished, tmp_path):
    """The same run as version 0.1.0 wrote it: the weights in one file for each network, no descriptions."""
    folder = tmp_path / "earlier"
    shutil.copytree(finished.folder, folder)
    for p in finished.picks:
        weights = load_file(folder / "weights" / p.pick.name / "weights.safetensors")
        metadata = {"architecture": json.dumps(p.pick.trained.to_dict())}
        save_file(weights, folder / "weights" / f"{p.pick.name}.safetensors", metadata)
        shutil.rmtree(folder / "weights" / p.pick.name)
    return folder


def test_the_loaded_networks_have_the_accuracies_of_the_report(finished, images):
    best = finished.best
    for network in (load(finished.folder), best.network(), load(finished.folder / "weights" / best.pick.name)):
        assert not network.training
        assert evaluate(network, images.test, images, device="cpu") == best.test_accuracy
    for p in finished.picks:
        assert evaluate(p.network(), images.validation, images, device="cpu") == p.validation_accuracy


def test_the_folder_says_what_a_user_of_the_network_needs(finished, images):
    description = describe(finished.folder)
    best = finished.best
    assert description.about["name"] == best.pick.name
    assert description.about["classes"] == list(images.classes)
    assert (description.about["mean"], description.about["std"]) == (list(images.mean), list(images.std))
    assert description.about["validation_accuracy"] == best.validation_accuracy
    assert description.about["test_accuracy"] == best.test_accuracy
    assert (description.num_classes, description.image_size) == (10, 8)
    assert description.architecture == best.pick.trained
    assert description.full_size == best.pick.architecture


def test_of_an_unfinished_search_it_is_the_best_so_far(finished, tmp_path, caplog):
    folder = tmp_path / "run"
    shutil.copytree(finished.folder, folder)
    (folder / "report.json").unlink()
    worse = min(finished.top, key=lambda p: p.validation_accuracy)
    for p in finished.top:
        if p is not worse:
            shutil.rmtree(folder / "weights" / p.pick.name)
    with caplog.at_level(logging.WARNING):
        assert describe(folder).about["name"] == worse.pick.name
    assert f"has not finished: {worse.pick.name} is the best so far" in caplog.text
    shutil.rmtree(folder / "weights" / worse.pick.name)  # what is left was drawn at random
    with pytest.raises(CheckpointError, match="has trained no picked network yet"):
        load(folder)


def test_runs_of_version_0_1_0_are_read_and_resumed(earlier, finished, ridge, images):
    assert evaluate(load(earlier), images.test, images, device="cpu") == finished.best.test_accuracy
    assert describe(earlier).full_size == finished.best.pick.architecture
    assert describe(earlier).num_classes == 10
    random = finished.random[0]
    network = load(earlier / "weights" / "random-1")
    assert evaluate(network, images.test, images, device="cpu") == random.test_accuracy
    again = tart_nas.search(predictor=ridge[0], out=earlier, **SMALL)
    assert [p.test_accuracy for p in again.picks] == [p.test_accuracy for p in finished.picks]
    assert not any(path.is_dir() for path in (earlier / "weights").iterdir())  # nothing was trained again
    loaded = SearchResult.load(earlier).best.network()
    assert evaluate(loaded, images.test, images, device="cpu") == finished.best.test_accuracy


def test_foreign_files_of_a_run_are_errors(earlier):
    (earlier / "weights/top-1.safetensors").write_text("nothing of the kind")
    with pytest.raises(CheckpointError, match=r"top-1.safetensors is not a trained network of a search"):
        load(earlier / "weights" / "top-1")
    (earlier / "report.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"report.json is not the report of a search"):
        load(earlier)


def test_a_search_is_exported(finished, tmp_path, command):
    status, _, errors = command("export", finished.folder, "--out", tmp_path / "best.pt2")
    assert (status, errors) == (0, "")
    inputs = torch.randn(3, 3, 8, 8)
    exported = torch.export.load(tmp_path / "best.pt2").module()
    torch.testing.assert_close(exported(inputs), finished.best.network()(inputs), atol=1e-4, rtol=1e-4)
