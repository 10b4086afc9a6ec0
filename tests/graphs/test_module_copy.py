"""Tracing leaves the user's network, and all random numbers, exactly as they were."""

import copy
import random
import threading
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.models as models
from torch import nn
from torch.nn.utils import parametrizations, spectral_norm
from torch.nn.utils import weight_norm as old_weight_norm

from tart_nas.errors import GraphError, SettingError
from tart_nas.graphs import ComputationalGraph

pytestmark = pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")


def state(module):
    """All that a network consists of: identities, storage, numbers, flags and attributes."""
    tensors = {}
    for name, tensor in [*module.named_parameters(remove_duplicate=False), *module.named_buffers()]:
        numbers = None if tensor.is_meta or isinstance(tensor, nn.UninitializedParameter) else tensor.detach().clone()
        tensors[name] = (id(tensor), type(tensor), tensor.device, tensor.requires_grad, id(tensor.grad), numbers)
    parts = {}
    for name, part in module.named_modules(remove_duplicate=False):
        attributes = {key: value for key, value in vars(part).items() if key not in ("_parameters", "_buffers")}
        hooks = [list(value) for key, value in attributes.items() if key.endswith("hooks")]
        plain = {k: copy.copy(v) for k, v in attributes.items() if isinstance(v, int | float | str | list | type(None))}
        parts[name] = (id(part), type(part), {k: id(v) for k, v in attributes.items()}, plain, hooks)
    numpy: Any = np.random.get_state()  # noqa: NPY002
    return tensors, parts, (torch.get_rng_state().tolist(), random.getstate(), numpy[1].tolist(), numpy[2])


def same(before, after):
    assert before[1:] == after[1:]
    assert before[0].keys() == after[0].keys()
    for name, values in before[0].items():
        assert values[:-1] == after[0][name][:-1], name
        assert values[-1] is after[0][name][-1] is None or torch.equal(values[-1], after[0][name][-1]), name


def traced(module, size=32):
    """The graph, with a proof that nothing else has changed."""
    before = state(module)
    graph = ComputationalGraph.from_module(module, size)
    same(before, state(module))
    return graph


class UnderTwoNames(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = models.resnet18()
        self.features = nn.Sequential(*list(self.backbone.children())[:-1])
        self.head = nn.Linear(512, 10)

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def test_a_module_under_two_names(tmp_path):
    network = UnderTwoNames()
    graph = traced(network)
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    assert (tmp_path / "weights.pt").stat().st_size > 40 * 2**20
    assert graph.num_nodes == ComputationalGraph.from_module(models.resnet18(num_classes=10), 32).num_nodes


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "squeezenet1_1", "swin_t"])
def test_torchvision_models_in_any_mode(name):
    network = models.get_model(name)
    graph = traced(network, 64)
    network.eval().requires_grad_(False)
    network.get_submodule("features").train()
    frozen = traced(network, 64)
    assert (frozen.names, frozen.edges.tolist()) == (graph.names, graph.edges.tolist())
    with torch.device("meta"):
        empty = models.get_model(name)
    assert traced(empty, 64).names == graph.names


class Busy(nn.Module):
    """Does in its forward pass all that changes a network."""

    count: Any
    lazy: Any

    def __init__(self, looks=False):
        super().__init__()
        self.conv, self.norm, self.lazy = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.LazyConv2d(2, 1)
        self.register_buffer("count", torch.zeros(()))
        self.calls, self.seen, self.cache, self.made, self.looks = 0, [], None, {}, looks
        self.generator, self.lock = torch.Generator().manual_seed(1), threading.Lock()

    def forward(self, x):
        with self.lock:
            self.calls += 1
        self.seen.append(x)
        self.count += 1
        with torch.no_grad():
            self.conv.weight.mul_(2)
        x = self.norm(self.conv(x)) + torch.randn(4, 1, 1) + random.random() + float(np.random.rand())  # noqa: NPY002
        if self.cache is None:
            self.cache = x
        self.made.setdefault("scale", torch.rand(1))
        self.conv.weight.requires_grad_(False)
        self.train(not self.training)
        if self.looks and self.count.item() < 0:
            return x
        return self.lazy(x)


