from typing import Any

import networkx as nx
import pytest

from tart_nas.architecture import Architecture
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS
from tart_nas.tokens import CellTokens
from tart_nas.tokens.structure import EdgeStructure
from tart_nas.tokens.tensors import CellTensors

WITHOUT_WEIGHTS = {"none", "max_pool_3x3", "avg_pool_3x3", "skip_connect"}


@pytest.fixture(scope="module")
def nets(generator_nets: dict[str, list[dict[str, Any]]]) -> list[Architecture]:
    return [Architecture.from_dict(net) for nets in generator_nets.values() for net in nets]


def test_agrees_with_networkx_on_every_net(nets: list[Architecture]):
    tokens = CellTokens.encode(nets)
    structure = EdgeStructure.of(CellTensors.of(tokens))
    for row in range(len(nets)):
        for cell in (0, 1):
            edges = [e for e in range(tokens.op.shape[1]) if tokens.mask[row, e] and tokens.cell[row, e] == cell]
            graph = nx.MultiDiGraph()
            for e in edges:
                weight = int(CELL_OPS[tokens.op[row, e]] not in WITHOUT_WEIGHTS)
                graph.add_edge(int(tokens.source[row, e]), int(tokens.target[row, e]), one=1, weight=weight)
            for e in edges:
                source, target = int(tokens.source[row, e]), int(tokens.target[row, e])
                before = graph.subgraph(nx.ancestors(graph, source) | {source})
                assert structure.depth[row, e] == nx.dag_longest_path_length(before, weight="one")
                assert structure.weighted_depth[row, e] == nx.dag_longest_path_length(before, weight="weight")
                assert structure.uses[row, e] == graph.out_degree(target)
    assert not structure.depth[~tokens.mask].any()
    assert not structure.uses[~tokens.mask].any()


def test_a_chain_by_hand():
    pairs = (("sep_conv_3x3", 0), ("skip_connect", 1), ("max_pool_3x3", 2), ("conv_5x5", 2), ("cse", 3), ("none", 0))
    architecture = Architecture(Genotype(pairs, (4,), (("conv_1x1", 0), ("conv_1x1", 0)), (2,)), 4)
    structure = EdgeStructure.of(CellTensors.of(CellTokens.encode([architecture])))
    assert structure.depth[0].tolist() == [0, 0, 1, 1, 2, 0, 0, 0]
    assert structure.weighted_depth[0].tolist() == [0, 0, 1, 1, 2, 0, 0, 0]
    assert structure.uses[0].tolist() == [2, 2, 1, 1, 0, 0, 0, 0]


def test_empty_batch():
    assert EdgeStructure.of(CellTensors.of(CellTokens.encode([]))).depth.shape == (0, 0)
