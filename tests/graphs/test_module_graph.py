from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import networkx as nx
import numpy as np
import pytest
import torch
import torchvision.models as models
from torch import nn
from torch.nn.utils.parametrizations import weight_norm
from torch.overrides import TorchFunctionMode

from tart_nas.architecture import Architecture
from tart_nas.errors import GraphError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.graphs import PRIMITIVES, ComputationalGraph
from tart_nas.networks import build_network
from tart_nas.published import VIT
from tests.graphs.isomorphism import same

TORCHVISION = [
    *("resnet18", "resnet50", "vgg16_bn", "densenet121", "mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large"),
    *("efficientnet_b0", "squeezenet1_1", "shufflenet_v2_x1_0", "convnext_tiny", "vit_b_16", "swin_t"),
    *("regnet_x_400mf", "regnet_y_400mf", "swin_v2_t", "resnext50_32x4d"),
]


REST = [name for name in models.list_models(module=models) if name not in TORCHVISION]

UNUSED = {"googlenet": ("aux1.", "aux2."), "inception_v3": ("AuxLogits.",)}
"""Heads that are for training only."""


class _WithoutNumbers(TorchFunctionMode):
    """Parameters are made without storage; ``torch.device("meta")`` would take the numbers that RegNets compute too."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def _without_numbers(make, **settings):
    with _WithoutNumbers():
        return make(**settings).to("meta")


@pytest.mark.parametrize("image_size", [32, 224])
def test_our_networks_have_the_graph_of_their_architecture(nets, image_size):
    for split, index, net in nets[::30]:
        architecture = Architecture.from_dict(net)
        with torch.device("meta"):
            network = build_network(architecture, num_classes=7, image_size=image_size)
        traced = ComputationalGraph.from_module(network, image_size)
        built = ComputationalGraph.from_architecture(architecture, num_classes=7, image_size=image_size)
        assert same(traced, built, sizes=True), (split, index)
        assert traced.macs == built.macs


@pytest.mark.parametrize("image_size", [15, 18, 30, 150])
@pytest.mark.parametrize("settings", [{}, {"stem_pool": True}, {"stem_type": 1}])
def test_our_networks_have_the_graph_of_their_architecture_at_odd_sizes(image_size, settings):
    """What halves an odd resolution: a factorised convolution and a factorised reduction, in a cell and before it."""
    reduce = [
        ("conv_7x1_1x7", 0),
        ("skip_connect", 1),
        ("max_pool_3x3", 0),
        ("conv_7x1_1x7", 2),
        ("cse", 0),
        ("dil_conv_3x3", 1),
    ]
    normal = [("conv_3x3", 0), ("conv_7x1_1x7", 1)] * 3
    architecture = Architecture(Genotype(normal, [2, 3, 4], reduce, [2, 3, 4]), n_cells=5, C=4, **settings)
    with torch.device("meta"):
        network = build_network(architecture, image_size=image_size)
    traced = ComputationalGraph.from_module(network, image_size)
    built = ComputationalGraph.from_architecture(architecture, image_size=image_size)
    assert same(traced, built, sizes=True)
    assert traced.macs == built.macs


@pytest.mark.parametrize("name", [*TORCHVISION, *(pytest.param(name, marks=pytest.mark.slow) for name in REST)])
def test_torchvision_networks(name):
    settings = {"init_weights": False} if name in UNUSED else {}
    network = _without_numbers(getattr(models, name), **settings)
    graph = ComputationalGraph.from_module(network, 224)
    assert nx.is_weakly_connected(graph.to_networkx())
    assert (graph.distances[:-1, -1] > 0).all()
    of_nodes = [pair for own in graph.parameters for pair in own]
    used = {n: tuple(p.shape) for n, p in network.named_parameters() if not n.startswith(UNUSED.get(name, "-"))}
    assert dict(of_nodes) == used
    assert len(of_nodes) == len(used)
    for label, shape, own in zip(graph.names, graph.parameter_shapes.tolist(), graph.parameters, strict=True):
        assert (label, tuple(n for n in shape if n)) == (own[0] if own else (label, ()))
        assert bool(own) == (label not in PRIMITIVES)


def test_a_norm_has_its_weight_and_its_bias():
    graph = ComputationalGraph.from_module(_without_numbers(models.resnet18), 224)
    assert graph.parameters[:3] == (
        (),
        (("conv1.weight", (64, 3, 7, 7)),),
        (("bn1.weight", (64,)), ("bn1.bias", (64,))),
    )


class _Unusual(nn.Module):
    """Tied weights, a layer that is applied twice, weight normalisation, and attention with a learned key and value."""

    def __init__(self):
        super().__init__()
        self.first, self.tied = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1)
        self.tied.weight = self.first.weight
        self.normed = weight_norm(nn.Conv2d(3, 8, 1, bias=False))
        self.attention = nn.MultiheadAttention(8, 2, bias=False, add_bias_kv=True)
        self.idle = nn.Linear(3, 3)

    def forward(self, x):
        x = self.normed(self.first(self.tied(self.first(x))))
        tokens = x.flatten(2).permute(2, 0, 1)
        return self.attention(tokens, tokens, tokens)[0]


def test_a_parameter_that_several_nodes_use_is_of_the_first():
    graph = ComputationalGraph.from_module(_Unusual(), 4)
    known = {name: own for name, own in zip(graph.names, graph.parameters, strict=True) if own}
    assert {name: [parameter for parameter, _ in own] for name, own in known.items()} == {
        "first.weight": ["first.weight"],
        "first.bias": ["first.bias"],
        "tied.bias": ["tied.bias"],
        "normed.parametrizations.weight.original1": [
            "normed.parametrizations.weight.original1",
            "normed.parametrizations.weight.original0",
        ],
        "attention.in_proj_weight": ["attention.in_proj_weight"],
        "msa": ["attention.bias_k", "attention.bias_v"],
        "attention.out_proj.weight": ["attention.out_proj.weight"],
    }
    assert [name for name in graph.names if name.startswith(("first", "tied"))] == [
        *("first.weight", "first.bias", "first.weight", "tied.bias", "first.weight", "first.bias")
    ]


def test_published_sizes():
    resnet = models.resnet50(num_classes=10)
    resnet.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    resnet.maxpool = nn.Identity()
    graph = ComputationalGraph.from_module(resnet, 32)
    counts = {PRIMITIVES[p]: int(n) for p, n in enumerate(np.bincount(graph.primitives)) if n}
    assert graph.num_nodes == 126
    assert counts == {"conv": 54, "sum": 16, "input": 1, "bias": 1, "bn": 53, "glob_avg": 1}
    assert ComputationalGraph.from_module(build_network(VIT), 32).num_nodes == 129


def test_sizes_of_nodes():
    graph = ComputationalGraph.from_module(_without_numbers(models.resnet18), (3, 64, 96))
    conv, pool = graph.names.index("layer2.0.conv1.weight"), graph.names.index("max_pool")
    assert graph.parameter_shapes[conv].tolist() == [128, 64, 3, 3]
    assert graph.resolutions[conv].tolist() == [8, 12]
    assert graph.channels[conv] == 128
    assert graph.kernel_sizes[pool].tolist() == [3, 3]
    assert graph.resolutions[0].tolist() == [64, 96]


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(), nn.Conv2d(4, 4, 1).eval())
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    ComputationalGraph.from_module(network, 16)
    assert [part.training for part in network] == [True, True, True, False]
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in network.parameters())
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_a_network_that_looks_at_numbers():
    class Looks(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.first(x) if x.detach().abs().max().item() == 0 else self.second(x)

    graph = ComputationalGraph.from_module(Looks(), 8)
    assert graph.names == ("input", "first.weight", "first.bias")


def test_half_precision_and_other_channels():
    graph = ComputationalGraph.from_module(nn.Conv2d(1, 4, 3).half(), (1, 8, 8))
    assert graph.names == ("input", "weight", "bias")
    assert same(ComputationalGraph.from_module(nn.Conv2d(1, 4, 3), (2, 1, 8, 8)), graph, sizes=True)


@pytest.mark.parametrize("input_size", [0, True, "32", None, (32, 32), (3, 0, 3), (3, 8.0, 8)])
def test_wrong_input_size(input_size):
    with pytest.raises(SettingError, match="`input_size`"):
        ComputationalGraph.from_module(nn.Conv2d(3, 4, 1), input_size)


def test_numpys_numbers_as_input_size():
    graph = ComputationalGraph.from_module(nn.Conv2d(3, 4, 1), 8)
    sizes: list[Any] = [np.int64(8), (3, *np.full(2, 8))]
    assert [ComputationalGraph.from_module(nn.Conv2d(3, 4, 1), size) for size in sizes] == [graph, graph]


def test_a_network_that_does_not_run():
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(GraphError, match=r"cannot be run on an image of \(3, 16, 16\), in module '2': RuntimeError"):
        ComputationalGraph.from_module(network, 16)


@pytest.mark.parametrize(
    "layers",
    [
        (nn.BatchNorm2d(32),),
        (nn.GroupNorm(4, 32),),
        (nn.InstanceNorm2d(32, affine=True),),
        (nn.AdaptiveAvgPool2d(1), nn.InstanceNorm2d(16)),
        (nn.Flatten(), nn.LayerNorm(7)),
        (nn.RMSNorm(7),),
    ],
    ids=lambda layers: type(layers[-1]).__name__,
)
def test_a_normalisation_of_another_size_does_not_run(layers):
    network = nn.Sequential(nn.Conv2d(3, 16, 3), *layers)
    with pytest.raises(GraphError, match=rf"cannot be run on an image of \(3, 16, 16\), in module '{len(layers)}'"):
        ComputationalGraph.from_module(network, 16)


def test_a_normalisation_that_needs_a_larger_batch_is_traced():
    """The batch of one is ours."""
    norms = nn.BatchNorm2d(16, track_running_stats=False), nn.GroupNorm(16, 16)
    graph = ComputationalGraph.from_module(nn.Sequential(nn.Conv2d(3, 16, 3), nn.AdaptiveAvgPool2d(1), *norms), 16)
    assert [PRIMITIVES[p] for p in graph.primitives] == ["input", "conv", "bias", "glob_avg", "bn", "ln"]


def test_a_quotient_of_whole_numbers_is_no_index():
    class Halves(nn.Module):
        def __init__(self):
            super().__init__()
            self.words = nn.Embedding(9, 4)

        def forward(self, ids):
            return self.words(ids / 2)

    with pytest.raises(GraphError, match="cannot be run on its example inputs, in module 'words': RuntimeError"):
        ComputationalGraph.from_module(Halves(), example_inputs=torch.zeros(1, 7, dtype=torch.long))


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:FutureWarning")
def test_what_cannot_be_watched():
    scripted = torch.jit.script(nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU()))
    with pytest.raises(GraphError, match="module '1' does: it uses a tensor that no torch function made"):
        ComputationalGraph.from_module(nn.Sequential(scripted, nn.Conv2d(4, 4, 1)), 8)


def test_output_that_does_not_depend_on_the_image():
    class Constant(nn.Module):
        def forward(self, x):
            return torch.zeros(len(x), 2)

    with pytest.raises(GraphError, match="does not depend on its input"):
        ComputationalGraph.from_module(Constant(), 8)


@dataclass(frozen=True)
class _Output:
    logits: torch.Tensor
    hidden: torch.Tensor | None = None


class _Gives(nn.Module):
    """A convolution whose result is given in a form of the user's."""

    def __init__(self, form):
        super().__init__()
        self.conv, self.form = nn.Conv2d(3, 4, 3), form

    def forward(self, x):
        return self.form(self.conv(x))