@pytest.mark.parametrize("looks", [False, True])  # at numbers, which the meta device does not have
def test_a_network_that_changes_in_its_forward_pass(looks):
    network = Busy(looks)
    network.conv.weight.grad = torch.ones_like(network.conv.weight)
    graph = traced(network)
    assert graph.names[-2:] == ("lazy.weight", "lazy.bias")
    assert (network.calls, network.seen, network.cache, network.made) == (0, [], None, {})
    assert isinstance(network.lazy.weight, nn.UninitializedParameter)
    assert torch.equal(network.conv.weight.grad, torch.ones_like(network.conv.weight))


class Fails(Busy):
    def forward(self, x):
        super().forward(x)
        raise ZeroDivisionError("in the middle")


def test_a_forward_pass_that_fails():
    network = Fails()
    before = state(network)
    with pytest.raises(GraphError, match="in the network itself: ZeroDivisionError: in the middle"):
        ComputationalGraph.from_module(network, 32)
    same(before, state(network))


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 3, padding=1), nn.Conv2d(3, 3, 3, padding=1)
        self.second.weight = self.first.weight
        self.recurrent = nn.GRU(4, 4)  # which keeps its weights in a list, too

    def forward(self, x):
        return self.second(self.first(x))


@pytest.mark.parametrize(
    "make",
    [
        Tied,
        lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU()),
        lambda: nn.Sequential(parametrizations.spectral_norm(nn.Conv2d(3, 4, 3)), nn.ReLU()),
        lambda: nn.Sequential(parametrizations.orthogonal(nn.Conv2d(3, 3, 1)), nn.ReLU()),
        lambda: nn.Sequential(old_weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU()),  # whose weight no deep copy can take
        lambda: nn.Sequential(spectral_norm(nn.Conv2d(3, 4, 3)), nn.ReLU()),
    ],
)
def test_tied_and_made_weights(make):
    network = make()
    network(torch.zeros(1, 3, 8, 8))
    before = state(network)
    with suppress(GraphError):  # an orthogonal weight is made in a way that no primitive stands for
        assert ComputationalGraph.from_module(network, 8).num_nodes > 1
    same(before, state(network))


def test_hooks_run_and_stay():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
    handle = network[0].register_forward_hook(lambda part, args, result: result.flatten(1))
    graph = traced(network, 8)
    assert graph.names == ("input", "0.weight", "0.bias")
    handle.remove()
    assert not network[0]._forward_hooks


class Holds(nn.Module):
    def __init__(self, thing):
        super().__init__()
        self.inner = nn.Conv2d(3, 4, 1)
        self.inner.thing = thing

    def forward(self, x):
        return self.inner(x)


def test_what_cannot_be_copied_is_named(tmp_path):
    with (tmp_path / "log").open("w") as file:
        network = Holds(file)
        before = state(network)
        with pytest.raises(GraphError, match="cannot be copied.*: attribute 'thing' of module 'inner': TypeError"):
            ComputationalGraph.from_module(network, 8)
        same(before, state(network))
    for thing in (threading.RLock(), torch.Generator(), torch.ones(2, requires_grad=True) * 2, [nn.Parameter()]):
        assert traced(Holds(thing), 8).names == ("input", "inner.weight", "inner.bias")


def test_no_memory_is_taken_for_a_copy():
    """The 16 TB of these numbers are one number; a copy would be 16 TB."""
    network: Any = nn.Sequential(nn.Flatten(), nn.Linear(1, 1, bias=False))
    network[1].weight = nn.Parameter(torch.zeros(1).expand(2**30, 2**12))
    network.others = [network[1].weight.detach()]
    assert ComputationalGraph.from_module(network, (1, 64, 64)).names == ("input", "1.weight")


def test_what_is_no_module():
    with pytest.raises(SettingError, match="`module` must be a torch.nn.Module, but got function"):
        ComputationalGraph.from_module(lambda x: x, 8)  # type: ignore[arg-type]
