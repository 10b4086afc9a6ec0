import json
from dataclasses import replace
from itertools import permutations
from typing import Any, cast

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tart_nas.architecture import Architecture
from tart_nas.choices import SAMPLED_SPLITS
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS
from tart_nas.published import DARTS, PDARTS, VIT
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.strings import Language, canonical_string, decode, encode, split
from tart_nas.symbols import edge_symbol
from tests.search_spaces.test_canonical import as_graph, random_cell

_SAME_RULES = ("val", "test", "wide")  # as train
SPACES = [
    DartsSpace(),
    DartsSpace(n_cells=20, C=36, norm=None),
    *(
        pytest.param(DeepNets1MSpace(split), marks=[pytest.mark.slow] if split in _SAME_RULES else [])
        for split in SAMPLED_SPLITS
    ),
]
every_space = pytest.mark.parametrize("space", SPACES, ids=repr)
numbers = st.integers(0, 10**9 - 1)
symbols = st.one_of(
    st.builds(edge_symbol, st.sampled_from(CELL_OPS), st.integers(0, 12)),
    st.builds(edge_symbol, st.sampled_from(CELL_OPS), numbers),
    st.builds(edge_symbol, st.sampled_from(["none", "msa", "cse", "conv_7x7"]), st.integers(0, 12)),
    st.sampled_from(["[reduce]", "[inner]"]),
    st.builds("[n_cells={}]".format, st.integers(1, 40)),
    st.builds("[{}={}]".format, st.sampled_from(["C", "C_mult", "fc_layers", "fc_dim"]), st.integers(1, 999)),
    st.builds(lambda half: f"[ks={2 * half + 1}]", st.integers(0, 99)),
    st.builds(
        "[{}={}]".format,
        st.sampled_from(["stem_type", "stem_pool", "norm", "preproc", "glob_avg"]),
        st.integers(0, 1),
    ),
)
strings = st.lists(symbols, max_size=120)


