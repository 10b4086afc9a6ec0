"""Shapes that are worked out without PyTorch are those of PyTorch."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.nn import functional

from tart_nas.graphs import ComputationalGraph
from tart_nas.graphs.on_meta import OnMeta, quick_result


def _input(*shape):
    return torch.zeros(shape, device="meta").requires_grad_() * 1


@pytest.mark.parametrize("seed", range(12))
def test_a_convolution_has_pytorchs_shape(seed):
    rng = torch.Generator().manual_seed(seed)

    def number(low, high):
        return int(torch.randint(low, high + 1, (), generator=rng))

    groups = number(1, 3)
    x = _input(2, 2 * groups, number(5, 12), number(5, 12))
    weight = _input(3 * groups, 2, number(1, 5), number(1, 5))
    pairs = [(number(low, high), number(low, high)) for low, high in ((1, 3), (0, 2), (1, 2))]
    args = (x, weight, None, *pairs, groups)
    quick = quick_result("conv2d", args, {})
    try:
        expected = functional.conv2d(*args)
    except RuntimeError:  # too small
        assert quick is None
        return
    assert quick is not None
    assert quick.shape == expected.shape
    assert quick.is_meta
    assert quick.requires_grad
    quick.add_(1)  # as a network may


def test_what_is_not_known_is_left_to_pytorch():
    x, small = _input(2, 4, 8, 8), _input(4, 1, 1)
    product = quick_result("mul", (x, small), {})
    assert product is not None
    assert product.shape == x.shape
    assert id(quick_result("__iadd__", (x, x.clone()), {})) == id(x)
    assert quick_result("mul", (small, x), {}) is None
    assert quick_result("add", (x, x.double()), {}) is None
    assert quick_result("add", (x, x), {"alpha": 2}) is None
    assert quick_result("conv2d", (x, _input(3, 3, 1, 1), None, (1, 1), (0, 0), (1, 1), 1), {}) is None
    assert quick_result("conv2d", (x, _input(3, 4, 1, 1), None, (1, 1), "same", (1, 1), 1), {}) is None


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("adaptive_avg_pool2d", (_input(2, 4, 8, 6), 1), {}),
        ("adaptive_avg_pool2d", (_input(2, 4, 8, 6), (None, 3)), {}),
        ("adaptive_avg_pool2d", (_input(2, 4, 8, 6),), {"output_size": (2, 1)}),
        ("linear", (_input(2, 5, 4), _input(3, 4), _input(3)), {}),
        ("linear", (_input(4), _input(3, 4)), {"bias": None}),
    ],
)
def test_other_shapes_are_pytorchs(name, args, kwargs):
    quick = quick_result(name, args, kwargs)
    assert quick is not None
    assert quick.shape == getattr(functional, name)(*args, **kwargs).shape
    assert quick.requires_grad


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("adaptive_avg_pool2d", (_input(4, 8, 6), 1)),
        ("linear", (_input(2, 5), _input(3, 4))),
        ("linear", (_input(2, 4), _input(3, 4), _input(2))),
        ("linear", (_input(2, 4), _input(4))),
    ],
)
def test_what_is_no_usual_call_is_left_to_pytorch(name, args):
    assert quick_result(name, args, {}) is None


_C4, _C8 = _input(4), _input(8)


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("batch_norm", (_input(2, 4, 8, 6), _C4.detach(), _C4.detach()), {"weight": _C4, "bias": _C4}),
        ("batch_norm", (_input(2, 4), _C4.detach(), _C4.detach(), None, None, False), {}),
        ("group_norm", (_input(2, 4, 8, 6), 2), {"weight": _C4, "bias": _C4}),
        ("instance_norm", (_input(2, 4, 8),), {"weight": _C4, "bias": _C4}),
        ("layer_norm", (_input(2, 3, 4), (3, 4)), {"weight": _input(3, 4)}),
        ("layer_norm", (_input(2, 8, 4), [4]), {"weight": _C4, "bias": _C4}),
        ("rms_norm", (_input(2, 8, 4),), {"normalized_shape": (4,), "weight": _C4}),
    ],
)
def test_normalisations_that_fit_have_pytorchs_shape(name, args, kwargs):
    quick = quick_result(name, args, kwargs)
    assert quick is not None
    assert quick.shape == getattr(functional, name)(*args, **kwargs).shape


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("batch_norm", (_input(2, 4, 8, 6), _C8.detach(), _C8.detach()), {}),
        ("batch_norm", (_input(2, 4, 8, 6), None, None), {"weight": _C8, "bias": _C8, "training": True}),
        ("batch_norm", (_C4, _C4.detach(), _C4.detach()), {}),
        ("group_norm", (_input(2, 4, 8, 6), 3), {}),
        ("group_norm", (_input(2, 4, 8, 6), 2), {"weight": _C8, "bias": _C8}),
        ("instance_norm", (_input(2, 4, 8, 6),), {"weight": _C8, "bias": _C8}),
        ("instance_norm", (_input(2, 4, 1, 1),), {}),
        ("layer_norm", (_input(2, 8, 4), (8,)), {"weight": _C8, "bias": _C8}),
        ("layer_norm", (_input(2, 8, 4), (4,)), {"weight": _C8}),
        ("layer_norm", (_C4, (8, 4)), {}),
        ("rms_norm", (_input(2, 8, 4), (8,)), {}),
    ],
)
def test_normalisations_that_do_not_fit_are_left_to_pytorch(name, args, kwargs):
    assert quick_result(name, args, kwargs) is None
    numbers = [torch.zeros(arg.shape) if isinstance(arg, torch.Tensor) else arg for arg in args]
    given = {key: torch.zeros(arg.shape) if isinstance(arg, torch.Tensor) else arg for key, arg in kwargs.items()}
    with pytest.raises((RuntimeError, ValueError)):
        getattr(functional, name)(*numbers, **given)


def test_weights_with_numbers_are_filled_inside_too():
    fill = nn.Linear.reset_parameters
    with pytest.raises(ZeroDivisionError), OnMeta(), OnMeta():
        with ThreadPoolExecutor(1) as other:
            filled = other.submit(nn.Linear, 4, 4).result()
        given = nn.init.ones_(torch.zeros(3, device="cpu"))
        skipped = nn.Linear(4, 4)
        1 / 0  # noqa: B018
    assert skipped.weight.is_meta
    assert 0 < filled.weight.detach().abs().max().item() < 1
    assert given.tolist() == [1, 1, 1]
    assert nn.Linear.reset_parameters is fill


def test_tensors_are_made_without_numbers_inside():
    with OnMeta():
        conv, linear = nn.Conv2d(3, 8, 3), nn.Linear(4, 2)
        module = nn.Sequential(conv, nn.BatchNorm2d(8), linear, nn.Embedding(3, 2))
        nn.init.trunc_normal_(linear.weight)
        nn.init.kaiming_normal_(conv.weight)
        given = torch.ones(2, device="cpu")
        given.add_(1)
    assert all(tensor.is_meta for tensor in module.state_dict().values())
    assert given.tolist() == [2, 2]


def test_code_that_is_called_inside_may_have_numbers():
    mode = OnMeta()
    with mode:
        with mode.paused():
            assert torch.ones(2).sum().item() == 2
        assert torch.ones(2).is_meta


def test_frozen_parameters_of_a_traced_network_stay_frozen():
    module = nn.Conv2d(3, 2, 1)
    module.weight.requires_grad_(False)
    assert ComputationalGraph.from_module(module, 8).num_parameters == 8
    assert not module.weight.requires_grad
