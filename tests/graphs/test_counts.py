"""Operations and parameters of graphs are those that PyTorch counts itself, for all ways to write a network."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations
from torch.nn.utils import weight_norm as old_weight_norm
from torchvision.ops import DeformConv2d

from tart_nas.experiments.traced_networks import (
    TOLERANCE,
    compared,
    timm_names,
    timm_network,
    torchvision_network,
)
from tart_nas.graphs import ComputationalGraph
from tart_nas.graphs.einsum import einsum_macs
from tests.graphs.test_torch_functions import Head, parameter, tokens


def _split_heads(x, heads=2):
    return x.unflatten(-1, (heads, -1)).transpose(-3, -2)


def _attend(q, k, v):
    return (q @ k.transpose(-1, -2)).softmax(-1) @ v


def _windows(s, x):
    """Attention within windows of 4 x 4, which stand in the batch dimension, as in Swin."""
    windows = x.unfold(2, 4, 4).unfold(3, 4, 4).permute(0, 2, 3, 4, 5, 1).reshape(-1, 16, 8)
    q, k, v = s.qkv(windows).chunk(3, -1)
    scores = q @ k.transpose(-1, -2) * s.scale + s.position
    return s.out(scores.softmax(-1) @ v)


def _linear_attention(s, x):
    q, k, v = map(_split_heads, s.qkv(tokens(x)).chunk(3, -1))
    return q.relu() @ (k.relu().transpose(-1, -2) @ v)


def _standardised(s, x):
    w = s.part.weight
    w = (w - w.mean((1, 2, 3), keepdim=True)) / w.std((1, 2, 3), keepdim=True)
    return F.conv2d(x, w * s.gain, s.part.bias)


def _gated(s, x):
    a, b = s.inner(tokens(x)).chunk(2, -1)
    return s.out(F.silu(a) * b)


def _blur(s, x):
    return s.part(F.conv2d(x, torch.ones(8, 1, 3, 3, device=x.device) / 9, groups=8, padding=1))


def _half(s, x):
    y = torch.zeros(1, 8, 16, 16, device=x.device)
    y[:, :4], y[:, 4:] = s.part(x)[:, :4], s.other(x)[:, 4:]
    return y


def _mixed_kernels(s, x):
    """A kernel that is mixed for each image, as in CondConv."""
    weight = (x.mean((2, 3)).sigmoid() @ s.kernels).view(8, 8, 3, 3)
    return F.conv2d(x, weight, padding=1)


KINDS: dict[str, tuple[Callable[[Any, Any], Any], dict[str, Any]]] = {
    "transposed": (lambda s, x: s.part(x), {"part": nn.ConvTranspose2d(8, 4, 3, 2, groups=2, dilation=2)}),
    "grouped": (lambda s, x: s.part(x), {"part": nn.Conv2d(8, 12, 3, 2, groups=4)}),
    "conv1d": (lambda s, x: s.part(x.flatten(2)), {"part": nn.Conv1d(8, 8, 3)}),
    "conv3d": (lambda s, x: s.part(x[:, :, None]), {"part": nn.Conv3d(8, 6, (1, 3, 3))}),
    "unbatched": (lambda s, x: s.part(x[0])[None], {"part": nn.Conv2d(8, 6, 3)}),
    "deformable": (
        lambda s, x: s.part(x, s.offset(x)),
        {"part": DeformConv2d(8, 4, 3, padding=1), "offset": nn.Conv2d(8, 18, 3, padding=1)},
    ),
    "constant kernel": (_blur, {"part": nn.Conv2d(8, 4, 1)}),
    "kernel of data": (_mixed_kernels, {"kernels": parameter(8, 8 * 8 * 9)}),
    "constant matrix": (lambda s, x: s.part(tokens(x) @ torch.ones(8, 5, device=x.device)), {"part": nn.Linear(5, 3)}),
    "by hand": (lambda s, x: torch.addmm(s.b, tokens(x)[0], s.w), {"w": parameter(8, 4), "b": parameter(4)}),
    "einsum": (lambda s, x: torch.einsum("bchw,cd->bdhw", x, s.w), {"w": parameter(8, 4)}),
    "tensordot": (lambda s, x: torch.tensordot(s.w, x, ([0], [1])), {"w": parameter(8, 4)}),
    "embedding": (lambda s, x: tokens(x) + s.part(torch.arange(256, device=x.device)), {"part": nn.Embedding(256, 8)}),
    "attention": (
        lambda s, x: s.part(tokens(x), tokens(x), tokens(x))[0],
        {"part": nn.MultiheadAttention(8, 2, batch_first=True)},
    ),
    "fewer keys": (
        lambda s, x: s.part(tokens(x), tokens(x)[:, :9], tokens(x)[:, :9], need_weights=False)[0],
        {"part": nn.MultiheadAttention(8, 2, batch_first=True, add_bias_kv=True, add_zero_attn=True)},
    ),
    "keys of another width": (
        lambda s, x: s.part(tokens(x), s.k(tokens(x)), s.v(tokens(x)))[0],
        {"part": nn.MultiheadAttention(8, 2, kdim=4, vdim=6), "k": nn.Linear(8, 4), "v": nn.Linear(8, 6)},
    ),
    "transformer": (lambda s, x: s.part(tokens(x)), {"part": nn.TransformerEncoderLayer(8, 2, 32, batch_first=True)}),
    "windows": (
        _windows,
        {"qkv": nn.Linear(8, 24), "out": nn.Linear(8, 8), "scale": parameter(1), "position": parameter(16, 16)},
    ),
    "without softmax": (_linear_attention, {"qkv": nn.Linear(8, 24)}),
    "attention of another's keys": (
        lambda s, x: _attend(s.q(tokens(x)), *s.kv(tokens(s.pool(x))).chunk(2, -1)),
        {"q": nn.Linear(8, 8), "kv": nn.Linear(8, 16), "pool": nn.AvgPool2d(4)},
    ),
    "learned queries": (
        lambda s, x: F.scaled_dot_product_attention(s.q, tokens(x), tokens(x)),
        {"q": parameter(1, 5, 8)},
    ),
    "recurrent": (
        lambda s, x: s.part(tokens(x)[:, :3])[0],
        {"part": nn.LSTM(8, 4, num_layers=2, bidirectional=True, batch_first=True)},
    ),
    "gated recurrent": (lambda s, x: s.part(tokens(x)[:, :3])[0], {"part": nn.GRU(8, 4, batch_first=True)}),
    "weight_norm": (lambda s, x: s.part(x), {"part": parametrizations.weight_norm(nn.Conv2d(8, 4, 3))}),
    "old weight_norm": (lambda s, x: s.part(x), {"part": old_weight_norm(nn.Conv2d(8, 4, 3))}),
    "weight standardisation": (_standardised, {"part": nn.Conv2d(8, 4, 3), "gain": parameter(4, 1, 1, 1)}),
    "merged biases": (
        lambda s, x: F.linear(tokens(x), s.w, torch.cat([s.q, torch.zeros(8, device=x.device), s.v])),
        {"w": parameter(24, 8), "q": parameter(8), "v": parameter(8)},
    ),
    "merged low rank": (
        lambda s, x: F.linear(tokens(x), s.w + s.up @ s.down),
        {"w": parameter(24, 8), "up": parameter(24, 2), "down": parameter(2, 8)},
    ),
    "tied": (lambda s, x: F.linear(s.part(tokens(x)), s.part.weight.T), {"part": nn.Linear(8, 6, bias=False)}),
    "gates": (_gated, {"inner": nn.Linear(8, 32), "out": nn.Linear(16, 8)}),
    "slope": (lambda s, x: s.part(x), {"part": nn.PReLU(8)}),
    "power": (lambda s, x: F.avg_pool2d(x.clamp(min=1e-6).pow(s.p), 16).pow(1 / s.p), {"p": parameter(1)}),
    "written in parts": (_half, {"part": nn.Conv2d(8, 8, 1), "other": nn.Conv2d(8, 8, 3, padding=1)}),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm.* is deprecated:FutureWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_kinds(kind):
    function, parts = KINDS[kind]
    result = compared(Head(function, **parts).to("meta").eval(), (3, 16, 16))
    assert (result["missing"], result["surplus"]) == ([], [])
    assert result["macs"] == result["reference_macs"] or kind == "deformable"  # which PyTorch does not count
    if kind == "deformable":
        assert result["macs"] - result["reference_macs"] == 8 * 4 * 9 * 16 * 16


@pytest.mark.parametrize(
    ("equation", "shapes", "macs"),
    [
        ("ij,jk->ik", [(2, 3), (3, 4)], 24),
        ("ij,jk", [(2, 3), (3, 4)], 24),
        ("bhqd, bhkd -> bhqk", [(2, 3, 5, 7), (2, 3, 6, 7)], 2 * 3 * 5 * 6 * 7),
        ("...ij,...jk->...ik", [(5, 1, 2, 3), (4, 3, 4)], 5 * 4 * 24),
        ("ij,kl->ik", [(2, 3), (4, 5)], 8),  # j and l are summed first
        ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 5)], 24 + 40),
        ("ii->i", [(3, 3)], 0),
    ],
)
def test_einsum(equation, shapes, macs):
    assert einsum_macs(equation, shapes) == macs
    result = torch.einsum(equation, *(torch.ones(shape) for shape in shapes))
    assert result.isfinite().all()


def _check(load, name):
    network, size = load(name)
    result = compared(network, size)
    assert (result["missing"], result["surplus"]) == ([], [])
    assert result["macs"] == pytest.approx(result["reference_macs"], rel=TOLERANCE)


@pytest.mark.parametrize("name", ["swin_v2_t"])
def test_torchvision(name):
    _check(torchvision_network, name)


FEW = ["vit_tiny_patch16_224", "eca_botnext26ts_256", "volo_d1_224"]
"""Of several ways to attend: plain, with learned relative positions, to neighbours."""


@pytest.mark.parametrize("name", FEW)
def test_timm(name):
    pytest.importorskip("timm")
    _check(timm_network, name)


@pytest.mark.slow
def test_many_of_timm():
    pytest.importorskip("timm")
    wrong = []
    for name in timm_names(60):
        network, size = timm_network(name)
        result = compared(network, size)
        right = "macs" in result and abs(result["macs"] / result["reference_macs"] - 1) <= TOLERANCE
        if not right or result["missing"] or result["surplus"]:
            wrong.append(name)
    assert len(wrong) <= 1, wrong  # of 60, a release of timm may bring something new


def test_resolutions_of_windows_and_of_attention():
    function, parts = KINDS["windows"]
    graph = ComputationalGraph.from_module(Head(function, **parts), 16)
    assert graph.resolutions[graph.names.index("qkv.weight")].tolist() == [256, 1]
    assert graph.node_macs[graph.names.index("msa")] == 2 * 16 * 16 * 16 * 8
    function, parts = KINDS["attention"]
    graph = ComputationalGraph.from_module(Head(function, **parts), 16)
    assert graph.resolutions[2:].tolist() == [[256, 1]] * 5