def test_outputs_of_any_form():
    plain = ComputationalGraph.from_module(_Gives(lambda y: y), 8)
    for form in (_Output, lambda y: {"states": [_Output(y)]}, lambda y: (3, y, torch.zeros(1))):
        assert ComputationalGraph.from_module(_Gives(form), 8) == plain
    for other, kind in ((lambda y: SimpleNamespace(logits=y), "SimpleNamespace"), (lambda y: None, "NoneType")):
        with pytest.raises(GraphError, match=f"its output is of type {kind}, and no tensor is found in it"):
            ComputationalGraph.from_module(_Gives(other), 8)


def test_lazy_modules_are_traced_and_stay_lazy():
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(3))
    graph = ComputationalGraph.from_module(lazy, 8)
    made = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    assert graph == ComputationalGraph.from_module(made, 8)
    assert all(isinstance(parameter, nn.UninitializedParameter) for parameter in lazy.parameters())
    graph = ComputationalGraph.from_module(nn.LazyConv1d(4, 3, bias=False), example_inputs=torch.zeros(1, 5, 9))
    assert graph.parameters[1] == (("weight", (4, 5, 3)),)


@pytest.mark.parametrize("module", [None, "resnet18", nn.Conv2d, nn.Conv2d(3, 4, 1).forward, {}, torch.zeros(1)])
def test_what_is_no_module(module):
    with pytest.raises(SettingError, match=f"`module` must be a torch.nn.Module, but got {type(module).__name__}"):
        ComputationalGraph.from_module(module, 8)


