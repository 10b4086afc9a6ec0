"""The example spaces: counts and numbers of parameters that papers, benchmarks and torchvision tell."""

from functools import partial
from itertools import combinations, product

import pytest
import torch
import torchvision
from optuna.trial import FixedTrial

from tart_nas.search_spaces import Parameters, TrialSpace
from tart_nas.search_spaces.mobilenet_v3 import mobilenet_v3
from tart_nas.search_spaces.nas_bench_201 import EDGES, OPERATIONS, nas_bench_201, unique_cell
from tart_nas.search_spaces.resnet import resnet

NAMES = [f"{source}-{target}" for source, target in EDGES]

# Rows of MobileNet-V3-Large's table in its paper: kernels and expansions of the blocks of each stage.
LARGE = (
    (False, [(3, 4.0), (3, 3.0)]),
    (True, [(5, 3.0), (5, 3.0), (5, 3.0)]),
    (False, [(3, 6.0), (3, 2.5), (3, 2.3), (3, 2.3)]),
    (True, [(3, 6.0), (3, 6.0)]),
    (True, [(5, 6.0), (5, 6.0), (5, 6.0)]),
)


def _count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def _large():
    values: dict[str, object] = {}
    for stage, (excites, blocks) in enumerate(LARGE, start=1):
        values |= {f"excites{stage}": excites, f"depth{stage}": len(blocks)}
        for i, (kernel, expansion) in enumerate(blocks):
            values |= {f"kernel{stage}_{i}": kernel, f"expansion{stage}_{i}": expansion}
    return values


def _resnet(kind, *blocks):
    return {"block": kind} | {f"blocks{i}": n for i, n in enumerate(blocks, start=1)}


@pytest.mark.parametrize(
    ("build", "values", "name"),
    [
        (mobilenet_v3, _large(), "mobilenet_v3_large"),
        (resnet, _resnet("basic", 2, 2, 2, 2), "resnet18"),
        (resnet, _resnet("bottleneck", 3, 4, 6, 3), "resnet50"),
        (resnet, _resnet("resnext", 3, 4, 6, 3), "resnext50_32x4d"),
        (resnet, _resnet("wide", 3, 4, 6, 3), "wide_resnet50_2"),
    ],
)
def test_torchvisions_networks_are_in_the_spaces(build, values, name):
    with torch.device("meta"):
        ours = build(FixedTrial(values), num_classes=1000, small=False)
        theirs = torchvision.models.get_model(name)
    shapes = [{key: tensor.shape for key, tensor in net.state_dict().items()} for net in (ours, theirs)]
    assert shapes[0] == shapes[1]


def test_the_cells_of_nas_bench_201_are_as_many_as_the_paper_counts():
    cells = list(product(OPERATIONS, repeat=len(EDGES)))
    assert len(cells) == 15_625
    assert len({*map(unique_cell, cells)}) == 6_466


@pytest.mark.parametrize(
    ("op", "classes", "parameters"), [("nor_conv_3x3", 10, 1_531_546), ("skip_connect", 100, 79_156)]
)
def test_its_networks_have_the_benchmarks_parameters(op, classes, parameters):
    with torch.device("meta"):
        network = nas_bench_201(FixedTrial(dict.fromkeys(NAMES, op)), classes)
    assert _count(network) == parameters


def test_equal_cells_of_nas_bench_201_are_one_candidate():
    space = TrialSpace(partial(nas_bench_201, channels=4, cells=1), input_size=8)
    rng = torch.Generator().manual_seed(0)
    # Node 1 is the input, so that the two edges from these to a later node can be exchanged. Without zeros, of which
    # the benchmark has a rule of its own.
    ops = [[OPERATIONS[i] for i in torch.randint(1, 5, (5,), generator=rng).tolist()] for _ in range(10)]
    cells = [["skip_connect", a, b, c, d, e] for a, b, c, d, e in ops]
    cells += [["skip_connect", b, a, d, c, e] for a, b, c, d, e in ops]
    made = [space.suggest(Parameters(dict(zip(NAMES, cell, strict=True)))) for cell in cells]
    pairs = list(combinations(zip(cells, made, strict=True), 2))
    equal = [(x, y) for (a, x), (b, y) in pairs if unique_cell(a) == unique_cell(b)]
    assert len(equal) >= len(ops)
    assert all(space.canonical(x) == space.canonical(y) for x, y in equal)
    # The benchmark takes some more for different: sums that are only grouped otherwise.
    found = [(x, y) for (_, x), (_, y) in pairs if space.canonical(x) == space.canonical(y)]
    assert all(x.graph.num_parameters == y.graph.num_parameters for x, y in found)
    assert len(equal) <= len(found) < len(pairs) / 4


@pytest.mark.parametrize("build", [mobilenet_v3, resnet], ids=["mobilenet_v3", "resnet"])
def test_they_are_sampled_and_take_small_images(build):
    space = TrialSpace(build)
    for architecture in space.sample(2, seed=0):
        with torch.device("meta"):
            assert space.network(architecture)(torch.empty(2, 3, 32, 32)).shape == (2, 10)
