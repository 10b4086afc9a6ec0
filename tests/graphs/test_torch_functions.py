from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torchvision.ops import nms

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


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def parameter(*shape):
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
        (lambda s, x: tokens(x).mean(1), ["glob_avg"]),
        (lambda s, x: x.mean(axis=(2, 3)), ["glob_avg"]),
        (lambda s, x: x.mean(1), []),
        (lambda s, x: x - x.mean((2, 3), keepdim=True) * 0, ["glob_avg", "sum"]),
        (lambda s, x: F.adaptive_avg_pool2d(x, 16), []),
        (lambda s, x: F.adaptive_avg_pool2d(x, 4), ["avg_pool"]),
        (lambda s, x: F.max_pool2d(x, 2, return_indices=True), ["max_pool"]),
        (lambda s, x: F.adaptive_max_pool2d(x, 4, return_indices=True), ["max_pool"]),
        (lambda s, x: F.fractional_max_pool2d(x, 2, output_size=5), ["max_pool"]),
        (lambda s, x: F.fractional_max_pool2d(x, 2, output_ratio=(0.5, 0.5), return_indices=True), ["max_pool"]),
        (lambda s, x: F.lp_pool2d(x, 2, 4), ["avg_pool"]),
        (lambda s, x: F.lp_pool1d(x.flatten(2), 2.0, kernel_size=4), ["avg_pool"]),
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
        (lambda s, x: tokens(x) @ s.w, {"w": parameter(8, 4)}, ["conv"]),
        (lambda s, x: torch.addmm(s.b, x.mean((2, 3)), s.w), {"w": parameter(8, 4), "b": parameter(4)},
         ["glob_avg", "conv", "bias"]),
        (lambda s, x: x + s.b[:, None, None], {"b": parameter(8)}, ["bias"]),
        (lambda s, x: x + s.p, {"p": parameter(1, 8, 16, 16)}, ["pos_enc", "sum"]),
        (lambda s, x: x * s.g, {"g": parameter(8, 1, 1)}, ["sep_conv"]),
        (lambda s, x: torch.cat([s.c.expand(len(x), -1, -1), tokens(x)], 1), {"c": parameter(1, 1, 8)},
         ["pos_enc", "concat"]),
    ],
)  # fmt: skip
def test_with_parameters(function, parts, kinds):
    assert _kinds(function, **parts)[0] == kinds


