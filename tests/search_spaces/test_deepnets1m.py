from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.genotype import Genotype
from tart_nas.layout import parameter_count
from tart_nas.operations import CELL_OPS
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.search_spaces.deepnets1m_sampling import RULES, is_kept, strongest_edges

SPLITS = ["train", "val", "test", "search", "wide", "deep", "dense", "bnfree"]


@pytest.fixture(scope="module")
def val_sample():
    space = DeepNets1MSpace("val")
    return [a for index in range(100) for a in space.part(index, seed=0)]


@pytest.mark.parametrize("split", SPLITS)
def test_sampling_is_seeded_and_without_repeats(split):
    space = DeepNets1MSpace(split)
    sample = space.sample(600, seed=3)
    assert sample == space.sample(600, seed=3)
    assert sample[:50] == space.sample(50, seed=3) != space.sample(50, seed=4)
    assert len({space.canonical(a) for a in sample}) == 600
    assert all(space.contains(a) for a in sample)
    assert all(a.C == 32 for a in sample)


def test_splits_have_their_own_networks_but_wide_is_test():
    samples = {split: DeepNets1MSpace(split).sample(50, seed=0) for split in SPLITS}
    assert samples["wide"] == samples["test"]
    assert samples["train"] != samples["val"] != samples["test"] != samples["train"]


def test_bad_arguments():
    with pytest.raises(SettingError, match="`split` must be one of train, val, .* but got 'eval'"):
        DeepNets1MSpace("eval")
    with pytest.raises(SettingError, match="`n` must be a whole number of at least 0, but got -1"):
        DeepNets1MSpace().sample(-1, seed=0)
    with pytest.raises(SettingError, match="`seed` must be a whole number of at least 0, but got -1"):
        DeepNets1MSpace().sample(1, seed=-1)
    assert DeepNets1MSpace().sample(0, seed=0) == []


def test_the_space_is_described_by_its_settings():
    space = DeepNets1MSpace("deep")
    assert DeepNets1MSpace(**space.settings).sample(5, 0) == space.sample(5, 0)
    assert DeepNets1MSpace().split == "search"


def test_all_networks_of_the_generator_belong_to_their_split(generator_nets):
    for split, nets in generator_nets.items():
        space = DeepNets1MSpace(split)
        assert all(space.contains(Architecture.from_dict(net)) for net in nets)


@pytest.mark.parametrize("n_nodes", [1, 2, 5])
def test_edges_are_chosen_as_in_darts(n_nodes):
    """Against the rule written out: the two inputs whose best operations are strongest, with these operations."""
    n_edges = sum(range(2, 2 + n_nodes))
    weights = np.random.default_rng(n_nodes).random((40, n_edges, len(CELL_OPS)))
    ops, sources = strongest_edges(n_nodes, weights)
    for w, row_ops, row_sources in zip(weights, ops.tolist(), sources.tolist(), strict=True):
        expected, start = [], 0
        for node in range(n_nodes):
            edges = w[start : start + 2 + node]
            best = sorted(range(2 + node), key=lambda edge: -max(edges[edge]))[:2]
            expected += [(int(edges[edge].argmax()), edge) for edge in best]
            start += 2 + node
        assert list(zip(row_ops, row_sources, strict=True)) == expected


