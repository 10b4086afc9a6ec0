import copy
import json
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.networks import build_network, count_parameters


def narrow(architecture, C=8):
    return replace(architecture, C=C, fc_dim=16)


def step(network, size, batch=4):
    loss = F.cross_entropy(network(torch.randn(batch, 3, size, size)), torch.arange(batch) % 10)
    loss.backward()
    return loss


def naive_logits(network, x):
    """The network once more, as DeepNets-1M states the rule: run everything, carry None for what is zero."""

    def run_cell(cell, genotype_cell, s0, s1):
        pairs, concat = genotype_cell
        states = [
            None if s0 is None else cell.preprocess0(s0),
            None if s1 is None else cell.preprocess1(s1),
        ]
        for node in range(len(pairs) // 2):
            total = None
            for j in (2 * node, 2 * node + 1):
                name, source = pairs[j]
                if name != "none" and states[source] is not None:
                    y = cell.get_submodule(f"_ops.{j}")(states[source])
                    total = y if total is None else total + y
            states.append(total)
        live = [states[i] for i in concat if states[i] is not None]
        return torch.cat([live[0] * 0 if states[i] is None else states[i] for i in concat], 1) if live else None

    a = network.architecture
    normal, reduce = (a.genotype.normal, a.genotype.normal_concat), (a.genotype.reduce, a.genotype.reduce_concat)
    if a.is_vit:
        s0 = s1 = network.pos_enc(network.stem0(x))
    elif a.stem_type == 1:
        s0 = network.stem0(x)
        s1 = network.stem1(s0)
    else:
        s0 = s1 = network.stem(x)
    for index, cell in enumerate(network.cells):
        s0, s1 = s1, run_cell(cell, reduce if index in a.reductions else normal, s0, s1)
    pooled = s1.mean((2, 3)) if a.glob_avg else s1.flatten(1)
    return network.classifier(pooled)


def test_it_computes_what_the_naive_rule_says_with_the_same_gradients(nets, spread):
    with_none = [Architecture.from_dict(net) for _, net in nets if "none" in str(net["genotype"])]
    with_none = [a for a in with_none if a.n_cells <= 6][:12]
    assert len(with_none) == 12
    for architecture in [a for _, a in spread] + with_none:
        network = build_network(narrow(architecture), image_size=16, track_running_stats=False).double().eval()
        twin = copy.deepcopy(network)
        x = torch.randn(2, 3, 16, 16, dtype=torch.double)
        logits, expected = network(x), naive_logits(twin, x)
        torch.testing.assert_close(logits, expected)
        logits.square().sum().backward()
        expected.square().sum().backward()
        for (name, p), (_, q) in zip(network.named_parameters(), twin.named_parameters(), strict=True):
            if p.grad is None:
                assert q.grad is None or not q.grad.any(), name
            else:
                torch.testing.assert_close(p.grad, q.grad, rtol=1e-6, atol=1e-8)


def test_the_spread_trains_at_full_width(spread):
    assert len(spread) >= 15
    for net, architecture in spread:
        network = build_network(architecture)
        assert count_parameters(network) == net["num_params"]["cifar10"]
        assert step(network, 32, batch=2).isfinite()
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        assert len(gradients) > 4
        assert all(gradient.isfinite().all() for gradient in gradients)


def test_large_images(spread, darts_v2):
    vit = next(a for _, a in spread if a.is_vit and a.preproc)
    flat = next(a for _, a in spread if not a.glob_avg)
    imagenet_stem = Architecture(darts_v2, n_cells=4, stem_type=1)
    for architecture in (vit, flat, imagenet_stem):
        network = build_network(narrow(architecture), image_size=224)
        assert step(network, 224, batch=2).isfinite()
        assert all(p.grad is None or p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("size", [8, 15, 28, 33, 64, 129])
def test_any_image_size(spread, darts_v2, size):
    vit = next(a for _, a in spread if a.is_vit)
    plain = Architecture(darts_v2, n_cells=3)
    variants = [plain, replace(plain, stem_type=1, glob_avg=False), replace(plain, stem_pool=True, ks=7), vit]
    for architecture in variants:
        assert step(build_network(narrow(architecture), image_size=size), size).isfinite()


@pytest.mark.parametrize("n_cells", [1, 2, 3, 4])
def test_few_cells(darts_v2, n_cells):
    architecture = narrow(Architecture(darts_v2, n_cells=n_cells, stem_type=1))
    network = build_network(architecture, 3, auxiliary=True)
    logits, auxiliary = network(torch.randn(2, 3, 32, 32))
    assert logits.shape == auxiliary.shape == (2, 3)


def test_the_module_names_are_those_of_deepnets1m(nets, generator_files):
    known = set()
    for name in ("eval", "search"):
        text = (generator_files / f"deepnets1m_{name}_meta.json").read_text()
        for content in json.loads(text).values():
            known |= set(content["meta"]["unique_op_names"].values())
    for _, net in nets[::10]:
        with torch.device("meta"):
            network = build_network(Architecture.from_dict(net))
        for name, _ in network.named_parameters():
            *prefix, key = name.split(".", 2) if name.startswith("cells.") else [name]
            module = network.get_submodule(name.rpartition(".")[0])
            if name.endswith(".bias") and isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
                continue  # no node of its own there
            assert key in known, (prefix, key)


def test_drop_path_acts_in_training_only(darts_v2):
    network = build_network(narrow(Architecture(darts_v2, n_cells=3)), track_running_stats=False)
    x = torch.randn(4, 3, 32, 32)
    plain = network(x)
    torch.testing.assert_close(network(x), plain)
    network.drop_path_prob = 0.5
    assert not torch.allclose(network(x), plain)
    torch.testing.assert_close(network.eval()(x), plain)


@pytest.mark.parametrize("size", [32, 224, 50])
def test_the_auxiliary_head_speaks_in_training_only(darts_v2, size):
    architecture = narrow(Architecture(darts_v2, n_cells=4, stem_type=int(size == 224)))
    network = build_network(architecture, 7, size, auxiliary=True)
    x = torch.randn(2, 3, size, size)
    logits, auxiliary = network(x)
    assert logits.shape == auxiliary.shape == (2, 7)
    auxiliary.sum().backward()
    assert network.auxiliary_head.classifier.weight.grad is not None
    assert next(network.cells[2].parameters()).grad is not None  # 2 * 4 // 3
    assert next(network.cells[3].parameters()).grad is None
    assert network.eval()(x).shape == (2, 7)
    with torch.no_grad():
        assert build_network(architecture, 7, size)(x).shape == (2, 7)


def test_evaluation_is_deterministic_and_does_not_depend_on_the_batch(spread):
    for _, architecture in spread[:6]:
        network = build_network(narrow(architecture))
        network.drop_path_prob = 0.2
        network(torch.randn(8, 3, 32, 32))
        network.eval()
        x = torch.randn(4, 3, 32, 32)
        logits = network(x)
        assert torch.equal(network(x), logits)
        torch.testing.assert_close(network(x[:1]), logits[:1], rtol=1e-3, atol=1e-4)


def test_statistics_are_tracked_unless_told_otherwise(darts_v2):
    architecture = narrow(Architecture(darts_v2, n_cells=2))
    assert any(name.endswith("running_mean") for name, _ in build_network(architecture).named_buffers())
    assert not list(build_network(architecture, track_running_stats=False).named_buffers())
    assert not list(build_network(replace(architecture, norm=None)).named_buffers())


def test_channels_last_gives_the_same(spread):
    for _, architecture in spread[:8]:
        network = build_network(narrow(architecture), track_running_stats=False).eval()
        x = torch.randn(4, 3, 32, 32)
        expected = network(x)
        network = network.to(memory_format=torch.channels_last)
        logits = network(x.to(memory_format=torch.channels_last))
        torch.testing.assert_close(logits, expected, rtol=1e-2, atol=1e-3)


def test_cells_that_no_head_needs_are_not_run():
    # Every cell reads only the cell before last: of five cells, the last one needs cells 0, 2 and 4.
    pairs = [("conv_3x3", 0), ("none", 1)]
    architecture = Architecture(Genotype(pairs, [2], pairs, [2]), n_cells=5, C=4)
    network = build_network(architecture)
    step(network, 32)
    ran = [any(p.grad is not None for p in cell.parameters()) for cell in network.cells]
    assert ran == [True, False, True, False, True]
    network = build_network(architecture, auxiliary=True)
    logits, auxiliary = network(torch.randn(4, 3, 32, 32))
    (logits.sum() + auxiliary.sum()).backward()
    ran = [any(p.grad is not None for p in cell.parameters()) for cell in network.cells]
    assert ran == [True, True, True, True, True]


def test_an_auxiliary_head_cannot_stand_on_zeros():
    # Reduction cells (2 and 4) are zero; the last cell, a normal one, reads cell 3, which reads cell 1.
    genotype = Genotype([("conv_3x3", 0), ("skip_connect", 1)], [2], [("none", 0), ("none", 1)], [2])
    architecture = Architecture(genotype, n_cells=6, C=4)
    assert build_network(architecture)(torch.randn(2, 3, 32, 32)).shape == (2, 10)
    with pytest.raises(ArchitectureError, match="`none` makes the output of cell 4 zero"):
        build_network(architecture, auxiliary=True)


def test_arguments_out_of_range_are_refused_before_anything_is_made(darts_v2):
    architecture = Architecture(darts_v2, n_cells=8)
    with pytest.raises(SettingError, match="`image_size` must be a whole number of at least 8, but got 4"):
        build_network(architecture, image_size=4)
    with pytest.raises(SettingError, match="`num_classes` must be a whole number of at least 1, but got 0"):
        build_network(architecture, 0)
    with pytest.raises(ArchitectureError, match="`C` must be at least 2"):
        build_network(replace(architecture, C=1))


def test_weights_go_from_one_network_to_another(darts_v2):
    architecture = narrow(Architecture(darts_v2, n_cells=3))
    first, second = build_network(architecture).eval(), build_network(architecture).eval()
    x = torch.randn(2, 3, 32, 32)
    assert not torch.allclose(first(x), second(x))
    second.load_state_dict(first.state_dict())
    torch.testing.assert_close(first(x), second(x))
