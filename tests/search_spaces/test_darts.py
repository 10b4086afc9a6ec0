import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.operations import NASBENCH301_OPS
from tart_nas.search_spaces import DartsSpace, canonical_genotype
from tart_nas.search_spaces.darts_cells import canonical_codes, draw, first_of_each, genotypes, hashes
from tart_nas.tokens import CellTokens


def test_sampling_is_seeded_and_without_repeats():
    space = DartsSpace()
    sample = space.sample(2000, seed=3)
    assert sample == space.sample(2000, seed=3)
    assert sample != space.sample(2000, seed=4)
    assert len({space.canonical(a) for a in sample}) == 2000
    assert all(space.contains(a) for a in sample)
    assert space.sample(0, seed=0) == []
    with pytest.raises(SettingError, match="`n` must be a whole number of at least 0"):
        space.sample(-1, seed=0)


def test_sampling_is_uniform_over_operations_and_inputs():
    sample = DartsSpace().sample(4000, seed=0)
    ops = [op for a in sample for op, _ in a.genotype.normal + a.genotype.reduce]
    for op in NASBENCH301_OPS:
        assert abs(ops.count(op) / len(ops) - 1 / 7) < 0.01
    last = [source for a in sample for _, source in a.genotype.normal[6:]]
    for source in range(5):
        assert abs(last.count(source) / len(last) - 1 / 5) < 0.02


def test_repeats_are_found_by_the_canonical_form():
    # With few networks left to draw, the array code must agree with the general one on which are the same.
    cells = draw(3000, np.random.default_rng(0)) % 2  # two operations and, below, few inputs: many isomorphic cells
    cells[..., 0, 0], cells[..., 1, 0] = 0, 1
    cells[:, :, 2:, 1, 0] += np.random.default_rng(1).integers(0, 3, size=(3000, 2, 2))
    codes = canonical_codes(cells)
    canonical = [canonical_genotype(g) for g in genotypes(cells)]
    for cell, name in enumerate(("normal", "reduce")):
        forms = [getattr(genotype, name) for genotype in canonical]
        both = set(zip(codes[:, cell].tolist(), forms, strict=True))
        assert len(both) == len(set(forms)) == len(set(codes[:, cell].tolist())) < 1500
    cells[::7] = cells[1::7]  # pairs of both cells repeat
    codes = canonical_codes(cells)
    networks = list(map(tuple, codes.tolist()))
    assert len(set(zip(networks, hashes(cells).tolist(), strict=True))) == len(set(networks)) < 2900
    assert first_of_each(cells).tolist() == sorted({network: i for i, network in [*enumerate(networks)][::-1]}.values())


@pytest.mark.parametrize("space", [DartsSpace(), DartsSpace(n_cells=1, C=8)])
def test_tokens_are_those_of_the_sample(space):
    tokens, sample = space.sample_tokens(300, seed=4), space.sample(300, seed=4)
    for name, array in vars(CellTokens.encode(sample)).items():
        assert np.array_equal(getattr(tokens, name), array), name
        assert getattr(tokens, name).dtype == array.dtype
    assert tokens.architectures() == sample
    assert len(space.sample_tokens(0, seed=4)) == 0
    with pytest.raises(SettingError, match="`n` must be a whole number of at least 0"):
        space.sample_tokens(-1, seed=0)


def test_membership():
    space = DartsSpace()
    inside = space.sample(1, seed=0)[0]
    assert space.contains(inside)
    assert not space.contains(Architecture(inside.genotype, 20, 36))
    assert DartsSpace(20, 36).contains(Architecture(inside.genotype, 20, 36))
    normal = list(inside.genotype.normal)
    for pairs, concat in (
        ([("conv_3x3", 0), *normal[1:]], (2, 3, 4, 5)),
        ([("skip_connect", 1), ("sep_conv_3x3", 1), *normal[2:]], (2, 3, 4, 5)),
        (normal, (3, 4, 5)),
        (normal[:6], (2, 3, 4)),
    ):
        genotype = Genotype(pairs, concat, inside.genotype.reduce, inside.genotype.reduce_concat)
        assert not space.contains(space.architecture(genotype))


