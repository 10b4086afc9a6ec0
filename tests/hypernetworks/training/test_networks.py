"""The sequence of training networks."""

from itertools import islice

import pytest

from tart_nas.deepnets1m import DeepNets1M, generate
from tart_nas.errors import SettingError
from tart_nas.hypernetworks import GHNConfig
from tart_nas.hypernetworks.training import GHNRecipe, SampledNetworks, networks
from tart_nas.hypernetworks.training.networks import MetaBatches, Preparer
from tart_nas.operations import ATTENTION_OPS

CONFIG = GHNConfig(max_shape=(8, 8, 5, 5), num_classes=10, hid=8)


def preparer(source=None, **settings):
    recipe = GHNRecipe(**{"widths": "small", "max_network_nodes": 120, "simple_networks": True, **settings})
    return Preparer(source or SampledNetworks(1000), CONFIG, recipe, 10, 16, seed=3)


def first(n, made, **settings):
    with MetaBatches(
        made, **{"meta_batch": 2, "max_nodes": 2200, "first": 0, "workers": 0, **settings}
    ).running() as run:
        return list(islice(run, n))


def test_networks_are_within_the_limits():
    groups = first(10, preparer())
    assert all(len(group) == 2 for group in groups)
    for network in (member for group in groups for member in group):
        assert network.inputs.num_nodes <= 120
        assert network.architecture.glob_avg
        assert not network.architecture.genotype.ops & set(ATTENTION_OPS)
    assert {network.architecture.C for group in groups for network in group} == {8, 16}


def test_the_sequence_can_be_entered_anywhere():
    batches = MetaBatches(preparer(), 2, 2200, 0, 0)
    with batches.running() as run:
        draws = [[member.draw for member in next(run)] for _ in range(3)]
        after = batches.next
        expected = [member.draw for member in next(run)]
    (again,) = first(1, preparer(), first=after)
    assert [member.draw for member in again] == expected
    assert draws[-1][-1] < after <= expected[0]


def test_meta_batches_with_too_many_nodes_are_left_out():
    sizes = [sum(member.inputs.num_nodes for member in group) for group in first(10, preparer())]
    limit = sorted(sizes)[4]
    kept = [sum(member.inputs.num_nodes for member in group) for group in first(5, preparer(), max_nodes=limit)]
    assert kept == [size for size in sizes if size <= limit]


def test_a_limit_that_no_network_is_within():
    with pytest.raises(SettingError, match="`max_network_nodes`"):
        first(1, preparer(SampledNetworks(3), max_network_nodes=3))  # of which one or two are simple


def test_networks_that_fit_alone_and_never_together(monkeypatch):
    """Each is within `max_network_nodes`; of 32 of them no meta-batch is within `max_nodes`."""
    monkeypatch.setattr(networks, "_MOST_UNFIT", 40)
    monkeypatch.setattr(networks, "_MOST_UNFIT_EACH", 10)
    made = preparer(simple_networks=False, max_network_nodes=None)
    with pytest.raises(SettingError, match=r"No meta-batch of 40 networks .* `meta_batch` too large"):
        first(1, made, meta_batch=3, max_nodes=40)
    with pytest.raises(SettingError, match="No meta-batch of 50 networks"):
        first(1, made, meta_batch=5, max_nodes=40)
    assert len(first(60, preparer(max_network_nodes=150))) == 60, "those between two meta-batches count"


def test_networks_of_a_file_are_used_once_before_any_is_used_again(tmp_path):
    generate("train", 12, tmp_path)
    file = DeepNets1M(tmp_path, "train")
    made = preparer(file, simple_networks=False, max_network_nodes=None)
    genotypes = [member.architecture.genotype for group in first(12, made) for member in group]
    assert sorted(map(str, genotypes[:12])) == sorted(map(str, genotypes[12:]))
    assert sorted(map(str, genotypes[:12])) == sorted(str(network.genotype) for network in file.architectures())
    assert genotypes[:12] != genotypes[12:], "each pass has another order"