def test_rejected_operations():
    def kept(*names):
        pairs = [CELL_OPS.index(name) for name in names]
        return bool(is_kept(np.array([[pairs[: len(pairs) // 2], pairs[len(pairs) // 2 :]]]))[0])

    assert not kept("max_pool_3x3", "skip_connect", "avg_pool_3x3", "none")  # nothing to learn
    assert kept("msa", "skip_connect", "max_pool_3x3", "max_pool_3x3")
    assert kept("cse", "sep_conv_3x3", "cse", "dil_conv_3x3")
    assert not kept("cse", "skip_connect", "msa", "max_pool_3x3")  # cse, but no convolution
    assert not kept("cse", "conv_1x1", "cse", "cse")
    assert not kept("conv_5x5", "conv_7x7", "conv_1x1", "conv_1x1")
    assert kept("conv_5x5", "conv_3x3", "conv_7x7", "conv_7x1_1x7")


def test_settings_are_drawn_with_the_generators_probabilities(val_sample):
    def share(of, among=lambda a: True):
        chosen = [a for a in val_sample if among(a)]
        assert len(chosen) > 400
        return sum(map(of, chosen)) / len(chosen)

    def n_nodes(a):
        return len(a.genotype.normal) // 2

    def only_pools(a):
        return {op for op, _ in a.genotype.reduce} <= {"none", "skip_connect", "max_pool_3x3", "avg_pool_3x3"}

    counts = Counter(a.n_cells for a in val_sample)
    assert sorted(counts) == list(range(4, 19))
    assert all(abs(counts[n] / len(val_sample) - 1 / 15) < 0.015 for n in counts)
    assert abs(share(lambda a: a.C_mult == 2) - 0.5) < 0.02
    assert all(abs(share(lambda a, ks=ks: a.ks == ks) - 1 / 3) < 0.02 for ks in (3, 5, 7))
    assert abs(share(lambda a: a.stem_type == 1) - 0.5) < 0.02
    assert abs(share(lambda a: a.stem_pool, lambda a: a.stem_type == 0) - 0.5) < 0.03
    assert abs(share(lambda a: a.fc_layers == 1) - 0.5) < 0.02
    assert abs(share(lambda a: not a.glob_avg, lambda a: a.n_cells <= 7 and not a.is_vit) - 0.1) < 0.02
    assert share(lambda a: a.glob_avg, lambda a: a.n_cells > 10 or a.is_vit) == 1
    assert abs(share(lambda a: a.norm is None, lambda a: a.n_cells <= 5 and n_nodes(a) <= 2) - 0.5) < 0.05
    assert share(lambda a: a.norm == "bnorm", lambda a: a.n_cells > 5 or n_nodes(a) > 2) == 1
    assert share(lambda a: a.preproc, lambda a: n_nodes(a) > 1 or a.C_mult > 1 or not a.is_vit) == 1
    assert abs(share(lambda a: a.preproc, lambda a: n_nodes(a) == a.C_mult == 1 and a.is_vit) - 0.2) < 0.05
    assert share(lambda a: n_nodes(a) <= 2, lambda a: a.n_cells > 10) == 1
    assert 0.38 < share(lambda a: n_nodes(a) > 2, lambda a: a.n_cells <= 7) < 0.44  # half before rejection
    assert abs(share(only_pools, lambda a: n_nodes(a) == 2) - 0.5) < 0.05
    assert abs(share(lambda a: a.genotype.normal_concat == (3,), lambda a: n_nodes(a) == 2) - 0.25) < 0.03
    assert share(lambda a: "none" not in a.genotype.ops, lambda a: n_nodes(a) == 1) == 1
    assert share(lambda a: a.genotype.normal_concat == a.genotype.reduce_concat) == 1


def test_search_may_lack_preprocessing_without_attention_too():
    space = DeepNets1MSpace("search")
    free = [
        a for index in range(60) for a in space.part(index, seed=0) if len(a.genotype.normal) == 2 and a.C_mult == 1
    ]
    for is_vit, expected in ((True, 0.2), (False, 0.8)):
        chosen = [a.preproc for a in free if a.is_vit == is_vit]
        assert len(chosen) > 200
        assert abs(sum(chosen) / len(chosen) - expected) < 0.07


@pytest.mark.parametrize("split", SPLITS)
def test_no_network_is_larger_than_allowed(split):
    rules = RULES[split]
    sizes = [parameter_count(a, image_size=size) for a in DeepNets1MSpace(split).sample(800, 1) for size in (32, 224)]
    assert rules.max_params / 10 < max(sizes) <= rules.max_params


def test_membership():
    space = DeepNets1MSpace("val")
    normal = [("conv_3x3", 0), ("skip_connect", 1), ("sep_conv_3x3", 2), ("none", 0)]
    reduce = [("max_pool_3x3", 0), ("none", 1), ("skip_connect", 0), ("skip_connect", 1)]
    inside = Architecture(Genotype(normal, [2, 3], reduce, [2, 3]), n_cells=8, C_mult=1)
    assert space.contains(inside)
    assert space.contains(replace(inside, C=96))
    for setting in (
        {"n_cells": 3},
        {"n_cells": 19},
        {"ks": 9},
        {"C_mult": 3},
        {"norm": None},
        {"stem_type": 1, "stem_pool": True},
        {"fc_layers": 3},
        {"fc_layers": 2, "fc_dim": 128},
        {"n_cells": 12, "glob_avg": False},
    ):
        assert not space.contains(replace(inside, **setting)), setting
    assert space.contains(replace(inside, glob_avg=False))
    assert space.contains(replace(inside, norm=None, n_cells=5))
    for genotype in (
        Genotype(normal, [2, 3], reduce, [3]),
        Genotype(normal, [2], reduce, [2]),
        Genotype(normal[:2], [2], reduce, [2, 3]),
        Genotype([("conv_3x3", 0), ("skip_connect", 0), *normal[2:]], [2, 3], reduce, [2, 3]),
        Genotype([("conv_5x5", 0), ("conv_7x7", 1), *normal[2:]], [2, 3], reduce, [2, 3]),
    ):
        assert not space.contains(replace(inside, genotype=genotype)), genotype
    one_node = Genotype(normal[:2], [2], [("none", 0), ("skip_connect", 1)], [2])
    assert not space.contains(replace(inside, genotype=one_node))
    assert DeepNets1MSpace("dense").contains(inside)
    assert not DeepNets1MSpace("deep").contains(inside)
    assert DeepNets1MSpace("bnfree").contains(replace(inside, norm=None))
    heavy = [("conv_7x7", 0), ("conv_3x3", 1), ("conv_3x3", 0), ("conv_3x3", 1)]
    large = Architecture(Genotype(heavy, [2, 3], heavy, [2, 3]), n_cells=18, C_mult=2)
    assert parameter_count(large) > 10**7
    assert not space.contains(large)


@pytest.mark.parametrize("split", ["val", "dense"])
def test_mutation_gives_another_network_of_the_space(split):
    space, rng = DeepNets1MSpace(split), np.random.default_rng(0)
    changed: Counter[str] = Counter()
    for parent in space.sample(150, seed=0):
        child = space.mutate(replace(parent, C=48), rng)
        assert space.contains(child)
        assert child.C == 48
        assert space.canonical(child) != space.canonical(replace(parent, C=48))
        for name in ("genotype", "n_cells", "C_mult", "ks", "stem_type", "fc_layers"):
            changed[name] += getattr(child, name) != getattr(parent, name)
        changed["concat"] += child.genotype.normal_concat != parent.genotype.normal_concat
    assert min(changed.values()) > 0
    with pytest.raises(SettingError, match="The space DeepNets1MSpace.* does not contain"):
        space.mutate(replace(parent, ks=9), rng)
