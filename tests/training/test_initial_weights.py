import pytest
import torch
from safetensors.torch import save_file

from tart_nas.errors import CheckpointError
from tart_nas.training import TrainingRecipe, train
from tests.training.test_training import weights

RECIPE = TrainingRecipe(epochs=1, batch_size=32, lr=0.1)


@pytest.fixture
def other(small):
    network = small()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(0.5)
    return network


@pytest.mark.parametrize("form", ["tensors", "file", "folder"])
def test_a_training_begins_with_them(form, other, small, few, tmp_path):
    save_file(other.state_dict(), tmp_path / "weights.safetensors")
    given = {"tensors": other.state_dict(), "file": tmp_path / "weights.safetensors", "folder": str(tmp_path)}[form]
    network = small()
    train(network, few, RECIPE, device="cpu", initial_weights=given)
    train(other, few, RECIPE, device="cpu")
    assert torch.equal(weights(network), weights(other))


def test_what_is_missing_in_them_stays(other, small, few):
    network = small()
    frozen = TrainingRecipe(epochs=1, lr=1e-30, weight_decay=0.0)
    train(network, few, frozen, device="cpu", initial_weights={"classifier.weight": other.classifier.weight})
    assert torch.equal(network.classifier.weight, other.classifier.weight)
    assert torch.equal(network.classifier.bias, small().classifier.bias)


def test_the_checkpoint_is_of_them(other, small, few, tmp_path):
    path = tmp_path / "training.safetensors"
    train(small(), few, RECIPE, device="cpu", checkpoint=path, initial_weights=other.state_dict())
    train(
        small(), few, RECIPE, device="cpu", checkpoint=path, initial_weights=small().state_dict() | other.state_dict()
    )
    for others in ({"initial_weights": small().state_dict()}, {}):
        with pytest.raises(CheckpointError, match=r"another training \(initial_weights \w+ then, \w+ now\)"):
            train(small(), few, RECIPE, device="cpu", checkpoint=path, **others)


@pytest.mark.parametrize(
    ("tensors", "said"),
    [
        ({}, "must hold at least one tensor"),
        ({"classifier.weights": torch.zeros(10, 512)}, "another network: it has no 'classifier.weights'"),
        ({"classifier.bias": torch.zeros(9)}, r"'classifier.bias' has the shape \(9,\), but must have \(10,\)"),
        ({"classifier.bias": torch.full((10,), torch.nan)}, "not finite in 'classifier.bias'"),
    ],
)
def test_of_another_network(tensors, said, small, few):
    network = small()
    with pytest.raises(CheckpointError, match=said):
        train(network, few, RECIPE, device="cpu", initial_weights=tensors)
    assert torch.equal(weights(network), weights(small()))


@pytest.mark.parametrize("content", [None, b"", b"something else"])
def test_a_file_that_holds_none(content, small, few, tmp_path):
    path = tmp_path / "weights.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match="holds no initial weights in a safetensors file"):
        train(small(), few, RECIPE, device="cpu", initial_weights=path)
