import json

import pytest

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, TartError
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS, NASBENCH301_OPS

DARTS_V2_TEXT = (
    "DARTS_V2 = Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), ('max_pool_3x3', 0), "
    "('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], reduce_concat=[2, 3, 4, 5])"
)
POOL = (("max_pool_3x3", 0), ("avg_pool_3x3", 1))
CONV = (("conv_3x3", 0), ("none", 1))
SIMPLE = Genotype(CONV, (2,), POOL, (2,))


def test_reads_all_nets_of_deepnets1m_and_round_trips(generator_nets):
    for net in [net for nets in generator_nets.values() for net in nets]:
        architecture = Architecture.from_dict(net)
        again = Architecture.from_dict(json.loads(json.dumps(architecture.to_dict())))
        assert again == architecture
        assert hash(again) == hash(architecture)
        assert architecture.C == 32
        for name, value in architecture.to_dict().items():
            assert name == "C" or json.loads(json.dumps(value)) == net[name]


def test_reads_op_indices_of_nasbench301():
    """They are (input, operation), in the order of that benchmark's list of operations."""
    names = ("max_pool_3x3", "avg_pool_3x3", "skip_connect", "sep_conv_3x3", "sep_conv_5x5", "dil_conv_3x3")
    normal = [[0, 0], [1, 5], [1, 1], [0, 6], [1, 3], [0, 2], [2, 4], [3, 2]]
    reduce = [[1, 0], [0, 2], [1, 3], [0, 3], [3, 0], [0, 1], [2, 0], [3, 6]]
    genotype = Genotype.from_dict({"normal": normal, "reduce": reduce})
    for pairs, found in ((normal, genotype.normal), (reduce, genotype.reduce)):
        assert found == tuple(((*names, "dil_conv_5x5")[op], source) for source, op in pairs)
    assert genotype.normal_concat == genotype.reduce_concat == (2, 3, 4, 5)


def test_genotypes_that_differ_are_told_apart(labelled):
    texts = {json.dumps(architecture.genotype.to_dict()) for architecture in labelled.architectures}
    assert len({architecture.genotype for architecture in labelled.architectures}) == len(texts) > 700


def test_reads_the_text_of_darts_in_all_its_forms():
    genotype = Genotype.from_text(DARTS_V2_TEXT)
    assert genotype.normal[7] == ("dil_conv_3x3", 2)
    assert Genotype.from_text(DARTS_V2_TEXT.replace("[2, 3, 4, 5]", "range(2, 6)")) == genotype
    assert Genotype.from_text(DARTS_V2_TEXT.replace("DARTS_V2 = ", "")) == genotype
    assert Genotype.from_text(repr(genotype)) == genotype
    values = genotype.to_dict()
    assert Genotype.from_text(f"Genotype({', '.join(repr(values[k]) for k in values)})") == genotype


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Genotype(",
        "Genotype()",
        "print('no')",
        "Genotype(normal=open('x'), normal_concat=[2], reduce=[], reduce_concat=[2])",
        "Genotype(normal=[('conv_3x3', 0), ('none', 1)], normal_concat=range(10 ** 9), reduce=[], reduce_concat=[2])",
        "__import__('os').system('true')",
        "Genotype(normal=[('none', 0)], normal_concat=[2], reduce=[], reduce_concat=[2], more=1)",
        "Genotype(1, 2, 3, 4, 5)",
        "[" * 5000 + "]" * 5000,
        "x" * 200_000,
        DARTS_V2_TEXT + "; 1",
    ],
)
def test_refuses_other_text_without_evaluating_it(text):
    with pytest.raises(ArchitectureError):
        Genotype.from_text(text)


def test_equal_in_meaning_whatever_the_form():
    lists = Genotype([list(pair) for pair in CONV], range(2, 3), [list(pair) for pair in POOL], [2])
    assert lists == SIMPLE
    assert len({lists, SIMPLE}) == 1
    two = Genotype(CONV * 2, [3, 2], POOL * 2, (2, 3))
    assert two.normal_concat == (2, 3)


@pytest.mark.parametrize(
    ("settings", "same"),
    [
        ({"fc_dim": 64}, True),
        ({"fc_layers": 0}, True),
        ({"norm": "bn"}, True),
        ({"fc_dim": 64, "fc_layers": 2}, False),
        ({"norm": None}, False),
        ({"C": 16}, False),
        ({"ks": 5}, False),
        ({"stem_pool": True}, False),
        ({"stem_type": 1}, False),
    ],
)
def test_settings_without_effect_do_not_count(settings, same):
    assert (Architecture(SIMPLE, 4, **settings) == Architecture(SIMPLE, 4)) is same


