from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from tart_nas.architecture import Architecture
from tart_nas.errors import PredictorError
from tart_nas.genotype import Genotype
from tart_nas.operations import CELL_OPS
from tart_nas.tokens import SETTINGS, CellTokens
from tests.labels import Labelled

PAIRS = (("sep_conv_3x3", 0), ("skip_connect", 1))


@pytest.fixture(scope="module")
def deepnets(generator_nets: dict[str, list[dict[str, Any]]]) -> list[Architecture]:
    return [Architecture.from_dict(net) for nets in generator_nets.values() for net in nets]


@pytest.fixture(scope="module")
def darts(labelled: Labelled) -> list[Architecture]:
    return labelled.architectures


def test_round_trip_of_every_net(darts: list[Architecture], deepnets: list[Architecture]):
    for architectures in (darts, deepnets):
        tokens = CellTokens.encode(architectures)
        assert tokens.genotypes() == [a.genotype for a in architectures]
        assert tokens.architectures() == architectures


def test_pads_to_the_largest_of_the_batch(darts: list[Architecture], deepnets: list[Architecture]):
    assert CellTokens.encode(darts).op.shape == (718, 16)
    tokens = CellTokens.encode(deepnets)
    edges = [len(a.genotype.normal) + len(a.genotype.reduce) for a in deepnets]
    assert tokens.mask.sum(axis=1).tolist() == edges
    assert tokens.mask.shape[1] == max(edges)
    assert not tokens.op[~tokens.mask].any()


def test_tokens_do_not_depend_on_the_batch(deepnets: list[Architecture]):
    together = CellTokens.encode(deepnets)
    for row in (0, 50, 299):
        alone = CellTokens.encode([deepnets[row]])
        for field in fields(CellTokens):
            ours, theirs = getattr(alone, field.name)[0], getattr(together, field.name)[row]
            assert np.array_equal(ours, theirs[: len(ours)]), field.name


def test_settings(deepnets: list[Architecture]):
    tokens = CellTokens.encode(deepnets)
    for row, net in enumerate(deepnets):
        told = dict(zip(SETTINGS, tokens.settings[row].tolist(), strict=True))
        assert (told["n_cells"], told["C"], told["is_vit"]) == (net.n_cells, net.C, net.is_vit)
        assert (told["norm"], told["preproc"]) == (net.norm is not None, net.preproc)
        if not net.is_vit:
            assert (told["ks"], told["stem_type"]) == (net.ks, net.stem_type)
        if net.fc_layers > 1:
            assert told["fc_dim"] == net.fc_dim


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"fc_dim": 256}, {"fc_dim": 512}),
        ({"stem_type": 1, "stem_pool": True}, {"stem_type": 1, "stem_pool": False}),
        (
            {"normal": (("msa", 0), ("skip_connect", 1)), "ks": 3},
            {"normal": (("msa", 0), ("skip_connect", 1)), "ks": 7},
        ),
        ({"n_cells": 1, "C_mult": 1}, {"n_cells": 1, "C_mult": 2}),
        ({"n_cells": 1, "reduce": PAIRS}, {"n_cells": 1, "reduce": PAIRS * 12}),
        ({"n_cells": 1, "reduce": (("msa", 0), ("msa", 1))}, {"n_cells": 1, "reduce": (("msa", 0), ("cse", 0))}),
    ],
)
def test_equal_architectures_have_equal_tokens(first: dict[str, Any], second: dict[str, Any]):
    def make(normal=PAIRS, reduce=PAIRS, n_cells=4, **settings):
        nodes = [range(2, len(cell) // 2 + 2) for cell in (normal, reduce)]
        return Architecture(Genotype(normal, tuple(nodes[0]), reduce, tuple(nodes[1])), n_cells, **settings)

    one, other = make(**first), make(**second)
    assert one == other
    tokens = CellTokens.encode([one, other])
    assert tokens.architectures() == [one, other]
    for field in fields(CellTokens):
        rows = getattr(tokens, field.name)
        assert np.array_equal(rows[0], rows[1]), field.name


def test_different_architectures_have_different_tokens(deepnets: list[Architecture]):
    distinct = list(dict.fromkeys(deepnets))
    tokens = CellTokens.encode(distinct)
    rows = np.concatenate([getattr(tokens, field.name).astype(np.int64) for field in fields(CellTokens)], axis=1)
    assert len(np.unique(rows, axis=0)) == len(distinct)


def test_every_operation_and_the_largest_cell():
    pairs = tuple((CELL_OPS[i % len(CELL_OPS)], i // 2) for i in range(20))
    genotype = Genotype(pairs, tuple(range(2, 12)), pairs[:2], (2,))
    tokens = CellTokens.encode([Architecture(genotype, 4)])
    assert tokens.genotypes() == [genotype]
    assert tokens.target.max() == 11


def test_too_large_a_cell_is_named():
    small = Genotype(PAIRS, (2,), PAIRS, (2,))
    large = replace(small, normal=PAIRS * 11)
    with pytest.raises(PredictorError, match="at most 10 nodes a cell, but architecture 1 has 11"):
        CellTokens.encode([Architecture(small, 4), Architecture(large, 4)])


def test_empty_batch():
    tokens = CellTokens.encode([])
    assert len(tokens) == 0
    assert tokens.genotypes() == tokens.architectures() == []


def test_take(darts: list[Architecture]):
    rows = np.array([5, 2, 2])
    assert CellTokens.encode(darts).take(rows).genotypes() == [darts[row].genotype for row in rows]