def test_all_labelled_architectures_belong_to_the_space(labelled):
    space = DartsSpace()
    assert len(labelled.architectures) == 718
    assert all(space.contains(space.architecture(a.genotype)) for a in labelled.architectures)


def test_mutation_stays_in_the_space_and_changes_the_network():
    space, rng = DartsSpace(C=16), np.random.default_rng(0)
    architecture = space.sample(1, seed=0)[0]
    changed_inputs = 0
    for _ in range(300):
        child = space.mutate(architecture, rng)
        assert space.contains(child)
        assert space.canonical(child) != space.canonical(architecture)
        before, after = (a.genotype.normal + a.genotype.reduce for a in (architecture, child))
        assert sum(x != y for x, y in zip(before, after, strict=True)) == 1
        changed_inputs += sum(x[1] != y[1] for x, y in zip(before, after, strict=True))
        architecture = child
    assert 60 < changed_inputs < 200
    with pytest.raises(SettingError, match="does not contain the architecture"):
        DartsSpace().mutate(architecture, rng)


def test_settings():
    space = DartsSpace(5, C=12, stem_type=1)
    assert DartsSpace(**space.settings).settings == space.settings
    assert space.sample(1, 0)[0].stem_type == 1
    assert "C=12" in repr(space)
    with pytest.raises(SettingError, match="channels"):
        DartsSpace(channels=3)
    with pytest.raises(ArchitectureError, match="`n_cells`"):
        DartsSpace(0)


@settings(max_examples=200)
@given(st.integers(0, 10_000), st.permutations(range(4)), st.integers(0, 255))
def test_canonical_form_ignores_node_numbers_and_operand_order(seed, order, swaps):
    genotype = DartsSpace().sample(1, seed)[0].genotype
    relabelled = _relabelled(genotype, order, swaps)
    if relabelled is not None:
        assert canonical_genotype(relabelled) == canonical_genotype(genotype)
    assert canonical_genotype(canonical_genotype(genotype)) == canonical_genotype(genotype)


def _relabelled(genotype, order, swaps):
    place = {0: 0, 1: 1, **{2 + old: 2 + new for new, old in enumerate(order)}}
    pairs = []
    for new, old in enumerate(order):
        node = [(op, place[source]) for op, source in genotype.normal[2 * old : 2 * old + 2]]
        pairs += node[::-1] if swaps >> new & 1 else node
    legal = all(source < 2 + k // 2 for k, (_, source) in enumerate(pairs))
    return Genotype(pairs, (2, 3, 4, 5), genotype.reduce, (2, 3, 4, 5)) if legal else None


def test_mutants_differ_from_a_parent_by_one_operation_or_input():
    space = DartsSpace(10, 16)
    parents = space.sample(3, seed=0)
    mutants = space.mutants(parents, 600, np.random.default_rng(0))
    changes = {"operation": 0, "input": 0}
    for mutant in mutants:
        assert space.contains(mutant)
        for parent in parents:
            new, old = ([*a.genotype.normal, *a.genotype.reduce] for a in (mutant, parent))
            differing = [pair for pair in zip(new, old, strict=True) if pair[0] != pair[1]]
            if len(differing) == 1:
                (op, source), (old_op, old_source) = differing[0]
                changes["operation"] += op != old_op
                changes["input"] += source != old_source
                assert (op != old_op) != (source != old_source)
    assert sum(changes.values()) == 600
    assert changes["input"] > 150
    assert mutants == space.mutants(parents, 600, np.random.default_rng(0))
    assert space.mutants(parents, 0, np.random.default_rng(0)) == []
    with pytest.raises(SettingError, match="does not contain the architecture"):
        space.mutants(DartsSpace().sample(1, seed=0), 5, np.random.default_rng(0))