def test_a_vision_transformer_ignores_the_stem_and_a_single_cell_the_reduction():
    vit = Genotype([("none", 0), ("msa", 1)], [2], POOL, [2])
    assert Architecture(vit, 4, ks=7, stem_type=1) == Architecture(vit, 4)
    other = Genotype(CONV, (2,), CONV, (2,))
    assert Architecture(SIMPLE, 1, C_mult=1) == Architecture(other, 1)
    assert Architecture(SIMPLE, 2) != Architecture(other, 2)
    assert Architecture(SIMPLE, 9).reductions == (3, 6)
    assert Architecture(SIMPLE, 2).reductions == (1,)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (([("conv_9x9", 0), ("none", 1)], [2], POOL, [2]), r"Unknown operation 'conv_9x9' in pair 0 of 'normal'"),
        (
            ([("conv_3x3", 2), ("none", 1)], [2], POOL, [2]),
            r"Pair 0 of 'normal' must .* in \[0, 2\), but got 2",
        ),
        (([("conv_3x3", -1), ("none", 1)], [2], POOL, [2]), r"but got -1"),
        (([("conv_3x3", "0"), ("none", 1)], [2], POOL, [2]), r"but got '0'"),
        (([("conv_3x3", 0, 1), ("none", 1)], [2], POOL, [2]), r"must be \(operation, input\)"),
        (([["conv_3x3"], ("none", 1)], [2], POOL, [2]), r"must be \(operation, input\)"),
        (([[["a"], 0], ("none", 1)], [2], POOL, [2]), r"Unknown operation"),
        (([("conv_3x3", 0)], [2], POOL, [2]), r"two \(operation, input\) pairs per node, but got 1 pairs"),
        (([], [2], POOL, [2]), r"got 0 pairs"),
        (("conv", [2], POOL, [2]), r"must be a list"),
        ((CONV, [], POOL, [2]), r"'normal_concat' must list nodes in \[2, 3\)"),
        ((CONV, [1], POOL, [2]), r"'normal_concat'"),
        ((CONV, [2], POOL, [2, 2]), r"'reduce_concat'"),
        ((CONV, [2], POOL, [3]), r"'reduce_concat'"),
        ((CONV, [2.0], POOL, [2.5]), r"_concat'"),
        ((CONV, 2, POOL, [2]), r"must be a list"),
    ],
)
def test_a_wrong_genotype_says_what_and_where(cells, message):
    with pytest.raises(ArchitectureError, match=message) as caught:
        Genotype(*cells)
    assert "\n" not in str(caught.value)
    assert isinstance(caught.value, TartError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "settings",
    [
        {"n_cells": 0},
        {"n_cells": True},
        {"n_cells": 4.0},
        {"C": -1},
        {"C_mult": 0},
        {"ks": 4},
        {"ks": 0},
        {"stem_type": 2},
        {"stem_pool": 1},
        {"norm": "layer"},
        {"fc_layers": -1},
        {"fc_dim": 0},
        {"preproc": False},  # C_mult is 2
        {"genotype": None},
    ],
)
def test_a_wrong_setting_says_which(settings):
    with pytest.raises(ArchitectureError, match="`") as caught:
        Architecture(**{"genotype": SIMPLE, "n_cells": 4, **settings})
    assert next(iter(settings)) in str(caught.value)


def test_a_disconnected_network_is_refused():
    nothing = (("none", 0), ("none", 1))
    with pytest.raises(ArchitectureError, match="disconnected"):
        Architecture(Genotype(nothing, [2], CONV, [2]), 4)
    # The reduction cells give zeros, but the cells after them still see the cell before.
    around = Genotype((("conv_3x3", 0), ("conv_3x3", 1)), [2], nothing, [2])
    assert Architecture(around, 7).live_cells() == [True, True, False, True, False, True, True]
    with pytest.raises(ArchitectureError, match="disconnected"):
        Architecture(around, 3)  # cells 1 and 2 both reduce, nothing passes


@pytest.mark.parametrize("value", [None, [], {"n_cells": 4}, {"genotype": SIMPLE.to_dict()}])
def test_from_dict_says_what_an_architecture_needs(value):
    with pytest.raises(ArchitectureError, match="at least 'genotype' and 'n_cells'"):
        Architecture.from_dict(value)


def test_from_dict_says_what_a_genotype_lacks():
    with pytest.raises(ArchitectureError, match="no 'reduce'"):
        Genotype.from_dict({"normal": CONV})
    with pytest.raises(ArchitectureError, match="op index 7"):
        Genotype.from_dict({"normal": [[0, 7], [1, 0]], "reduce": POOL})


def test_vocabulary_is_the_documented_one():
    assert len(CELL_OPS) == 15
    assert NASBENCH301_OPS == (
        "max_pool_3x3",
        "avg_pool_3x3",
        "skip_connect",
        "sep_conv_3x3",
        "sep_conv_5x5",
        "dil_conv_3x3",
        "dil_conv_5x5",
    )


def test_resized_changes_the_size_alone():
    architecture = Architecture(SIMPLE, 6, ks=5)
    assert architecture.resized(3, 8) == Architecture(SIMPLE, 3, 8, ks=5)
    assert architecture.resized(C=8) == Architecture(SIMPLE, 6, 8, ks=5)
    assert architecture.resized() is architecture
    with pytest.raises(ArchitectureError, match="`n_cells` must be a whole number of at least 1, but got 0"):
        architecture.resized(0)
    vit = Architecture(Genotype([("msa", 0), ("none", 1)], [2], POOL, [2]), 4)
    with pytest.raises(ArchitectureError, match="`C` must be at least 8 in a network with msa"):
        vit.resized(C=4)
