import copy
import logging

import pytest
import torch
from torch import nn

from tart_nas.images import load_images
from tart_nas.sgd import TrainingRecipe, train
from tart_nas.sgd.execution import training_forward

RECIPE = TrainingRecipe(epochs=100, batch_size=4)

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("compile", [True, False, None])
def test_networks_on_a_cpu_are_called_as_they_are(compile):
    network = nn.Flatten()
    assert training_forward(network, RECIPE, 8, torch.device("cpu"), compile, 1000) is network


@on_gpu
@pytest.mark.parametrize("compile", [True, None])
def test_the_choice_on_a_gpu_leaves_the_network_as_it_was(compile, small):
    network = small().cuda().to(memory_format=torch.channels_last).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    forward = training_forward(network, RECIPE, 32, torch.device("cuda"), compile, 1000)
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
    for n in (4, 3):  # whole and other batches
        images = torch.randn(n, 3, 32, 32, device="cuda")
        torch.testing.assert_close(forward(images), network(images), atol=1e-2, rtol=1e-2)


@on_gpu
def test_short_trainings_and_changing_networks_are_not_captured(small):
    network = small().cuda()
    assert training_forward(network, RECIPE, 32, torch.device("cuda"), None, 4) is network
    changing = TrainingRecipe(epochs=100, batch_size=4, drop_path=0.2)
    assert training_forward(network, changing, 32, torch.device("cuda"), None, 1000) is network


@on_gpu
def test_a_network_that_cannot_be_captured_is_called_as_it_is(small, caplog):
    class Reading(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = small()

        def forward(self, images):
            return self.network(images) * (1 if images.sum().item() else 2)  # waits for the GPU

    network = Reading().cuda()
    with caplog.at_level(logging.INFO):
        assert training_forward(network, RECIPE, 32, torch.device("cuda"), None, 1000) is network
    assert "cannot be captured" in caplog.text
    network(torch.randn(4, 3, 32, 32, device="cuda")).sum().backward()  # the GPU is as it was


@on_gpu
def test_graphs_train_as_the_network_itself_does(small, caplog):
    images, recipe = load_images("digits"), TrainingRecipe(epochs=4, batch_size=20, lr=0.02)
    first = small()
    with caplog.at_level(logging.INFO):
        plain, graphs = (
            train(copy.deepcopy(first), images, recipe, device="cuda", compile=compile) for compile in (False, None)
        )
    assert "as CUDA graphs" in caplog.text
    assert graphs.validation_accuracy == pytest.approx(plain.validation_accuracy, abs=0.05)