class _CompiledParts(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.activation = nn.Conv2d(3, 4, 3), torch.compile(lambda x: x.relu() * 2)

    @torch.compile
    def forward(self, x):
        return self.activation(self.conv(x))


@pytest.mark.skipif(not hasattr(torch.compiler, "set_stance"), reason="before PyTorch 2.6 these cannot be watched")
def test_compiled_functions_within_a_network():
    assert ComputationalGraph.from_module(_CompiledParts(), 8).names == ("input", "conv.weight", "conv.bias")
    in_place = nn.Sequential(nn.Conv2d(3, 4, 3))
    in_place.compile()
    assert ComputationalGraph.from_module(in_place, 8).names == ("input", "0.weight", "0.bias")


def test_exported_networks():
    network = nn.Sequential(nn.Conv2d(3, 4, 3, groups=1), nn.BatchNorm2d(4), nn.ReLU()).eval()
    exported = torch.export.export(network, (torch.zeros(1, 3, 8, 8),))
    assert same(ComputationalGraph.from_module(exported.module(), 8), ComputationalGraph.from_module(network, 8))
    with pytest.raises(SettingError, match=r"but got ExportedProgram: trace its `\.module\(\)`"):
        ComputationalGraph.from_module(exported, 8)  # type: ignore[arg-type]


def test_wrapped_networks_keep_their_names():
    network = models.resnet18()
    graph = ComputationalGraph.from_module(network, 32)
    wraps: list[Any] = [torch.compile(network), nn.DataParallel(network), torch.compile(nn.DataParallel(network))]
    for wrapped in wraps:
        known = ComputationalGraph.from_module(wrapped, 32)
        assert {name for own in known.parameters for name, _ in own} == {name for name, _ in wrapped.named_parameters()}
        assert np.array_equal(known.edges, graph.edges)
    network.layer1 = cast(nn.Sequential, torch.compile(network.layer1))
    assert ComputationalGraph.from_module(network, 32).macs == graph.macs


class _Text(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.positions = nn.Embedding(100, 8), nn.Parameter(torch.zeros(1, 6, 8))
        self.layer, self.head = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 3)

    def forward(self, ids, mask):
        x = self.layer(self.words(ids) + self.positions, src_key_padding_mask=mask == 0)
        return self.head((x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


def test_several_inputs_by_name():
    ids = torch.zeros(1, 6, dtype=torch.long)
    graph = ComputationalGraph.from_module(_Text(), example_inputs={"ids": ids, "mask": torch.ones_like(ids)})
    assert [PRIMITIVES[p] for p in graph.primitives[:5]] == ["input", "input", "conv", "pos_enc", "sum"]
    assert {name for own in graph.parameters for name, _ in own} == {name for name, _ in _Text().named_parameters()}
    assert nx.is_weakly_connected(graph.to_networkx())
    assert same(graph, ComputationalGraph.from_module(_Text(), example_inputs=(ids, torch.ones_like(ids))))


@pytest.mark.parametrize(
    ("network", "inputs", "macs"),
    [
        (nn.Sequential(nn.Linear(5, 7), nn.ReLU(), nn.Linear(7, 2)), torch.zeros(1, 5), 49),
        (nn.Sequential(nn.Conv1d(2, 4, 3), nn.Flatten(), nn.Linear(32, 3)), torch.zeros(1, 2, 10), 8 * 24 + 96),
        (nn.Conv3d(3, 4, (1, 2, 2), bias=False), torch.zeros(1, 3, 2, 5, 5), 2 * 4 * 4 * 48),
    ],
)
def test_inputs_that_are_no_images(network, inputs, macs):
    graph = ComputationalGraph.from_module(network, example_inputs=inputs)
    assert graph.macs == macs
    assert ComputationalGraph.from_module(network, example_inputs=(inputs,)).nodes.tolist() == graph.nodes.tolist()


@pytest.mark.slow
def test_a_network_for_detection():
    network = models.get_model("ssdlite320_mobilenet_v3_large", weights=None, weights_backbone=None)
    graph = ComputationalGraph.from_module(network, example_inputs=[torch.rand(3, 64, 64)])
    used = {name for own in graph.parameters for name, _ in own}
    assert {name for name in used if "regression_head" in name}
    assert used <= {name for name, _ in network.named_parameters()}


def test_example_inputs_that_are_none():
    network = nn.Conv2d(3, 4, 1)
    wrong: list[Any] = ["x", [], {"x": 3}, ()]
    for given in wrong:
        with pytest.raises(SettingError, match="`example_inputs` must be a tensor, a tuple"):
            ComputationalGraph.from_module(network, example_inputs=given)
    with pytest.raises(SettingError, match="either `input_size` or `example_inputs`"):
        ComputationalGraph.from_module(network, 8, example_inputs=torch.zeros(1, 3, 8, 8))
    with pytest.raises(GraphError, match="cannot be run on its example inputs, in module '0': RuntimeError"):
        ComputationalGraph.from_module(nn.Sequential(network), example_inputs=torch.zeros(1, 4, 8, 8))