def _conv_in_the_first_part(s, x):
    first, second = x.split([2, 6], 1)
    return torch.cat([s.part(first), second], 1)


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize(
    ("function", "channels", "resolution"),
    [
        (lambda x, n: F.max_pool2d(x.chunk(2, 1)[0], 2), 4, lambda n: [n // 2, n // 2]),
        (lambda x, n: F.max_pool2d(x.split([2, 6], 1)[1], 2), 6, lambda n: [n // 2, n // 2]),
        (lambda x, n: F.max_pool2d(x.tensor_split([3], 1)[1], 2), 5, lambda n: [n // 2, n // 2]),
        (lambda x, n: F.max_pool2d(F.glu(x, 1), 2), 4, lambda n: [n // 2, n // 2]),
        (lambda x, n: F.max_pool2d(x[:, 2:], 2), 6, lambda n: [n // 2, n // 2]),
        (lambda x, n: F.max_pool2d(x.permute(0, 2, 3, 1).chunk(2, -1)[1].permute(0, 3, 1, 2), 2), 4,
         lambda n: [n // 2, n // 2]),
        (lambda x, n: F.max_pool2d(x[:, :, : n // 2], 2), 8, lambda n: [n // 4, n // 2]),
        (lambda x, n: F.max_pool2d(x.chunk(2, 2)[0], 2), 8, lambda n: [n // 4, n // 2]),
        (lambda x, n: F.max_pool2d(x.mean(2, keepdim=True), (1, 2)), 8, lambda n: [1, n // 2]),
    ],
)  # fmt: skip
def test_parts_of_channels(function, channels, resolution, size):
    """Also where the image is as high and wide as it has channels, 8."""
    graph = ComputationalGraph.from_module(Head(lambda s, x: function(x, size)), size)
    assert PRIMITIVES[graph.primitives[-1]] == "max_pool"
    assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (channels, resolution(size))


@pytest.mark.parametrize(
    ("function", "channels", "resolution"),
    [
        (lambda x: F.max_pool2d(F.pixel_shuffle(x, 2), 2), 2, [16, 16]),
        (lambda x: F.max_pool2d(F.pixel_unshuffle(x, 2), 2), 32, [4, 4]),
        (lambda x: F.max_pool1d(F.unfold(x, 3, padding=1), 2), 72, [128, 1]),
        (lambda x: F.max_pool2d(F.fold(F.unfold(x, 2, stride=2), 16, 2, stride=2), 2), 8, [8, 8]),
        (lambda x: F.max_pool3d(x.unfold(3, 2, 2), (1, 1, 2)), 8, [128, 1]),
    ],
)
def test_channels_made_of_positions(function, channels, resolution):
    graph = ComputationalGraph.from_module(Head(lambda s, x: function(x)), 16)
    assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (channels, resolution)


def _split_attention(s, x):
    """As in ResNeSt: a sum of branches, and its global pooling."""
    branches = s.part(x).view(1, 2, 8, 16, 16)
    gates = s.gates(branches.sum(1).mean((2, 3))).view(1, 2, 8, 1, 1).softmax(1)
    return F.max_pool2d((branches * gates).sum(1), 2)


def test_sum_of_branches_that_channels_were_reshaped_into():
    kinds, graph = _kinds(_split_attention, part=nn.Conv2d(8, 16, 1), gates=nn.Linear(8, 16))
    assert kinds == ["conv", "bias", "conv", "bias", "cse", "max_pool"]
    assert graph.channels.tolist()[2:] == [16, 16, 16, 16, 16, 8]
    assert graph.resolutions[-1].tolist() == [8, 8]


def test_channels_that_are_reduced_away():
    """As in spatial attention, which looks at the mean and the maximum of all channels."""
    for reduced in (lambda x: x.mean(1), lambda x: x.amax(1), lambda x: x.max(1)[0], lambda x: x[:, 2]):
        _, graph = _kinds(lambda s, x, reduced=reduced: F.max_pool2d(reduced(x)[:, None], 2))
        assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (1, [8, 8])


@pytest.mark.parametrize(
    ("function", "channels", "resolution"),
    [
        (lambda s, x: s.w @ x.flatten(2), 4, [256, 1]),
        (lambda s, x: torch.matmul(s.w, x.flatten(2)), 4, [256, 1]),
        (lambda s, x: s.w.T[:, :4].T @ x.flatten(2), 4, [256, 1]),
        (lambda s, x: s.tokens @ tokens(x), 8, [5, 1]),
        (lambda s, x: torch.einsum("oc,bchw->bohw", s.w, x), 4, [16, 16]),
        (lambda s, x: torch.einsum("bchw,oc->bohw", x, s.w), 4, [16, 16]),
        (lambda s, x: torch.einsum("bchw,hec->bhwe", x, s.rows), 3, [16, 16]),
        (lambda s, x: torch.einsum("bnc,oc", tokens(x), s.w), 4, [256, 1]),
    ],
)
def test_channels_of_products(function, channels, resolution):
    """Wherever the parameter stands, and the channels in the result."""
    _, graph = _kinds(function, w=parameter(4, 8), tokens=parameter(5, 256), rows=parameter(16, 3, 8))
    assert PRIMITIVES[graph.primitives[-1]] == "conv"
    assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (channels, resolution)


def test_normalisation_of_rows_and_columns_keeps_the_channels():
    for norm in (nn.LayerNorm((16, 16)), nn.LayerNorm((8, 16, 16))):
        kinds, graph = _kinds(lambda s, x: F.max_pool2d(s.norm(x), 2), norm=norm)
        assert kinds == ["ln", "max_pool"]
        assert graph.channels.tolist()[2:] == [8, 8]
        assert graph.resolutions[2:].tolist() == [[16, 16], [8, 8]]
    _, graph = _kinds(lambda s, x: s.norm(tokens(x)), norm=nn.LayerNorm((256, 8)))
    assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (8, [256, 1])


@pytest.mark.parametrize(
    ("function", "channels", "resolution"),
    [
        (lambda s, x: torch.hstack([x, s.part(x)]), 12, [16, 16]),
        (lambda s, x: torch.column_stack([x.mean((2, 3)), s.part(x).mean((2, 3))]), 12, [1, 1]),
        (lambda s, x: torch.dstack([x[:, :4], s.part(x)]), 4, [32, 16]),
        (lambda s, x: torch.vstack([x[:, :4], s.part(x)]), 4, [32, 16]),
    ],
)
def test_stacks_are_concatenations(function, channels, resolution):
    kinds, graph = _kinds(function, part=nn.Conv2d(8, 4, 1, bias=False))
    assert kinds[-1] == "concat"
    assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (channels, resolution)


def test_kernels_of_poolings():
    for pool in (nn.LPPool2d(3, 2), nn.FractionalMaxPool2d(2, output_size=8), nn.MaxPool2d(2)):
        _, graph = _kinds(lambda s, x: s.pool(x), pool=pool)
        assert (graph.kernel_sizes[-1].tolist(), graph.resolutions[-1].tolist()) == ([2, 2], [8, 8])


def test_nodes_of_a_recurrent_layer_have_its_positions():
    """Both directions of it have 256, whatever is at the end."""
    for part in (nn.LSTM(8, 4, bidirectional=True, batch_first=True), nn.GRU(8, 4, batch_first=True)):
        kinds, graph = _kinds(lambda s, x: s.part(tokens(x))[0][:, -1], part=part)
        assert "bias" in kinds
        assert graph.resolutions[2:].tolist() == [[256, 1]] * len(kinds)


class _Lookup(nn.Module):
    """Words by a function of a table and their numbers."""

    def __init__(self, function):
        super().__init__()
        self.words = nn.Embedding(9, 4)
        self.function = function

    def forward(self, ids, *others):
        return self.function(self.words.weight, ids, *others)


def test_whatever_looks_words_up_is_an_embedding():
    ids = torch.zeros(1, 7, dtype=torch.long)
    expected = ComputationalGraph.from_module(_Lookup(lambda w, ids: F.embedding(ids, w)), example_inputs=ids)
    assert expected.names == ("input", "words.weight")
    assert (expected.channels[-1], expected.resolutions[-1].tolist(), expected.macs) == (4, [7, 1], 0)
    for function in (lambda w, ids: w[ids], lambda w, ids: w.index_select(0, ids[0])):
        assert ComputationalGraph.from_module(_Lookup(function), example_inputs=ids) == expected
    bag = ComputationalGraph.from_module(_Lookup(lambda w, ids: F.embedding_bag(ids, w)), example_inputs=ids)
    assert (bag.names, bag.resolutions[-1].tolist()) == (expected.names, [1, 1])
    given = ids[0], torch.zeros(1, dtype=torch.long)
    bag = ComputationalGraph.from_module(
        _Lookup(lambda w, ids, offsets: F.embedding_bag(ids, w, offsets)), example_inputs=given
    )
    assert (bag.names, bag.edges.tolist()) == (("input", "input", "words.weight"), [[0, 2], [1, 2]])


def test_joined_rows_of_as_many_as_there_are_channels():
    """Columns and rows of 8 channels at 8x8 are no channels."""
    for dim, size in ((2, [16, 8]), (3, [8, 16]), (-1, [8, 16])):
        head = Head(lambda s, x, dim=dim: torch.cat([x, s.part(x)], dim), part=nn.Conv2d(8, 8, 1, bias=False))
        graph = ComputationalGraph.from_module(head, 8)
        assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (8, size)


def test_numpys_name_of_a_dimension():
    """As Keras writes it."""
    axis: dict[str, Any] = {"axis": 1}
    kinds, graph = _kinds(lambda s, x: torch.cat([x, s.part(x)], **axis), part=nn.Conv2d(8, 4, 1, bias=False))
    assert kinds == ["conv", "concat"]
    assert (graph.channels[-1], graph.resolutions[-1].tolist()) == (12, [16, 16])


def test_parts_of_several_sizes():
    _, graph = _kinds(_conv_in_the_first_part, part=nn.Conv2d(2, 2, 3, padding=1, bias=False))
    assert graph.channels.tolist() == [3, 8, 2, 8]
    assert graph.resolutions.tolist() == [[16, 16]] * 4


def test_attention_by_hand_equals_the_function():
    def by_hand(s, x):
        q, k, v = s.qkv(tokens(x)).reshape(1, 256, 3, 2, 4).permute(2, 0, 3, 1, 4)
        weights = F.dropout((q @ k.transpose(-1, -2) / 2).softmax(-1), 0.1, training=False)
        return s.out((weights @ v).transpose(1, 2).flatten(2))

    def with_function(s, x):
        q, k, v = s.qkv(tokens(x)).reshape(1, 256, 3, 2, 4).permute(2, 0, 3, 1, 4)
        return s.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))

    parts = {"qkv": nn.Linear(8, 24, bias=False), "out": nn.Linear(8, 8)}
    for function in (by_hand, with_function):
        kinds, graph = _kinds(function, **parts)
        assert kinds == ["conv", "msa", "conv", "bias"]
        assert graph.channels.tolist()[2:] == [24, 8, 8, 8]
        assert graph.resolutions[2:].tolist() == [[256, 1]] * 4


def test_multi_head_attention_module():
    kinds, graph = _kinds(
        lambda s, x: s.part(tokens(x), tokens(x), tokens(x))[0], part=nn.MultiheadAttention(8, 2, batch_first=True)
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


def _read_another_part(s, x):
    first, whole = x[:, :4], x.view(1, 8, 256)
    first.mul_(s.part(x)[:, :4])
    return whole


class _Both(NamedTuple):
    image: torch.Tensor
    shape: tuple[int, ...]


@dataclass
class _Output:
    about: str
    logits: torch.Tensor


@pytest.mark.parametrize(
    ("function", "kinds"),
    [
        (lambda s, x: x * s.part(x), ["conv", "bias", "cse"]),
        (lambda s, x: x / s.part(x), ["conv", "bias", "cse"]),
        (lambda s, x: torch.maximum(x, s.part(x)), ["conv", "bias", "sum"]),
        (lambda s, x: torch.where(x > 0, x, s.part(x)), ["conv", "bias", "sum"]),
        (lambda s, x: F.prelu(x, s.part.bias), ["sep_conv"]),
        (lambda s, x: F.conv2d(x, s.part(x)[:, :, :1, :1].reshape(8, 1, 1, 1), groups=8), ["conv", "bias", "sep_conv"]),
        (_write_into_zeros, []),
        (_change_a_part, ["conv", "bias", "sum", "concat"]),
        (_read_another_part, ["conv", "bias", "cse", "concat"]),
        (lambda s, x: s.deep(x[:, :, None]), ["conv", "bias"]),
        (lambda s, x: s.part(x).type_as(x).to(x).expand_as(x).view_as(x).reshape_as(x), ["conv", "bias"]),
        (lambda s, x: s.part(x).masked_fill(x > 0, 1), ["conv", "bias"]),
        (lambda s, x: s.part(x).gather(1, x.argmax(1, keepdim=True)), ["conv", "bias"]),
        (lambda s, x: s.part(x)[:, :, x[0, 0, 0].argsort()], ["conv", "bias"]),
        (lambda s, x: s.part(x) * (x > 0), ["conv", "bias"]),
        (lambda s, x: s.part(x).flatten(2)[..., nms(x[0, :4, 0].T, x[0, 0, 0], 0.5)], ["conv", "bias"]),
        (lambda s, x: F.layer_norm(x + s.part.weight.mean(), (16,)), ["pos_enc", "sum"]),
        (lambda s, x: _Output("", s.part(x)), ["conv", "bias"]),
        (lambda s, x: _Both(s.part(x), ()), ["conv", "bias"]),
        (lambda s, x: {"logits": [s.part(x), x]}, ["conv", "bias"]),
    ],
)
def test_several_tensors(function, kinds):
    assert _kinds(function, part=nn.Conv2d(8, 8, 1), deep=nn.Conv3d(8, 8, 1))[0] == kinds


@pytest.mark.parametrize("size", [2, 1])
def test_an_excitation_is_one_at_every_resolution(size):
    """Told by its pooling and not by its size; the pooling, of which the gates are made, is no node."""
    squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 8, 1), nn.Sigmoid())
    head = Head(lambda s, x: s.part(x) * x, part=squeeze)
    graph = ComputationalGraph.from_module(head, size)
    assert [PRIMITIVES[p] for p in graph.primitives[2:]] == ["conv", "bias", "cse"]
    assert graph.edges.tolist() == [[0, 1], [1, 2], [1, 4], [2, 3], [3, 4]]


def test_attention_by_hand_between_other_functions():
    """Scores that are scaled, shifted and masked are still of the same attention."""

    def attend(s, x):
        q, k, v = s.qkv(tokens(x)).chunk(3, -1)
        scores = q @ k.transpose(1, 2) * s.scale + s.positions
        return scores.masked_fill(torch.ones(256, 256).tril() == 0, float("-inf")).softmax(-1) @ v

    parts = {"qkv": nn.Linear(8, 24), "scale": parameter(1), "positions": parameter(256, 256)}
    kinds, graph = _kinds(attend, **parts)
    assert kinds == ["conv", "bias", "sep_conv", "pos_enc", "sum", "msa"]
    assert graph.edges[2:].tolist() == [[2, 3], [3, 4], [3, 7], [4, 6], [5, 6], [6, 7]]


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda s, x: torch.cdist(tokens(x), tokens(s.part(x))), "no primitive stands for cdist of several tensors"),
        (lambda s, x: torch.cdist(tokens(x), s.part.weight[:, :, 0, 0]), "cdist with the parameter 'part.weight'"),
    ],
)
def test_what_a_graph_cannot_show(function, message):
    with pytest.raises(GraphError, match=message):
        _kinds(function, part=nn.Conv2d(8, 8, 1), deep=nn.Conv3d(8, 8, 1))
