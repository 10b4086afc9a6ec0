import networkx as nx
import numpy as np

from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS
from tart_nas.search_spaces import canonical_genotype


def random_cell(rng, n_nodes, ops):
    pairs = [(ops[rng.integers(len(ops))], int(rng.integers(2 + k // 2))) for k in range(2 * n_nodes)]
    concat = [k for k in range(2, n_nodes + 1) if rng.random() < 0.7] + [n_nodes + 1]
    return pairs, concat


def as_graph(pairs, concat):
    """The cell as a labelled graph whose operations are nodes, for an isomorphism test by networkx."""
    graph = nx.DiGraph()
    for state in range(2 + len(pairs) // 2):
        graph.add_node(state, label=("input", state) if state < 2 else ("node", state in concat))
    for k, (op, source) in enumerate(pairs):
        graph.add_node(("op", k), label=op)
        graph.add_edge(0 if op == "none" else source, ("op", k))
        graph.add_edge(("op", k), 2 + k // 2)
    return graph


def test_equal_exactly_when_networkx_finds_an_isomorphism():
    rng = np.random.default_rng(0)
    cells = [random_cell(rng, 3, ("skip_connect", "none")) for _ in range(60)]
    fixed = random_cell(rng, 2, CELL_OPS)
    forms = [canonical_genotype(Genotype(*cell, *fixed)) for cell in cells]
    equal = 0
    for i in range(len(cells)):
        for j in range(i):
            same = nx.is_isomorphic(
                as_graph(*cells[i]), as_graph(*cells[j]), node_match=lambda a, b: a["label"] == b["label"]
            )
            assert (forms[i] == forms[j]) is same
            equal += same
    assert equal > 10


def test_large_cells_of_equal_nodes_do_not_explode():
    pairs = [("sep_conv_3x3", i % 2) for i in range(40)]  # twenty equal nodes: 20! orders
    genotype = Genotype(pairs, [21], pairs, range(2, 22))
    assert canonical_genotype(genotype).reduce == tuple(pairs)
    assert canonical_genotype(genotype).normal_concat == (21,)
