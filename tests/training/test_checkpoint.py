import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from tart_nas.errors import CheckpointError
from tart_nas.images import ImageData, ImageSplit, load_images
from tart_nas.training import EpochMetrics, TrainingRecipe, train
from tests.training.test_training import weights

OF_BEFORE = Path(__file__).parents[1] / "data/training-of-before"
RECIPE = TrainingRecipe(epochs=3, batch_size=32, lr=0.1, cutout=8, auxiliary=0.4)


def run(network, images, checkpoint=None, recipe=RECIPE, **options):
    return train(network, images, recipe, device="cpu", seed=3, checkpoint=checkpoint, **options)


@pytest.fixture
def make(small):
    return lambda: small(dropout=0.3, auxiliary=True)


@pytest.mark.parametrize("done", [1, 2, 3])
def test_an_interrupted_training_ends_with_the_bits_of_an_undisturbed_one(make, few, tmp_path, done):
    def stop(metrics):
        if metrics.epoch == done:
            raise KeyboardInterrupt

    undisturbed = make()
    expected = run(undisturbed, few)
    path = tmp_path / "training.safetensors"
    with pytest.raises(KeyboardInterrupt):
        run(make(), few, path, on_epoch=stop)
    network = make()
    seen: list[EpochMetrics] = []
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(0.5)  # whatever it starts from
    torch.rand(3)
    result = run(network, few, path, on_epoch=seen.append)
    assert torch.equal(weights(network), weights(undisturbed))
    assert [epoch.epoch for epoch in seen] == list(range(done + 1, 4))
    assert [dataclasses.replace(e, seconds=0) for e in result.epochs] == [
        dataclasses.replace(e, seconds=0) for e in expected.epochs
    ]
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


class TestRefused:
    @pytest.fixture
    def path(self, make, few, tmp_path):
        run(make(), few, tmp_path / "c.safetensors", dataclasses.replace(RECIPE, epochs=1))
        return tmp_path / "c.safetensors"

    def test_another_recipe(self, path, make, few):
        before = path.read_bytes()
        with pytest.raises(CheckpointError, match=r"another training \(epochs 1 then, 3 now\): use another file"):
            run(make(), few, path)
        assert path.read_bytes() == before

    def test_another_seed(self, path, make, few):
        with pytest.raises(CheckpointError, match=r"\(seed 3 then, 4 now\)"):
            train(make(), few, dataclasses.replace(RECIPE, epochs=1), device="cpu", seed=4, checkpoint=path)

    def test_other_images(self, path, make):
        other = load_images("digits", train_images=97, validation_images=50, seed=1)
        with pytest.raises(CheckpointError, match=r"\(images \w+ then, \w+ now\)"):
            run(make(), other, path, dataclasses.replace(RECIPE, epochs=1))

    def test_another_network(self, path, small, few):
        with pytest.raises(CheckpointError, match="that of another network"):
            run(small(auxiliary=False), few, path, dataclasses.replace(RECIPE, epochs=1))

    @pytest.mark.parametrize("content", [b"", b"nothing of the kind", b"\xff" * 100])
    def test_a_foreign_file(self, content, make, few, tmp_path):
        path = tmp_path / "c.safetensors"
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match="is not the checkpoint of a training"):
            run(make(), few, path)
        assert path.read_bytes() == content

    @pytest.mark.parametrize("length", [10, 1000, -1])
    def test_a_truncated_file(self, path, length, make, few):
        path.write_bytes(path.read_bytes()[:length])
        with pytest.raises(CheckpointError, match="is not the checkpoint of a training"):
            run(make(), few, path, dataclasses.replace(RECIPE, epochs=1))

    @pytest.mark.parametrize("metadata", [None, {"format": "pt"}, {"format": "tart-nas training 1"}])
    def test_other_metadata(self, path, metadata, make, few):
        save_file(load_file(path), path, metadata)
        with pytest.raises(CheckpointError, match="is not the checkpoint of a training"):
            run(make(), few, path)

    def test_metadata_of_a_wrong_form(self, path, make, few):
        metadata = {"format": "tart-nas training 1", "identity": "{}", "progress": json.dumps({"epochs": [{}]})}
        save_file(load_file(path), path, metadata)
        with pytest.raises(CheckpointError, match="is not the checkpoint of a training"):
            run(make(), few, path)


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_other_optimizers_resume_with_the_same_bits(optimizer, make, few, tmp_path):
    def stop(metrics):
        if metrics.epoch == 2:
            raise KeyboardInterrupt

    recipe = RECIPE.adjusted(optimizer=optimizer)
    undisturbed, network, path = make(), make(), tmp_path / "training.safetensors"
    run(undisturbed, few, recipe=recipe)
    with pytest.raises(KeyboardInterrupt):
        run(make(), few, path, recipe, on_epoch=stop)
    run(network, few, path, recipe)
    assert torch.equal(weights(network), weights(undisturbed))
    with pytest.raises(CheckpointError, match=rf"\(optimizer {optimizer} then, sgd now\)"):
        run(network, few, path, dataclasses.replace(recipe, optimizer="sgd"))


def test_a_training_of_the_version_before_goes_on(tmp_path):
    """Of commit dfdb8a1: its recipe names no optimizer. Bits are the same on one machine, nearly the same on others."""
    pixels = (torch.arange(40 * 3 * 32 * 32).reshape(40, 3, 32, 32) * 2654435761 >> 7).remainder(256).to(torch.uint8)
    labels = torch.arange(40) % 2
    pixels[labels == 1] //= 2
    split = ImageSplit(pixels, labels)
    images = ImageData("made", ("bright", "dark"), split, split, lambda: split, "a test")
    network = nn.Sequential(nn.AvgPool2d(8), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(48, 2))
    recipe = TrainingRecipe(epochs=3, batch_size=16, lr=0.05, cutout=8)
    path = tmp_path / "training.safetensors"
    shutil.copy(OF_BEFORE / "after-one-epoch.safetensors", path)
    result = run(network, images, path, recipe)
    assert [epoch.epoch for epoch in result.epochs] == [1, 2, 3]
    expected = load_file(OF_BEFORE / "after-three-epochs.safetensors")
    for name, tensor in network.state_dict().items():
        torch.testing.assert_close(tensor, expected[name], atol=1e-6, rtol=1e-5)
