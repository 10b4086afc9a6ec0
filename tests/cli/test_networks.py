"""``score``, ``summary`` and ``draw`` of networks by name: torchvision's, timm's, the user's own."""

import re
import sys
from dataclasses import replace

import pytest
import torchvision

from tart_nas.cli.networks import find_network
from tart_nas.graphs import ComputationalGraph
from tart_nas.networks import NetworkDescription, parameter_count, save
from tart_nas.published import DARTS

CODE = """
from torch import nn
from tart_nas.published import DARTS as architecture

print("imported")

def build():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LazyLinear(10))

class Net(nn.Linear):
    def __init__(self):
        super().__init__(3, 3)

def raises():
    raise RuntimeError("no weights here\\nand more")

def number():
    return 3
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder with ``my_nets.py`` in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "my_nets.py").write_text(CODE)
    yield tmp_path
    sys.modules.pop("my_nets", None)


def test_networks_of_all_kinds_are_ranked_together(folder, command):
    pytest.importorskip("timm")
    names = ["torchvision:squeezenet1_1", "timm:test_convnext", "my_nets:build", "DARTS"]
    status, out, errors = command("score", *names)
    assert (status, errors.count("\n")) == (0, 1)
    assert "judged by params" in errors
    ranked = [line.split()[-1] for line in out.splitlines() if line != "imported"]
    assert sorted(ranked) == sorted(names)
    assert ranked[0] == "DARTS"  # of 3.3 million parameters
    assert ranked[-1] == "my_nets:build"


def test_a_summary_tells_what_other_counters_count(folder, command):
    status, out, errors = command("summary", "squeezenet1_1", "--image-size", 64)
    assert (status, errors) == (0, "")
    said = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    network = torchvision.models.squeezenet1_1()
    assert said["parameters"] == f"{sum(parameter.numel() for parameter in network.parameters()):,}"
    assert re.match(r"[\d.e+]+ ms for 1 image on (cpu, 1 thread|.+): median of 15 passes, ", said["latency"])
    assert said["prediction"].startswith("none: ")
    status, out, errors = command("summary", "my_nets:build", "--image-size", 32)
    assert (status, errors) == (0, "")
    assert "\nparameters               314\n" in out  # 8 x 27 + 8 and 8 x 10 + 10


def test_a_summary_predicts_what_is_made_of_cells(folder, command):
    status, out, _ = command("summary", "my_nets:architecture", "--judged-at", "cells=8,channels=32")
    assert status == 0
    assert re.search(r"^predicted val_accuracy +9\d\.\d+ ± 0\.\d+ \(darts-cifar10\)$", out, re.MULTILINE)
    assert f"{parameter_count(DARTS):,}" in out


SMALL = DARTS.resized(n_cells=4, C=8)


@pytest.mark.parametrize(
    ("description", "size"),
    [
        (NetworkDescription(SMALL, None, 100, 64, track_running_stats=False), 64),
        (NetworkDescription(None, "squeezenet1_1", 100, 48), 48),
        (
            NetworkDescription(
                SMALL.resized(n_cells=2), None, 7, 16, about={"full_size_architecture": SMALL.to_dict()}
            ),
            16,
        ),
    ],
)
def test_a_trained_network_is_told_with_its_own_classes_and_images(description, size, folder, command):
    network = description.build()
    save(network, description, folder / "trained")
    if description.full_size is not None:
        network = replace(description, architecture=description.full_size).build()
    status, out, _ = command("summary", "trained")
    said = dict(re.split(r"  +", line, maxsplit=1) for line in out.splitlines())
    assert (status, said["image"]) == (0, f"3x{size}x{size}")
    assert find_network("trained/network.json").description == description
    assert said["parameters"].split(" ")[0].rstrip(",") == f"{sum(p.numel() for p in network.parameters()):,}"
    assert command("draw", "trained", "--out", "net.svg")[0] == 0
    found = find_network("trained")
    graph = found.graph()
    assert graph == ComputationalGraph.from_module(network, size)
    assert found.module().state_dict().keys() == network.state_dict().keys()  # with running statistics or without
    status, out, _ = command("summary", "trained", "--image-size", 32)
    assert (status, "3x32x32" in out) == (0, True)


def test_a_module_is_imported_only_where_its_name_was_typed(folder, command):
    assert "imported" not in command("score", "DARTS")[1]
    assert "imported" in command("draw", "my_nets:build", "--image-size", 16, "--out", folder / "net.svg")[1]
    assert (folder / "net.svg").stat().st_size > 5000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "my_nets:raises"], "my_nets:raises raised RuntimeError: no weights here"),
        (["score", "my_nets:number"], "must return a torch.nn.Module or an Architecture, but it returned int"),
        (["score", "my_nets:nothing"], "my_nets has no 'nothing'"),
        (["summary", "no_nets:build"], "there is no module 'no_nets'"),
        (["summary", "my_nets:Net"], "my_nets:Net: The network cannot be run on an image of (3, 224, 224)"),
        (["draw", "torchvision:resnet19", "--out", "net.svg"], "no classification model 'resnet19'; did you mean"),
        (["score", "resnet19", "DARTS"], "There is no network 'resnet19'"),
        (["score", "DARTS", "nowhere.json"], "nowhere.json: No such file or directory"),
        (["score", "my_nets:build", "--predictor", "darts-cifar10"], "judges no other networks: fit one to graphs"),
        (["score", "my_nets:build", "--out", "scores.parquet"], "`--out` is for architectures"),
        (["score", "DARTS", "--image-size", "64"], "`--image-size` is for networks that are traced"),
        (["retrain", "my_nets:build", "--out", "net", "--dataset", "digits"], "cannot be trained by a command"),
        (["measure", "my_nets:build", "--out", "m"], "Only the latency of networks that are not made of cells"),
        (["measure", "resnet19", "--out", "m"], "There is no network 'resnet19'"),
        (["detect", "my_nets:build", "--out", "d", "--data-dir", "."], "my_nets:build cannot be a backbone here"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments, said, folder, command):
    status, _, errors = command(*arguments)
    assert (status, errors.count("\n")) == (2, 1), errors
    assert errors.startswith("error: ")
    assert said in errors
    assert [path.name for path in folder.iterdir() if path.name != "__pycache__"] == ["my_nets.py"]


def test_a_network_with_a_name_is_measured(folder, command):
    sizes = ["--cells", 1, "--channels", 8]
    status, out, errors = command("measure", "ViT", "--only", "latency", *sizes, "--out", "m", "--quiet")
    assert (status, errors) == (0, "")
    assert out.endswith("1 of 1 networks measured, 0 failed\n")
    status, out, _ = command("score", "m", "--predictor", "params")  # which reads what was measured
    assert (status, out.split()[2]) == (0, "ViT/0")


def test_without_timm_it_is_asked_for(folder, command, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)  # as if it was not installed
    status, out, errors = command("score", "timm:convnext_atto")
    assert (status, out, errors.count("\n")) == (2, "", 1)
    assert "needs timm, which is not installed: run pip install timm" in errors
