import json
from math import prod

import numpy as np
import pytest
import torch

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.graphs import PRIMITIVES, ComputationalGraph
from tart_nas.networks import build_network
from tart_nas.published import DARTS, VIT


def _kinds(graph):
    return [PRIMITIVES[p] for p in graph.primitives]


@pytest.mark.parametrize(
    ("image_size", "step"), [(32, 60), *(pytest.param(size, 30, marks=pytest.mark.slow) for size in (32, 224))]
)
def test_each_parameter_that_influences_the_output_is_of_one_node(nets, image_size, step):
    """Against the gradients of the network that is built."""
    for split, index, net in nets[::step]:
        architecture = Architecture.from_dict(net)
        with torch.device("meta"):
            network = build_network(architecture, image_size=image_size)
            network(torch.zeros(2, 3, image_size, image_size)).sum().backward()
        used = {name: tuple(p.shape) for name, p in network.named_parameters() if p.grad is not None}
        graph = ComputationalGraph.from_architecture(architecture, image_size=image_size)
        assert graph.num_parameters == sum(map(prod, used.values()))  # by the nodes' sizes; the names are asked below
        of_nodes = [pair for own in graph.parameters for pair in own]
        assert dict(of_nodes) == used, (split, index)
        assert len(of_nodes) == len(used)


@pytest.mark.slow
def test_parameters_are_those_of_the_network(nets):
    """Of every network of DeepNets-1M's test data; those with all operations in use have all of them."""
    complete = 0
    for split, index, net in nets:
        architecture = Architecture.from_dict(net)
        with torch.device("meta"):
            network = build_network(architecture)
        given = {name: tuple(p.shape) for name, p in network.named_parameters()}
        graph = ComputationalGraph.from_architecture(architecture)
        of_nodes = [pair for own in graph.parameters for pair in own]
        assert len(dict(of_nodes)) == len(of_nodes), (split, index)
        assert dict(of_nodes).items() <= given.items(), (split, index)
        complete += len(of_nodes) == len(given)
    assert complete > len(nets) / 10


def test_the_first_parameter_of_a_node_gives_it_its_name_and_shape(nets):
    for _, _, net in nets[::30]:
        graph = ComputationalGraph.from_architecture(Architecture.from_dict(net))
        for name, shape, own in zip(graph.names, graph.parameter_shapes.tolist(), graph.parameters, strict=True):
            assert tuple(n for n in shape if n) == (own[0][1] if own else ())
            assert not own or own[0][0].endswith(name)


def test_every_graph_leads_from_the_input_to_the_output(nets):
    for _, _, net in nets[::3]:
        graph = ComputationalGraph.from_architecture(Architecture.from_dict(net))
        kinds = _kinds(graph)
        assert kinds[0] == "input"
        assert kinds[-1] == "bias"
        assert (graph.distances[:-1, -1] > 0).all()
        lonely = [kind for kind, distance in zip(kinds[1:], graph.distances[0, 1:], strict=True) if not distance]
        assert lonely == ["pos_enc"] * ("pos_enc" in kinds)
        indegree = np.bincount(graph.edges[:, 1], minlength=graph.num_nodes)
        joins = np.isin(kinds, ["sum", "concat", "cse"])
        assert (indegree[joins] > 1).all()
        assert (indegree[1:][~joins[1:]] <= 1).all()


def test_published_sizes():
    assert ComputationalGraph.from_architecture(VIT).num_nodes == 129
    graph = ComputationalGraph.from_architecture(Architecture(DARTS.genotype, n_cells=8))
    assert _kinds(graph).count("sep_conv") == 60
    reduced = graph.resolutions[:, 0].tolist()
    assert sorted(set(reduced), reverse=True) == [32, 16, 8, 1]
    assert graph.channels.max() == 4 * 4 * 32


