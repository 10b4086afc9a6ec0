import pytest
import torch
from torch import nn

from tart_nas.errors import SettingError
from tart_nas.measurements import inference_time


def convolutions(count):
    layers = [nn.Conv2d(3, 32, 3, padding=1)] + [nn.Conv2d(32, 32, 3, padding=1) for _ in range(count - 1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32 * 16 * 16, 10))


def test_more_layers_take_longer_and_the_reference_is_the_same_network():
    few, many = (inference_time(convolutions(n), 16, passes=9, device="cpu") for n in (2, 40))
    assert many.milliseconds > 3 * few.milliseconds > 0  # 39 against 1 of the same layer
    assert 0.2 < many.reference / few.reference < 5
    assert all(0.2 < time.relative * time.reference / time.milliseconds < 5 for time in (few, many))


def test_the_network_and_the_number_of_threads_stay_as_they_were():
    threads, network = torch.get_num_threads(), convolutions(2).train()
    network[0].eval()
    state = torch.get_rng_state()
    before = [value.clone() for value in network.state_dict().values()]
    inference_time(network, 16, batch_size=4, passes=1, device="cpu")
    assert [network.training, network[0].training, network[1].training] == [True, False, True]
    assert torch.get_num_threads() == threads
    assert all(torch.equal(a, b) for a, b in zip(before, network.state_dict().values(), strict=True))
    assert torch.equal(state, torch.get_rng_state())


def test_kernels_of_volumes_keep_their_layout():
    """As in timm's lambda networks: PyTorch has channels last for images only."""
    layouts = []

    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.image, self.volume = nn.Conv2d(3, 4, 3), nn.Conv3d(1, 2, (1, 3, 3))

        def forward(self, x):
            layouts.append([p.weight.is_contiguous() for p in (self.image, self.volume)])
            return self.volume(self.image(x)[:, None])

    network = Both()
    assert inference_time(network, 8, batch_size=2, passes=1, device="cpu").milliseconds > 0
    assert {tuple(layout) for layout in layouts} == {(False, True)}
    assert network.image.weight.is_contiguous()


@pytest.mark.parametrize("name", ["batch_size", "passes", "image_size"])
def test_out_of_range(name):
    options = {"image_size": 16, "batch_size": 4, "passes": 1, name: 0}
    with pytest.raises(SettingError, match=f"`{name}` must be a whole number of at least 1, but got 0"):
        inference_time(convolutions(2), device="cpu", **options)
