import pytest
import torch
from torch import nn

from tart_nas.sgd import TrainingRecipe
from tart_nas.sgd.compilation import compiled_if_faster

RECIPE = TrainingRecipe(epochs=1, batch_size=4)


@pytest.mark.parametrize("compile", [True, False, None])
def test_networks_on_a_cpu_are_called_as_they_are(compile):
    network = nn.Flatten()
    assert compiled_if_faster(network, RECIPE, 8, torch.device("cpu"), compile) == (network, False)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("compile", [True, None])
def test_the_choice_on_a_gpu_leaves_the_network_as_it_was(compile, small):
    network = small().cuda().to(memory_format=torch.channels_last).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    forward, compiled = compiled_if_faster(network, RECIPE, 32, torch.device("cuda"), compile)
    assert compiled or compile is None
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    images = torch.randn(4, 3, 32, 32, device="cuda")
    torch.testing.assert_close(forward(images), network(images), atol=1e-2, rtol=1e-2)
