import pytest
import torch
from torch import nn

from tart_nas.networks.depthwise import DilatedDepthwiseConv2d


def twins(kernel_size, stride):
    ours = DilatedDepthwiseConv2d(6, kernel_size, stride)
    settings = {"stride": stride, "padding": 2 * (kernel_size // 2), "dilation": 2, "groups": 6, "bias": False}
    theirs = nn.Conv2d(6, 6, kernel_size, **settings)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@pytest.mark.parametrize("kernel_size", [3, 5])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [(8, 8), (6, 10), (2, 4), (1, 1), (7, 8), (9, 5)])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_values_and_gradients_are_those_of_conv2d(kernel_size, stride, size, memory_format):
    ours, theirs = twins(kernel_size, stride)
    x = torch.randn(3, 6, *size).to(memory_format=memory_format).requires_grad_()
    x_too = x.detach().clone().requires_grad_()
    y, expected = ours(x), theirs(x_too)
    torch.testing.assert_close(y, expected)
    weights = torch.randn_like(y)
    (y * weights).sum().backward()
    (expected * weights).sum().backward()
    torch.testing.assert_close(x.grad, x_too.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=1e-4, atol=1e-5)


def test_it_tells_the_same_settings():
    ours, theirs = twins(5, 2)
    assert ours.extra_repr() == theirs.extra_repr()


def test_gradients_of_a_frozen_kernel_or_input():
    ours, _ = twins(3, 1)
    ours(torch.randn(2, 6, 4, 4)).sum().backward()
    assert ours.weight.grad is not None
    x = torch.randn(2, 6, 4, 4, requires_grad=True)
    ours.requires_grad_(False)(x).sum().backward()
    assert x.grad is not None


@pytest.mark.parametrize("stride", [1, 2])
def test_it_trains_under_autocast(stride):
    ours, theirs = twins(3, stride)
    x = torch.randn(2, 6, 8, 8)
    with torch.autocast("cpu", torch.bfloat16):
        y, expected = ours(x), theirs(x)
    assert y.dtype == torch.bfloat16
    y.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad, rtol=0.05, atol=0.5)


@pytest.mark.parametrize("stride", [1, 2])
def test_second_derivatives(stride):
    ours, theirs = twins(3, stride)
    x = torch.randn(2, 6, 4, 4)
    results = []
    for conv in (ours, theirs):
        (gradient,) = torch.autograd.grad(conv(x).pow(3).sum(), conv.weight, create_graph=True)
        results.append(torch.autograd.grad(gradient.square().sum(), conv.weight)[0])
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-2)