def test_separable_convolution_is_six_nodes():
    one = Genotype([("sep_conv_5x5", 0), ("sep_conv_5x5", 1)], [2], [("max_pool_3x3", 0), ("max_pool_3x3", 1)], [2])
    graph = ComputationalGraph.from_architecture(Architecture(one, n_cells=1, C=16))
    nodes = [i for i, name in enumerate(graph.names) if name.startswith("_ops.0")]
    assert [graph.names[i] for i in nodes] == [f"_ops.0.op.{j}.weight" for j in (1, 2, 3, 5, 6, 7)]
    assert _kinds(graph)[nodes[0] : nodes[-1] + 1] == ["sep_conv", "conv", "bn"] * 2
    assert graph.kernel_sizes[nodes].tolist() == [[5, 5], [1, 1], [0, 0]] * 2
    assert graph.parameter_shapes[nodes[:3]].tolist() == [[16, 1, 5, 5], [16, 16, 1, 1], [16, 0, 0, 0]]


def test_what_is_zero_or_unused_has_no_nodes():
    """Node 2 adds zeros to one operation, nodes 3 and 5 are zero, node 4 and so input 1 are not used."""
    normal = [
        *(("none", 0), ("conv_3x3", 0)),
        *(("none", 0), ("none", 2)),
        *(("conv_5x5", 1), ("conv_5x5", 1)),
        *(("conv_7x7", 3), ("sep_conv_3x3", 3)),
    ]
    genotype = Genotype(normal, [2, 3, 5], [("max_pool_3x3", 0), ("max_pool_3x3", 1)] * 4, [2, 3, 4])
    graph = ComputationalGraph.from_architecture(Architecture(genotype, n_cells=1))
    assert graph.names == (
        *("input", "stem.0.weight", "stem.1.weight", "preprocess0.op.1.weight", "preprocess0.op.2.weight"),
        *("_ops.1.op.1.weight", "_ops.1.op.2.weight", "glob_avg", "classifier.0.weight", "classifier.0.bias"),
    )
    assert graph.edges.tolist() == [[i, i + 1] for i in range(9)]
    assert graph.parameter_shapes[-2].tolist() == [10, 3 * 32, 0, 0]  # the zeros count as channels


def test_a_sum_of_one_thing_is_no_node():
    pools = [("max_pool_3x3", 0), ("max_pool_3x3", 1)]
    skips = Genotype([("skip_connect", 0), ("skip_connect", 1)], [2], pools, [2])
    graph = ComputationalGraph.from_architecture(Architecture(skips, n_cells=1, preproc=False, C_mult=1))
    assert graph.names == (
        *("input", "stem.0.weight", "stem.1.weight"),
        *("glob_avg", "classifier.0.weight", "classifier.0.bias"),
    )


def test_unread_second_stem_has_no_nodes():
    first_only = Genotype([("conv_3x3", 0), ("none", 1)], [2], [("max_pool_3x3", 0), ("none", 1)], [2])
    graph = ComputationalGraph.from_architecture(Architecture(first_only, n_cells=1, stem_type=1))
    assert not any(name.startswith("stem1") for name in graph.names)
    both = Genotype([("conv_3x3", 0), ("conv_3x3", 1)], [2], [("max_pool_3x3", 0), ("none", 1)], [2])
    assert "stem1.1.weight" in ComputationalGraph.from_architecture(Architecture(both, n_cells=1, stem_type=1)).names


def test_impossible_networks(nets):
    nothing = json.loads(json.dumps(nets[0][2]))
    nothing["genotype"]["normal"] = [["none", 0], ["none", 1]]
    nothing["genotype"]["normal_concat"] = [2]
    with pytest.raises(ArchitectureError, match="disconnected"):
        Architecture.from_dict(nothing)
    with pytest.raises(ArchitectureError, match="`C` must be at least 2"):
        ComputationalGraph.from_architecture(Architecture(DARTS.genotype, n_cells=3, C=1))
    with pytest.raises(SettingError, match="`image_size`"):
        ComputationalGraph.from_architecture(VIT, image_size=4)
    with pytest.raises(SettingError, match="`num_classes`"):
        ComputationalGraph.from_architecture(VIT, num_classes=0)
