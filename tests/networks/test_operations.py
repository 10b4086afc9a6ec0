import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import SqueezeExcitation

from tart_nas.networks.operations import (
    ChannelExcitation,
    FactorizedReduction,
    SelfAttention,
    Stride,
    cell_operation,
    preprocessing,
)
from tart_nas.operations import CELL_OPS

CASES = [(name, stride) for name in CELL_OPS[1:] for stride in (1, 2) if (name, stride) != ("msa", 2)]


@pytest.mark.parametrize(("name", "stride"), CASES)
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_every_operation_keeps_or_halves(name, stride, memory_format, size):
    operation = cell_operation(name, 16, stride, nn.BatchNorm2d).to(memory_format=memory_format)
    x = torch.randn(4, 16, *size).to(memory_format=memory_format).requires_grad_()
    before = x.detach().clone()
    y = operation(x)
    assert y.shape == (4, 16, -(-size[0] // stride), -(-size[1] // stride))
    y.square().sum().backward()
    assert torch.equal(x, before)  # nothing works in place on an input that others share
    for gradient in [x.grad, *(p.grad for p in operation.parameters())]:
        assert gradient is not None
        assert gradient.isfinite().all()


@pytest.mark.parametrize(("name", "stride"), CASES)
def test_memory_format_does_not_change_the_values(name, stride):
    operation = cell_operation(name, 16, stride, nn.BatchNorm2d)
    x = torch.randn(2, 16, 8, 8)
    expected = operation(x)
    operation = operation.to(memory_format=torch.channels_last)
    torch.testing.assert_close(operation(x.to(memory_format=torch.channels_last)), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CELL_OPS[1:])
def test_without_normalisation_the_names_stay(name):
    with_norm = cell_operation(name, 16, 1, nn.BatchNorm2d)
    without = cell_operation(name, 16, 1, nn.Identity)
    norms = {name for name, module in with_norm.named_modules() if isinstance(module, nn.BatchNorm2d)}
    expected = {key for key, _ in with_norm.named_parameters() if key.rpartition(".")[0] not in norms}
    assert {key for key, _ in without.named_parameters()} == expected


@pytest.mark.parametrize("size", [8, 7])
def test_attention_equals_torch_multihead_attention(size):
    ours = SelfAttention(24)
    theirs = nn.MultiheadAttention(24, 8, batch_first=True)
    attention = {"in_proj_weight": ours.to_qkv.weight.detach(), "in_proj_bias": torch.zeros(72)}
    theirs.load_state_dict(attention | {f"out_proj.{k}": v for k, v in ours.to_out[0].state_dict().items()})
    tokens = torch.randn(3, size**2, 24)
    expected, _ = theirs(tokens, tokens, tokens, need_weights=False)
    torch.testing.assert_close(ours.attention(tokens), expected)


def test_the_attention_block_equals_torch_transformer_layer():
    ours = SelfAttention(16)
    theirs = nn.TransformerEncoderLayer(16, 8, 16, 0.0, F.gelu, batch_first=True, norm_first=True)
    attention = {"in_proj_weight": ours.to_qkv.weight.detach(), "in_proj_bias": torch.zeros(48)}
    theirs.self_attn.load_state_dict(attention | {f"out_proj.{k}": v for k, v in ours.to_out[0].state_dict().items()})
    theirs.linear1.load_state_dict(ours.ff.net[0].state_dict())
    theirs.linear2.load_state_dict(ours.ff.net[3].state_dict())
    x = torch.randn(2, 16, 5, 3)
    expected = theirs(x.flatten(2).transpose(1, 2)).transpose(1, 2).reshape(x.shape)
    torch.testing.assert_close(ours(x), expected, rtol=1e-4, atol=1e-5)


def test_attention_takes_channels_that_are_no_multiple_of_the_heads():
    assert SelfAttention(20)(torch.randn(2, 20, 4, 4)).shape == (2, 20, 4, 4)


@pytest.mark.parametrize("stride", [1, 2])
def test_excitation_equals_torchvision(stride):
    ours = ChannelExcitation(12, stride)
    theirs = SqueezeExcitation(12, 6, scale_activation=nn.Hardswish)
    with torch.no_grad():
        for linear, conv in ((ours.fc1, theirs.fc1), (ours.fc2, theirs.fc2)):
            conv.weight.copy_(linear.weight[:, :, None, None])
            conv.bias.copy_(linear.bias)
    x = torch.randn(4, 12, 6, 5)
    torch.testing.assert_close(ours(x), theirs(x)[:, :, ::stride, ::stride])


@pytest.mark.parametrize("size", [(6, 8), (7, 5)])
def test_factorized_reduction_equals_two_strided_convolutions(size):
    reduction = FactorizedReduction(6, 8, nn.BatchNorm2d).eval()
    x = torch.randn(2, 6, *size)
    padded = F.pad(F.relu(x), (0, size[1] % 2, 0, size[0] % 2))
    even = F.conv2d(padded, reduction.conv_1.weight, stride=2)
    odd = F.conv2d(padded[:, :, 1:, 1:], reduction.conv_2.weight, stride=2)
    torch.testing.assert_close(reduction(x), reduction.bn(torch.cat([even, odd], 1)), rtol=1e-4, atol=1e-5)


def test_an_odd_number_of_channels_is_split():
    assert FactorizedReduction(4, 5, nn.BatchNorm2d)(torch.randn(2, 4, 6, 6)).shape == (2, 5, 3, 3)
    assert isinstance(preprocessing(4, 5, True, nn.BatchNorm2d), FactorizedReduction)


def test_average_pooling_leaves_the_padding_out():
    pool = cell_operation("avg_pool_3x3", 2, 1, nn.Identity)
    torch.testing.assert_close(pool(torch.ones(1, 2, 4, 4)), torch.ones(1, 2, 4, 4))


def test_stride_takes_the_even_pixels():
    x = torch.arange(15.0).reshape(1, 1, 3, 5)
    assert Stride()(x).tolist() == [[[[0, 2, 4], [10, 12, 14]]]]
