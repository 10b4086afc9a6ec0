"""``tart-nas ghn``."""

import json
import re
from pathlib import Path

import pytest
import torch

from tart_nas.hypernetworks import GHN, GHNConfig, check_norms, published_norms
from tart_nas.hypernetworks.evaluation import evaluate_predicted
from tart_nas.images import load_images
from tart_nas.published import DARTS

DATA = Path(__file__).parents[1] / "data"
TINY = DATA / "ghn/checkpoints/ghn2_tiny.pt"


def test_a_published_file_is_converted(tmp_path, command):
    out = tmp_path / "ghn.safetensors"
    status, printed, errors = command("ghn", "convert", TINY, "--out", out)
    assert (status, errors) == (0, "")
    assert printed.startswith("gatedgnn, 56,150 parameters, node vectors of 8, tensors up to 16 x 16 x 11 x 11")
    assert GHN.load(out).config == GHN.load(TINY).config
    status, printed, errors = command("ghn", "convert", DATA / "README.md", "--out", out)
    assert (status, printed) == (2, "")
    assert re.fullmatch(r"error: .*README\.md is no complete file of a hypernetwork: .*\n", errors)


@pytest.fixture
def large_enough(tmp_path):
    """A hypernetwork of the kind that norms are published for, but with random weights."""
    torch.manual_seed(0)
    path = tmp_path / "random.safetensors"
    GHN.from_config(GHNConfig(max_shape=(4, 4, 3, 3), num_classes=1000)).save(path)
    return path


def test_norms_that_do_not_agree_end_with_status_1(large_enough, command):
    status, printed, errors = command("ghn", "check", large_enough, "--model", "squeezenet1_0", "--model", "alexnet")
    assert (status, errors) == (1, "")
    rows = [line.split("│") for line in printed.splitlines() if "alexnet" in line]
    assert [cell.strip() for cell in rows[0][3:5]] == ["33.4662", "no"]
    status, _, errors = command("ghn", "check", large_enough, "--model", "resnet19")
    assert status == 2
    assert "must be one of alexnet, " in errors


def test_norms_that_agree(large_enough, monkeypatch):
    ghn = GHN.load(large_enough)
    (found,) = check_norms(ghn, ["alexnet"])
    assert not found.agrees
    (again,) = check_norms(ghn, ["alexnet"])
    assert again.norm == found.norm, "all parameters of this model are predicted"
    assert len(published_norms(ghn)) == 74
    for hid, norm in ((64, 78.6197), (384, 108.4530)):
        config = GHNConfig(max_shape=(4, 4, 3, 3), num_classes=1000, hypernet="graphormer", layers=1, heads=8, hid=hid)
        with torch.device("meta"):
            assert published_norms(GHN(config))["resnet50"] == norm


def test_there_are_no_norms_for_other_kinds(command):
    status, _, errors = command("ghn", "check", TINY)
    assert status == 2
    assert "Norms are published for GHN-2, GHN-3-T and GHN-3-XL, trained on ImageNet, but this" in errors


def test_accuracies_of_predicted_parameters(tmp_path, command):
    out = tmp_path / "accuracies.json"
    options = (DATA / "deepnets1m", "--split", "val", "--image-size", 8, "--channels", 8, "--out", out, "--quiet")
    status, printed, errors = command("ghn", "eval", TINY, *options, "--arch", 1)
    assert (status, errors) == (0, "")
    first = printed.split()[1]
    status, printed, errors = command("ghn", "eval", TINY, *options, "--arch", 0, "--arch", 1)
    assert (status, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[1] == f"val/1  {first} %", "what was measured is not measured again"
    accuracies = json.loads(out.read_text())["accuracies"]
    assert accuracies.keys() == {"0", "1"}
    mean = 50 * (accuracies["0"] + accuracies["1"])
    assert lines[2].startswith(f"mean {mean:.2f} ± ")
    status, _, errors = command("ghn", "eval", TINY, *options, "--arch", 99)
    assert status == 2
    assert "`--arch` must be a whole number in [0, 9], but got 99" in errors
    status, _, errors = command(
        "ghn", "eval", TINY, DATA / "deepnets1m", "--split", "predefined", "--arch", 0, "--out", out
    )
    assert status == 2
    assert "is a network without an architecture." in errors, "the ResNet-50"
    status, _, errors = command("ghn", "eval", TINY, *options, "--dataset", "digits")
    assert status == 2
    assert "accuracies.json is of another measurement: dataset cifar10-sample then, digits now." in errors
    other = tmp_path / TINY.name
    ghn = GHN.load(TINY)
    with torch.no_grad():
        next(ghn.parameters()).add_(1)
    ghn.save(other)
    status, _, errors = command("ghn", "eval", other, *options)
    assert status == 2
    assert re.search(r"another measurement: ghn (\w+) \w{16} then, \1 \w{16} now\.", errors), "of the same name"
    content = json.loads(out.read_text())
    content["about"]["networks"] = 16 * "0"  # of a split of another folder
    out.write_text(json.dumps(content))
    status, _, errors = command("ghn", "eval", TINY, *options)
    assert status == 2
    assert "another measurement: networks 0000000000000000 then, " in errors


def test_two_that_evaluate_into_one_file_keep_each_other_s_results(tmp_path):
    ghn, out = GHN.load(TINY), tmp_path / "accuracies.json"
    images = load_images("digits", train_images=20)
    networks = {i: DARTS.resized(n_cells=2, C=4) for i in range(2)}

    def measure(indices, progress=None):
        chosen = {index: networks[index] for index in indices}
        about = {"what": "digits"}
        return evaluate_predicted(ghn, chosen, images.validation, images, out=out, about=about, progress=progress)

    found = measure([0], lambda done, n: measure([1]) if done == 0 else None)  # another one, in the midst of it
    assert found.accuracies.keys() == {0}
    assert json.loads(out.read_text())["accuracies"].keys() == {"0", "1"}


def test_predicted_parameters_that_are_not_finite_are_a_result_too(tmp_path):
    ghn, images = GHN.load(TINY), load_images("digits", train_images=20)
    with torch.no_grad():
        for parameter in ghn.parameters():
            parameter.mul_(1e30)
    networks, out = {i: DARTS.resized(n_cells=2, C=4) for i in range(2)}, tmp_path / "accuracies.json"
    found = evaluate_predicted(ghn, networks, images.validation, images, out=out, about={"what": "digits"})
    assert found.accuracies == {0: None, 1: None}


def test_a_published_name_that_there_is_not(command):
    status, _, errors = command("ghn", "download", "ghn4")
    assert status == 2
    assert "There is no published hypernetwork 'ghn4': expected one of ghn1-cifar10, " in errors
