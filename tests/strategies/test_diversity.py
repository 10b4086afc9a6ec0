from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from tart_nas.errors import SettingError
from tart_nas.genotype import Genotype
from tart_nas.search_spaces import DartsSpace, TrialSpace
from tart_nas.strategies import cell_distance, select_diverse

SPACE = DartsSpace()


def test_the_distance_counts_edges():
    a, b = SPACE.sample(2, seed=0)
    assert cell_distance(a, a) == 0
    assert 0 < cell_distance(a, b) == cell_distance(b, a) <= 16
    pairs = list(a.genotype.normal)
    swapped = replace(a, genotype=replace(a.genotype, normal=tuple([pairs[1], pairs[0], *pairs[2:]])))
    assert cell_distance(a, swapped) == 0
    all_skip, all_pool = (
        SPACE.architecture(Genotype(cell, range(2, 6), cell, range(2, 6)))
        for cell in ([(op, i) for _ in range(4) for i in (0, 1)] for op in ("skip_connect", "max_pool_3x3"))
    )
    assert cell_distance(all_skip, all_pool) == 16
    one = replace(
        all_skip, genotype=replace(all_skip.genotype, normal=(("max_pool_3x3", 0), *all_skip.genotype.normal[1:]))
    )
    assert cell_distance(all_skip, one) == 1


def test_twins_are_passed_over():
    rng = np.random.default_rng(0)
    first, other = SPACE.sample(2, seed=3)
    pool = [first, *SPACE.mutants([first], 20, rng), other, *SPACE.mutants([other], 5, rng)]
    chosen = select_diverse(range(len(pool)), pool.__getitem__, 2, min_distance=8)
    assert chosen == [0, 21]
    assert select_diverse(range(len(pool)), pool.__getitem__, 3, min_distance=0) == [0, 1, 2]
    assert select_diverse(range(len(pool)), pool.__getitem__, 1, 8, beside=[first]) == [21]
    filled = select_diverse(range(len(pool)), pool.__getitem__, 4, min_distance=16)
    assert filled[0] == 0
    assert len(set(filled)) == 4


def test_networks_with_the_same_cells_have_no_distance():
    first, other = SPACE.sample(2, seed=3)
    pool = [first, first, replace(first, C=16), other]
    assert select_diverse(range(4), pool.__getitem__, 2, min_distance=1) == [0, 3]
    assert select_diverse(range(4), pool.__getitem__, 1, 1, beside=[first]) == [3]
    assert select_diverse(range(4), pool.__getitem__, 3, min_distance=1) == [0, 3, 1]
    assert select_diverse(range(4), pool.__getitem__, 3, min_distance=0) == [0, 1, 2]


def test_networks_without_cells_are_the_same_or_different():
    one, other = TrialSpace(lambda trial: nn.Conv2d(3, trial.suggest_int("width", 1, 2), 1), 8).sample(2, seed=0)
    pool = [one, one, other]
    assert select_diverse(range(3), pool.__getitem__, 2, min_distance=1) == [0, 2]
    assert select_diverse(range(3), pool.__getitem__, 1, 1, beside=[one]) == [2]
    with pytest.raises(SettingError, match="no cells"):
        select_diverse(range(3), pool.__getitem__, 2, min_distance=2)


def test_wrong_arguments():
    pool = SPACE.sample(2, seed=0)
    with pytest.raises(SettingError, match="only 2 candidates"):
        select_diverse(range(2), pool.__getitem__, 3, 0)
    with pytest.raises(SettingError, match="`min_distance`"):
        select_diverse(range(2), pool.__getitem__, 1, -1)


def test_the_old_name():
    with pytest.warns(DeprecationWarning, match="select_diverse"):
        from tart_nas.strategies import diverse
    assert diverse is select_diverse
