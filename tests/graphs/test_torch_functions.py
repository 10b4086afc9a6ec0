import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tart_nas.errors import GraphError
from tart_nas.graphs import PRIMITIVES, ComputationalGraph


class Head(nn.Module):
    """A convolution to 8 channels of 16x16, and a function of it and of some parts."""

    def __init__(self, function, **parts):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1, bias=False)
        self.function = function
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x):
        return self.function(self, self.stem(x))


def _kinds(function, **parts):
    graph = ComputationalGraph.from_module(Head(function, **parts), 16)
    return [PRIMITIVES[p] for p in graph.primitives[2:]], graph


def _tokens(x):
    return x.flatten(2).transpose(1, 2)


def _parameter(*shape):
    return nn.Parameter(torch.ones(shape))


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (lambda s, x: x * torch.sigmoid(x), []),
        (lambda s, x: x + 1, []),
        (lambda s, x: x + x.relu(), []),
        (lambda s, x: F.relu_(x).flatten(1), []),
        (lambda s, x: F.adaptive_avg_pool2d(x, 1), ["glob_avg"]),
        (lambda s, x: x.mean((2, 3)), ["glob_avg"]),
        (lambda s, x: _tokens(x).mean(1), ["glob_avg"]),
        (lambda s, x: x.mean(1), []),
        (lambda s, x: x - x.mean((2, 3), keepdim=True) * 0, ["glob_avg", "sum"]),
        (lambda s, x: F.adaptive_avg_pool2d(x, 16), []),
        (lambda s, x: F.adaptive_avg_pool2d(x, 4), ["avg_pool"]),
        (lambda s, x: F.max_pool2d(x, 2, return_indices=True), ["max_pool"]),
        (lambda s, x: torch.cat(x.chunk(2, dim=1), dim=1), []),
        (lambda s, x: torch.cat([x, F.max_pool2d(x, 3, 1, 1)], dim=1), ["max_pool", "concat"]),
        (lambda s, x: F.layer_norm(x, x.shape[1:]), []),
        (lambda s, x: torch.cat([x, torch.zeros_like(x)], dim=1), []),
    ],
)
def test_without_parameters(function, kinds):
    assert _kinds(function)[0] == kinds


@pytest.mark.parametrize(
    ("function", "parts", "kinds"),
    [
        (lambda s, x: s.part(x), {"part": nn.Conv2d(8, 8, 3, groups=8)}, ["sep_conv", "bias"]),
        (lambda s, x: s.part(x), {"part": nn.Conv2d(8, 8, 3, groups=2, dilation=2)}, ["dil_conv", "bias"]),
        (lambda s, x: s.part(x), {"part": nn.Conv2d(8, 8, 3, dilation=2, bias=False)}, ["conv"]),
        (lambda s, x: s.part(x), {"part": nn.ConvTranspose2d(8, 4, 2)}, ["conv", "bias"]),
        (lambda s, x: s.part(x.flatten(2)), {"part": nn.Conv1d(8, 8, 3, bias=False)}, ["conv"]),
        (lambda s, x: s.part(x), {"part": nn.GroupNorm(2, 8)}, ["ln"]),
        (lambda s, x: s.part(x), {"part": nn.BatchNorm2d(8, affine=False)}, []),
        (lambda s, x: s.part(x), {"part": nn.InstanceNorm2d(8, affine=True)}, ["bn"]),
        (lambda s, x: s.part(x), {"part": nn.utils.parametrizations.weight_norm(nn.Conv2d(8, 4, 1))}, ["conv", "bias"]),
        (lambda s, x: _tokens(x) @ s.w, {"w": _parameter(8, 4)}, ["conv"]),
        (lambda s, x: torch.addmm(s.b, x.mean((2, 3)), s.w), {"w": _parameter(8, 4), "b": _parameter(4)},
         ["glob_avg", "conv", "bias"]),
        (lambda s, x: x + s.b[:, None, None], {"b": _parameter(8)}, ["bias"]),
        (lambda s, x: x + s.p, {"p": _parameter(1, 8, 16, 16)}, ["pos_enc", "sum"]),
        (lambda s, x: x * s.g, {"g": _parameter(8, 1, 1)}, ["sep_conv"]),
        (lambda s, x: torch.cat([s.c.expand(len(x), -1, -1), _tokens(x)], 1), {"c": _parameter(1, 1, 8)},
         ["pos_enc", "concat"]),
    ],
)  # fmt: skip
def test_with_parameters(function, parts, kinds):
    assert _kinds(function, **parts)[0] == kinds


