import json
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch

from tart_nas.choices import EXPORT_SUFFIXES
from tart_nas.errors import CheckpointError, SettingError
from tart_nas.networks import NetworkDescription, describe, export, load, save
from tart_nas.published import DARTS, VIT


def trained(description, auxiliary=False):
    """As after a training: no weight is where it was made."""
    torch.manual_seed(0)
    network = description.build(auxiliary=auxiliary)
    for value in network.state_dict().values():
        if value.is_floating_point():
            value.add_(0.05 * torch.rand_like(value))
    return network.eval()


def of(architecture, size=32, **options):
    return NetworkDescription(architecture, None, 10, size, **options)


DESCRIPTIONS = {
    "darts": of(replace(DARTS, n_cells=3, C=4)),
    "batch statistics": of(replace(DARTS, n_cells=1, C=4), track_running_stats=False),
    "vit": of(replace(VIT, n_cells=2, C=16)),
    "torchvision": NetworkDescription(None, "squeezenet1_1", 7, 64),
}


@pytest.fixture(params=DESCRIPTIONS)
def description(request):
    return DESCRIPTIONS[request.param]


def test_a_saved_network_is_loaded_in_one_line(description, tmp_path):
    network = trained(description)
    save(network, description, tmp_path)
    loaded = load(tmp_path)
    assert not loaded.training
    assert describe(tmp_path) == description
    images = torch.randn(6, 3, description.image_size, description.image_size)
    with torch.inference_mode():
        assert torch.equal(loaded(images), network(images))


def test_the_auxiliary_head_stays_behind(tmp_path):
    description = DESCRIPTIONS["darts"]
    network = trained(description, auxiliary=True)
    save(network, description, tmp_path)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(load(tmp_path)(images), network(images))
    assert not any(name.startswith("auxiliary") for name in load(tmp_path).state_dict())


# An export takes seconds: one in each format here, of a network of each kind in `make test-slow`.
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        ("batch statistics", ".onnx"),
        ("darts", ".pt2"),
        *(
            pytest.param(kind, suffix, marks=pytest.mark.slow)
            for kind in DESCRIPTIONS
            for suffix in EXPORT_SUFFIXES
            if (kind, suffix) not in {("batch statistics", ".onnx"), ("darts", ".pt2")}
        ),
    ],
)
def test_exported_networks_give_equal_outputs(kind, suffix, tmp_path):
    description = DESCRIPTIONS[kind]
    network = trained(description)
    path = export(network, description.image_size, tmp_path / f"network{suffix}")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    for batch in (1, 5):
        images = torch.randn(batch, 3, description.image_size, description.image_size)
        with torch.inference_mode():
            expected = network(images).numpy()
        if suffix == ".onnx":
            session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
            (got,) = session.run(None, {"images": images.numpy()})
        else:
            got = torch.export.load(path).module()(images).detach().numpy()
        np.testing.assert_allclose(got, expected, atol=1e-4, rtol=1e-4)


def test_exporting_leaves_the_mode_and_refuses_other_endings(tmp_path):
    network = trained(DESCRIPTIONS["darts"]).train()
    with pytest.raises(SettingError, match=r"`path` must end with \.onnx or \.pt2, but got .*network\.pt"):
        export(network, 32, tmp_path / "network.pt")
    assert network.training
    assert not list(tmp_path.iterdir())


class TestRefused:
    @pytest.fixture
    def folder(self, tmp_path):
        save(trained(DESCRIPTIONS["darts"]), DESCRIPTIONS["darts"], tmp_path)
        return tmp_path

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(CheckpointError, match="holds no trained network: there is no network.json"):
            load(tmp_path)

    def test_no_weights(self, folder):
        (folder / "weights.safetensors").unlink()
        with pytest.raises(CheckpointError, match="does not hold the weights"):
            load(folder)

    @pytest.mark.parametrize("length", [0, 100, -1])
    def test_truncated_weights(self, folder, length):
        path = folder / "weights.safetensors"
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(CheckpointError, match="does not hold the weights"):
            load(folder)

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"format": "tart-nas network 2"}, "is of the format 'tart-nas network 2'"),
            ({"architecture": {"n_cells": 3}}, "does not describe a network"),
            ({"num_classes": 100}, "does not hold the weights"),
            ({"architecture": None, "model": "nonsense"}, "does not hold the weights"),
        ],
    )
    def test_another_description(self, folder, change, said):
        path = folder / "network.json"
        values = {**json.loads(path.read_text()), **change}
        del values["sha256"]  # as the message tells whoever changes it
        path.write_text(json.dumps(values))
        with pytest.raises(CheckpointError, match=said):
            load(folder)

    def test_no_description(self, folder):
        (folder / "network.json").write_text("{")
        with pytest.raises(CheckpointError, match="does not describe a network"):
            load(folder)