@st.composite
def architectures(draw):
    """Any architecture with cells of up to four nodes, the odd ones included; None where its output would be zero."""

    def cell():
        pairs = [
            (draw(st.sampled_from(CELL_OPS)), draw(st.integers(0, 1 + k // 2)))
            for k in range(2 * draw(st.integers(1, 4)))
        ]
        nodes = range(2, 2 + len(pairs) // 2)
        return pairs, draw(st.lists(st.sampled_from(nodes), unique=True, min_size=1))

    flag = st.booleans()
    try:
        return Architecture(
            Genotype(*cell(), *cell()),
            n_cells=draw(st.integers(1, 5)),
            C=draw(st.integers(8, 99)),
            C_mult=draw(st.integers(1, 3)),
            ks=2 * draw(st.integers(0, 4)) + 1,
            stem_type=draw(st.integers(0, 1)),
            stem_pool=draw(flag),
            norm=draw(st.sampled_from(["bnorm", None])),
            preproc=draw(flag),
            glob_avg=draw(flag),
            fc_layers=draw(st.integers(1, 3)),
            fc_dim=draw(st.integers(1, 999)),
        )
    except ArchitectureError:
        return None


@given(strings | st.lists(st.sampled_from(["[none:0]", "[none:2]", "[skip:2]", "[inner]", "[reduce]"])))
def test_any_sequence_is_a_network(sequence):
    architecture = decode(sequence)
    assert isinstance(architecture, Architecture)
    assert decode(encode(architecture)) == architecture
    if sequence:
        assert decode("".join(sequence)) == decode(" \n".join(sequence)) == architecture


@every_space
@settings(max_examples=50)
@given(sequence=strings)
def test_any_sequence_is_a_network_of_the_space(space, sequence):
    architecture = decode(sequence, space)
    assert space.contains(architecture)
    assert decode(encode(architecture), space) == architecture


@given(architectures())
def test_round_trip_of_any_architecture(architecture):
    if architecture is not None:
        assert decode(encode(architecture)) == architecture
        assert str(architecture) == encode(architecture) == encode(decode(encode(architecture)))


def _round_trips(space, n):
    language = Language(space)
    for architecture in space.sample(n, seed=1):
        text = encode(architecture)
        assert decode(text) == decode(text, space) == language.architecture(language.symbols(architecture))
        assert decode(text) == architecture
        assert len(language.symbols(architecture)) <= language.max_length
        assert len(split(text)) < 100


@every_space
def test_round_trip_of_a_space(space):
    _round_trips(space, 200)


@pytest.mark.slow
@every_space
def test_round_trip_of_ten_thousand_of_a_space(space):
    _round_trips(space, 10_000)


def test_the_generators_own_networks_and_published_ones(nets):
    for architecture in [*(Architecture.from_dict(net) for _, _, net in nets), DARTS, PDARTS, VIT]:
        assert decode(str(architecture)) == architecture
    assert json.dumps(str(VIT)) == '"[none:0][msa:1][reduce][none:0][avg3:1][n_cells=12][C=128][C_mult=1][preproc=0]"'


def _isomorphic(first, second):
    def graph(genotype):
        both = nx.DiGraph()
        cells = ((genotype.normal, genotype.normal_concat), (genotype.reduce, genotype.reduce_concat))
        for name, (pairs, concat) in zip(("normal", "reduce"), cells, strict=True):
            cell = as_graph(pairs, concat)
            both.add_nodes_from(
                ((name, node), {"label": (name, data["label"])}) for node, data in cell.nodes(data=True)
            )
            both.add_edges_from(((name, a), (name, b)) for a, b in cell.edges)
        return both

    same_label = lambda a, b: a["label"] == b["label"]  # noqa: E731
    return nx.is_isomorphic(graph(first), graph(second), node_match=same_label)


def test_canonical_strings_are_equal_exactly_for_isomorphic_cells():
    """Isomorphism is networkx's; half of the pairs are the same cells with their parts in another order."""
    rng = np.random.default_rng(0)
    cells = [random_cell(rng, 2, ("skip_connect", "none", "sep_conv_3x3")) for _ in range(20)]
    fixed = random_cell(rng, 3, CELL_OPS)
    networks = []
    for cell in cells:
        genotype = Genotype([*cell[0], ("sep_conv_3x3", 0), ("conv_1x1", 1)], [*cell[1], 4], *fixed)
        networks += [genotype, _reordered(genotype, rng)]
    texts = [canonical_string(Architecture(genotype, 4)) for genotype in networks]
    equal = 0
    for i in range(len(networks)):
        for j in range(i):
            assert (texts[i] == texts[j]) is _isomorphic(networks[i], networks[j])
            equal += texts[i] == texts[j]
    assert equal >= len(cells)


def _reordered(genotype, rng):
    """The same normal cell with its nodes and the operations of each in another order, where there is one."""
    n = len(genotype.normal) // 2
    for order in rng.permutation(list(permutations(range(2, 2 + n)))).tolist():
        place = {0: 0, 1: 1, **{node: k for k, node in enumerate(order, start=2)}}
        nodes = [genotype.normal[2 * node - 4 : 2 * node - 2][:: rng.choice([-1, 1])] for node in order]
        pairs = [(op, 0 if op == "none" else place[source]) for node in nodes for op, source in node]
        try:
            return replace_normal(genotype, pairs, [place[node] for node in genotype.normal_concat])
        except ArchitectureError:  # an input that comes later
            continue
    raise AssertionError


def replace_normal(genotype, pairs, concat):
    return Genotype(pairs, concat, genotype.reduce, genotype.reduce_concat)


def test_settings_without_effect_are_not_written():
    one_cell = replace(DARTS, n_cells=1)
    other = replace(one_cell, genotype=replace(DARTS.genotype, reduce=DARTS.genotype.normal), C_mult=3, fc_dim=7)
    assert one_cell == other
    assert canonical_string(one_cell) == canonical_string(other)
    assert "reduce" not in encode(one_cell)
    assert decode(encode(one_cell)) == one_cell
    attention = replace(
        one_cell, genotype=replace(DARTS.genotype, reduce=(("msa", 0), ("none", 1)), reduce_concat=(2,))
    )
    assert attention.is_vit
    assert decode(encode(attention)) == attention != one_cell


@every_space
def test_a_number_above_the_largest_means_the_largest(space):
    for name in ("n_cells", "C", "C_mult", "ks", "fc_layers", "fc_dim"):
        architecture = decode(f"[msa:0][sep3:1][{name}=999999999]", space)
        assert space.contains(architecture)
        assert decode(encode(architecture), space) == architecture
        assert name != "C" or isinstance(space, DartsSpace) or architecture.C == 100_000


def test_what_symbols_mean():
    assert encode(decode("[sep3:7]")) == "[sep3:1][skip:0][reduce][sep3:1][skip:0]"
    assert encode(decode([])) == "[skip:0][skip:1][reduce][skip:0][skip:1]"
    assert encode(decode("[max3:0][max3:0][reduce][inner][cse:1][C=4][C=9][inner]")) == (
        "[max3:0][max3:0][reduce][cse:1][skip:0][C=4]"
    )
    assert encode(decode("[none:0][none:1]")) == "[none:0][skip:1][reduce][none:0][skip:1]"
    assert encode(decode("[max3:0][max3:0]", DartsSpace())).startswith("[max3:0][max3:1][skip:0][skip:1]")
    many = ["[sep3:0]"] * 100_000
    assert decode(many).genotype.reduce == (("sep_conv_3x3", 0),) * 20
    assert decode(many, DeepNets1MSpace("dense")).n_cells == 8


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "must have a symbol, such as"),
        (" \n", "must have a symbol, such as"),
        ("[sep3:0]" * 100_000, "at most 10,000 characters, but got 800,000"),
        ("[sep3:0][sep9:1]", r"'\[sep9:1\]' at place 1 .* expected \[reduce\], .* sep3, .* and settings n_cells, C"),
        ("[sep3:0]skip", "'skip' at place 1"),
        ("[sep3:0][skip:1", r"'\[skip:1' at place 1"),
        ("[ks=4]", r"'\[ks=4\]' at place 0"),
        ("[C=0]", r"'\[C=0\]' at place 0"),
        ("[preproc=2]", "at place 0"),
        ("[C=99999999999]", "at place 0"),
        ("[sep3:01]", "at place 0"),
        (["[sep3:0]", 3], "Unknown symbol 3 at place 1"),
        (["[sep3:0]", ["[sep3:0]"]], r"Unknown symbol .*\['\[sep3:0\]'\].* at place 1"),
        ([("[sep3:0]", [])], "at place 0"),
        (3, "must be a text, but got 3"),
    ],
)
def test_what_is_no_string(given, expected):
    with pytest.raises(ArchitectureError, match=expected) as raised:
        decode(given)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_what_strings_cannot_say():
    pairs = [("sep_conv_3x3", 0)] * 22
    with pytest.raises(ArchitectureError, match="at most 10 nodes, but got one of 11"):
        encode(Architecture(Genotype(pairs, [2], pairs, [2]), 4))
    with pytest.raises(SettingError, match="must be a DartsSpace or a DeepNets1MSpace"):
        decode([], cast("Any", "darts"))