def test_attention_by_hand_equals_the_function():
    def by_hand(s, x):
        q, k, v = s.qkv(_tokens(x)).reshape(1, 256, 3, 2, 4).permute(2, 0, 3, 1, 4)
        weights = F.dropout((q @ k.transpose(-1, -2) / 2).softmax(-1), 0.1, training=False)
        return s.out((weights @ v).transpose(1, 2).flatten(2))

    def with_function(s, x):
        q, k, v = s.qkv(_tokens(x)).reshape(1, 256, 3, 2, 4).permute(2, 0, 3, 1, 4)
        return s.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    parts = {"qkv": nn.Linear(8, 24, bias=False), "out": nn.Linear(8, 8)}
    for function in (by_hand, with_function):
        kinds, graph = _kinds(function, **parts)
        assert kinds == ["conv", "msa", "conv", "bias"]
        assert graph.channels.tolist()[2:] == [24, 8, 8, 8]
        assert graph.resolutions[2:].tolist() == [[256, 1]] * 4


def test_multi_head_attention_module():
    kinds, graph = _kinds(
        lambda s, x: s.part(_tokens(x), _tokens(x), _tokens(x))[0], part=nn.MultiheadAttention(8, 2, batch_first=True)
    )
    assert kinds == ["conv", "bias", "msa", "conv", "bias"]
    assert graph.names[2:4] == ("part.in_proj_weight", "part.in_proj_bias")
    assert graph.channels.tolist()[2:] == [24, 24, 8, 8, 8]


def test_channel_excitation_has_no_squeeze_node():
    def excite(s, x):
        return x * s.fc(F.adaptive_avg_pool2d(x, 1).flatten(1)).sigmoid()[:, :, None, None]

    kinds, graph = _kinds(excite, fc=nn.Linear(8, 8))
    assert kinds == ["conv", "bias", "cse"]
    assert graph.edges.tolist() == [[0, 1], [1, 2], [1, 4], [2, 3], [3, 4]]


def _write_into_zeros(s, x):
    y = torch.zeros(1, 8, 16, 16)
    y[:, :4] = x[:, :4]
    return y


def _change_a_part(s, x):
    x[:, :4].add_(s.part(x)[:, :4])
    return x


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda s, x: x * s.part(x), "no primitive stands for mul of two tensors of the same size"),
        (lambda s, x: torch.maximum(x, s.part(x)), "no primitive stands for maximum of several tensors"),
        (lambda s, x: F.prelu(x, s.part.bias), "no primitive stands for prelu with the parameter 'part.bias'"),
        (lambda s, x: F.conv2d(x, s.part(x)[:, :, :1, :1].reshape(8, 1, 1, 1), groups=8), "conv2d is no parameter"),
        (_write_into_zeros, "it writes into a part of a tensor"),
        (_change_a_part, "add changes a part of another tensor in place"),
        (lambda s, x: s.deep(x[:, :, None]), "module 'deep' does: its parameter 'deep.weight' has 5 dimensions"),
    ],
)
def test_what_a_graph_cannot_show(function, message):
    with pytest.raises(GraphError, match=message):
        _kinds(function, part=nn.Conv2d(8, 8, 1), deep=nn.Conv3d(8, 8, 1))
