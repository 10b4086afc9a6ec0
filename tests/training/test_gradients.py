import copy
import logging

import pytest
import torch
from torch import nn

from tart_nas.images import load_images
from tart_nas.training import TrainingRecipe, train
from tart_nas.training.gradients import Captured, EagerGradients, gradients_of

RECIPE = TrainingRecipe(epochs=100, batch_size=4)


def batch(n, device="cpu"):
    return torch.randn(n, 3, 32, 32, device=device), torch.randint(10, (n,), device=device)


def gradients_after(gradients, network, *arguments):
    network.zero_grad()
    logits, loss = gradients(*arguments)
    return [logits.clone(), loss.clone(), *(p.grad.clone() for p in network.parameters())]


@pytest.mark.parametrize("compile", [True, False, None])
def test_networks_on_a_cpu_are_computed_one_by_one(compile, small):
    assert isinstance(gradients_of(small(), RECIPE, 32, torch.device("cpu"), compile, 1000), EagerGradients)


def test_weights_scale_gradients_and_add_up(small):
    network, (images, labels) = small().eval(), batch(6)  # where the statistics are not those of the part
    gradients = EagerGradients(network, RECIPE)
    whole = gradients_after(gradients, network, images, labels)
    network.zero_grad()
    for rows in (slice(0, 2), slice(2, 6)):
        gradients(images[rows], labels[rows], len(images[rows]) / 6)
    for parameter, wanted in zip(network.parameters(), whole[2:], strict=True):
        torch.testing.assert_close(parameter.grad, wanted)


@pytest.mark.gpu
@pytest.mark.parametrize("compile", [True, None])
def test_the_choice_on_a_gpu_leaves_the_network_as_it_was(compile, small):
    network = small().cuda().to(memory_format=torch.channels_last).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    gradients = gradients_of(network, RECIPE, 32, torch.device("cuda", 0), compile, 1000)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    for n in (4, 3, 4):  # whole and other batches
        arguments = batch(n, "cuda")
        found = gradients_after(gradients, network, *arguments)
        wanted = gradients_after(EagerGradients(network, RECIPE), network, *arguments)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one.float(), other.float(), atol=2e-2, rtol=2e-2)


@pytest.mark.gpu
def test_a_graph_gives_the_same_gradients(small):
    network = small().cuda().to(memory_format=torch.channels_last).train()
    captured = Captured(network, RECIPE, *batch(4, "cuda"))
    for parts in ([4], [2, 2], [4]):
        images, labels = batch(4, "cuda")
        gradients = []
        for way in (captured, EagerGradients(network, RECIPE)):
            network.zero_grad()
            for some, wanted in zip(images.split(parts), labels.split(parts), strict=True):
                way(some, wanted, len(some) / 4)
            gradients.append([parameter.grad.clone() for parameter in network.parameters()])
        for one, other in zip(*gradients, strict=True):
            torch.testing.assert_close(one, other, atol=1e-3, rtol=1e-3)


@pytest.mark.gpu
def test_short_trainings_and_changing_networks_are_not_captured(small):
    network, device = small().cuda(), torch.device("cuda", 0)
    assert isinstance(gradients_of(network, RECIPE, 32, device, None, 4), EagerGradients)
    changing = TrainingRecipe(epochs=100, batch_size=4, drop_path=0.2)
    assert isinstance(gradients_of(network, changing, 32, device, None, 1000), EagerGradients)


@pytest.mark.gpu
def test_a_network_that_cannot_be_captured_is_computed_one_by_one(small, caplog):
    class Reading(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = small()

        def forward(self, images):
            return self.network(images) * (1 if images.sum().item() else 2)  # waits for the GPU

    network = Reading().cuda()
    with caplog.at_level(logging.INFO):
        assert isinstance(gradients_of(network, RECIPE, 32, torch.device("cuda", 0), None, 1000), EagerGradients)
    assert "no CUDA graph can be captured" in caplog.text
    images, labels = batch(4, "cuda")  # the GPU and its random numbers are as they were
    EagerGradients(network, RECIPE)(images, labels)


@pytest.mark.gpu
def test_graphs_train_as_operations_one_by_one_do(small, caplog):
    images, recipe = load_images("digits"), TrainingRecipe(epochs=4, batch_size=20, lr=0.02)
    first = small()
    with caplog.at_level(logging.INFO):
        plain, graphs = (
            train(copy.deepcopy(first), images, recipe, device="cuda", compile=compile) for compile in (False, None)
        )
    assert "as a CUDA graph" in caplog.text
    assert graphs.validation_accuracy == pytest.approx(plain.validation_accuracy, abs=0.05)
