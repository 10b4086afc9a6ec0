"""A module is traced once while it stays as it is; counted by its own forward pass."""

import gc
import weakref
from typing import Any

import pytest
import torch
from torch import nn

from tart_nas.graphs import ComputationalGraph
from tart_nas.graphs.remembered import remembered_graph

RUNS = {"n": 0}  # forward passes of all networks here


class Counted(nn.Module):
    scale: torch.Tensor

    def __init__(self, width=4, looks=False):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.depth, self.looks = 1, looks
        self.settings: dict[str, Any] = {"stages": [1]}
        self.register_buffer("scale", torch.ones(()))

    def forward(self, x):
        RUNS["n"] += 1
        if self.looks and self.scale.item() > 1:
            return self.first(x)
        x = self.first(x)
        for _ in range(self.depth * self.settings["stages"][0]):
            x = self.second(x)
        return x


def traces(module, size=32):
    """How often the module runs for its graph, which is the right one."""
    before = RUNS["n"]
    graph = remembered_graph(module, size)
    n = RUNS["n"] - before
    assert graph == ComputationalGraph.from_module(module, size)
    return n


def _trained(network):
    network(torch.zeros(1, 3, 8, 8)).sum().backward()
    torch.optim.SGD(network.parameters(), 0.1).step()


def _grown(network):
    network.settings["stages"][0] = 3


def test_an_unchanged_module_is_traced_once():
    network, other = Counted(), Counted()
    assert [traces(network), traces(network), traces(other), traces(network)] == [1, 0, 1, 0]
    _trained(network)  # other numbers, and gradients
    assert traces(network) == 0
    network.load_state_dict(other.state_dict())
    assert traces(network) == 0


def _pooled(part, args, result):
    return nn.functional.max_pool2d(result, 2)


def _wide(self, x):
    return self.first(x)


CHANGES = {
    "an attribute": lambda network: setattr(network, "depth", 2),
    "within an attribute": _grown,
    "a part": lambda network: setattr(network, "second", nn.Conv2d(4, 4, 1)),
    "a setting of a part": lambda network: setattr(network.second, "padding", (2, 2)),
    "a parameter": lambda network: setattr(network.second, "weight", nn.Parameter(torch.zeros(4, 4, 5, 5))),
    "tied parameters": lambda network: setattr(network.second, "bias", network.first.bias),
    "a function": lambda network: setattr(network, "forward", network.first.forward),
    "the class": lambda network: setattr(network, "__class__", type("Other", (Counted,), {"forward": _wide})),
    "a hook": lambda network: network.second.register_forward_hook(_pooled),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_module_is_traced_again(change):
    network = Counted()
    before = remembered_graph(network, 32)
    CHANGES[change](network)
    after = remembered_graph(network, 32)
    assert after == ComputationalGraph.from_module(network, 32)
    assert after != before


def test_another_image_size():
    network = Counted()
    assert [traces(network, size) for size in (32, 64, 64, 32)] == [1, 1, 0, 1]


def test_a_network_that_looks_at_numbers_is_traced_each_time():
    network = Counted(looks=True)
    assert remembered_graph(network, 32).num_nodes == 5
    network.scale.fill_(2)
    assert remembered_graph(network, 32).num_nodes == 3


def test_what_cannot_be_pickled_is_traced_each_time():
    network = Counted()
    network.settings["activation"] = lambda x: x
    assert [traces(network), traces(network)] == [1, 1]


def test_classes_of_functions():
    class Local(Counted):
        pass

    network = Local()
    assert [traces(network), traces(network)] == [1, 0]


def test_a_network_is_not_kept():
    network = Counted()
    remembered_graph(network, 32)
    gone = weakref.ref(network)
    gc.disable()  # it goes with its last name, not some time later
    try:
        del network
        assert gone() is None
    finally:
        gc.enable()
