import networkx as nx
import pytest
import torch

from tart_nas.architecture import Architecture
from tart_nas.operations import CELL_OPS, NONE
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens import CellTokens
from tart_nas.tokens.input_paths import CLASSES, UNREACHED, InputPaths
from tart_nas.tokens.tensors import CellTensors


def paths_of(architectures):
    return InputPaths.of(CellTensors.of(CellTokens.encode(architectures)))


def by_enumeration(architecture: Architecture, cell: str):
    """Readers and fewest operations of each class by input, from all paths one by one."""
    pairs, concat = getattr(architecture.genotype, cell), getattr(architecture.genotype, f"{cell}_concat")
    graph = nx.MultiDiGraph()
    graph.add_nodes_from(range(2 + len(pairs) // 2))
    for place, (op, source) in enumerate(pairs):
        if op != NONE:
            graph.add_edge(source, 2 + place // 2, op=CELL_OPS.index(op))
    for start in (0, 1):
        read = [data["op"] for _, _, data in graph.out_edges(start, data=True)]
        paths = [
            [graph.edges[edge]["op"] for edge in path]
            for end in concat
            for path in nx.all_simple_edge_paths(graph, start, end)
        ]
        for has in CLASSES.values():
            fewest = min((sum(has[op] for op in path) for path in paths), default=UNREACHED)
            yield sum(has[op] for op in read), fewest


@pytest.mark.parametrize(
    "space", [DartsSpace(), DeepNets1MSpace("search"), DeepNets1MSpace("dense")], ids=["darts", "search", "dense"]
)
def test_they_are_those_of_all_paths_one_by_one(space):
    architectures = space.sample(40, seed=3)
    paths = paths_of(architectures)
    assert paths.fewest.shape == paths.readers.shape == (40, 2, 2, len(CLASSES))
    for row, architecture in enumerate(architectures):
        for index, cell in enumerate(("normal", "reduce")):
            readers, fewest = zip(*by_enumeration(architecture, cell), strict=True)
            assert paths.readers[row, index].flatten().tolist() == list(readers)
            assert paths.fewest[row, index].flatten().tolist() == list(fewest)


def test_an_architecture_is_the_same_whatever_else_is_in_the_batch():
    few, many = DartsSpace().sample(3, seed=0), DeepNets1MSpace("dense").sample(20, seed=0)
    alone, together = paths_of(few), paths_of([*many, *few])
    assert torch.equal(alone.fewest, together.fewest[-3:])
    assert torch.equal(alone.readers, together.readers[-3:])


def test_no_architectures():
    assert paths_of([]).fewest.shape == (0, 2, 2, len(CLASSES))
