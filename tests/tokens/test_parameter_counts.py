import numpy as np
import pytest

from tart_nas.layout import parameter_count
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens import CellTokens
from tart_nas.tokens.parameter_counts import parameter_counts


@pytest.mark.parametrize("split", ["search", "wide", "deep", "dense", "bnfree"])
def test_counts_of_every_kind_of_network(split: str):
    architectures = DeepNets1MSpace(split).sample(40, seed=5)
    counts = parameter_counts(CellTokens.encode(architectures))
    assert counts.tolist() == [parameter_count(architecture) for architecture in architectures]


def test_counts_in_one_group_are_those_of_the_modules():
    architectures = DartsSpace(n_cells=3, C=4).sample(12, seed=1)
    counts = parameter_counts(CellTokens.encode(architectures))
    assert counts.tolist() == [parameter_count(architecture) for architecture in architectures]
    assert len(np.unique(counts)) > 1


def test_no_architectures():
    assert parameter_counts(CellTokens.encode([])).shape == (0,)
