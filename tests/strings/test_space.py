"""What the contract of search spaces does not say of strings; tests/search_spaces/test_contract.py has the rest."""

from itertools import pairwise
from typing import Any, cast

import numpy as np
import pytest

from tart_nas.errors import SettingError
from tart_nas.layout import parameter_count
from tart_nas.published import DARTS
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, Parameters
from tart_nas.strategies import cell_distance, evolve
from tart_nas.strings import Language, StringSpace

SPACES = [StringSpace("darts"), StringSpace("deepnets1m", split="search")]
every_space = pytest.mark.parametrize("space", SPACES, ids=repr)


@every_space
def test_a_changed_symbol_changes_little(space):
    rng, distances = np.random.default_rng(0), []
    sample = space.sample(60, seed=0)
    for architecture in sample:
        changed = space.language.mutated(space.language.symbols(architecture), rng)
        distances.append(cell_distance(architecture, space.language.architecture(changed)))
    apart = [cell_distance(a, b) for a, b in pairwise(sample)]
    assert np.median(distances) <= 2 < np.median(apart) / 2


@every_space
def test_mutations_reach_far(space):
    """Many mutations lead to a network that shares little with the first."""
    rng, first = np.random.default_rng(0), space.sample(1, seed=0)[0]
    walked = first
    for _ in range(100):
        walked = space.mutate(walked, rng)
    assert cell_distance(first, walked) > 6


def test_mutations_change_the_number_of_nodes():
    space, rng = StringSpace("deepnets1m", split="val"), np.random.default_rng(0)
    architecture, sizes = space.sample(1, seed=0)[0], set()
    for _ in range(300):
        architecture = space.mutate(architecture, rng)
        sizes.add(len(architecture.genotype.normal) // 2)
    assert sizes >= {2, 3, 4}


@every_space
def test_a_child_has_the_symbols_of_its_parents(space):
    rng, language = np.random.default_rng(0), space.language
    for first, second in zip(space.sample(20, seed=0), space.sample(20, seed=1), strict=True):
        child = language.crossed(language.symbols(first), language.symbols(second), rng)
        assert set(child) <= {*language.symbols(first), *language.symbols(second)}
        assert len(child) == len(language.symbols(second))
        assert space.contains(space.crossover(first, second, rng))
    [one] = space.sample(1, seed=0)
    assert space.crossover(one, one, rng) == one


@pytest.mark.parametrize("split", ["search", "val"])
def test_channels_are_those_of_the_parent(split):
    """They are no symbols; a mutation that changes nothing else is none."""
    space, rng = StringSpace("deepnets1m", split=split), np.random.default_rng(0)
    parents = [parent.resized(C=64) for parent in space.sample(20, seed=0)]
    for parent in parents:
        for _ in range(5):
            child = space.mutate(parent, rng)
            assert child.C == 64
            assert space.canonical(child.resized(C=32)) != space.canonical(parent.resized(C=32))
    assert {mutant.C for mutant in space.mutants(parents, 30, rng)} == {64}
    assert space.crossover(parents[0], parents[1].resized(C=128), rng).C == 64
    assert space.crossover(parents[0], parents[0], rng) == parents[0]
    assert space.suggest(Parameters(space.parameters(parents[0]))) == parents[0].resized(C=32)
    # Attention needs a channel for each head.
    narrow = next(parent for parent in parents if not parent.is_vit).resized(C=4)
    assert {(mutant.C, mutant.is_vit) for mutant in space.mutants([narrow], 100, rng)} == {(4, False), (8, True)}


def test_evolution_by_strings_and_with_children():
    def smallness(architectures):
        return [-parameter_count(architecture) for architecture in architectures]

    space = StringSpace("darts")
    for crossover in (0.0, 0.5, 1.0):
        found, scores = evolve(space, smallness, 600, 0, population=50, tournament=10, batch=50, crossover=crossover)
        assert len({space.canonical(architecture) for architecture in found}) == len(found)
        assert scores.max() > max(smallness(space.sample(600, 1)))
        again = evolve(space, smallness, 600, 0, population=50, tournament=10, batch=50, crossover=crossover)
        assert again[0] == found
    with pytest.raises(SettingError, match=r"`crossover` must be a number in \[0, 1\], but got 2"):
        evolve(space, smallness, 10, 0, crossover=2)
    with pytest.raises(SettingError, match=r"DartsSpace.* has no crossover: .* StringSpace"):
        evolve(DartsSpace(), smallness, 10, 0, crossover=0.5)


def test_languages():
    assert len(Language(DartsSpace()).alphabet) == 35
    assert Language(DartsSpace()).symbols(DARTS)[7] == "[dil3:2]"
    language = Language(DeepNets1MSpace("search"))
    assert len(set(language.alphabet)) == len(language.alphabet)
    with pytest.raises(SettingError):
        Language(cast("Any", "darts"))
    with pytest.raises(SettingError, match="`base` must be one of darts, deepnets1m, but got 'nasbench'"):
        StringSpace("nasbench")
