from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tart_nas.errors import SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.networks import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.predictors.pretraining import pretrained, structural_targets
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace

SMALL: dict[str, Any] = {"ensemble": 1, "width": 16, "layers": 1}


def paths_by_hand(pairs, concat):
    """Every path from an input of a cell to its output, as its operations."""

    def to(node):
        if node < 2:
            return [()]
        ends = pairs[2 * node - 4 : 2 * node - 2]
        return [(*path, op) for op, source in ends if op != "none" for path in to(source)]

    return [path for node in concat for path in to(node)]


def test_targets_by_hand():
    nets = [*DartsSpace().sample(10, seed=0), *DeepNets1MSpace("search").sample(10, seed=0)]
    targets = structural_targets(nets)
    unweighted = {"none", "skip_connect", "max_pool_3x3", "avg_pool_3x3"}
    for row, net in enumerate(nets):
        assert 2 ** targets["parameters"][row] == pytest.approx(parameter_count(net))
        assert 2 ** targets["macs"][row] == pytest.approx(ComputationalGraph.from_architecture(net).macs)
        for cell in ("normal", "reduce") if net.n_cells > 1 else ("normal",):
            pairs = getattr(net.genotype, cell)
            paths = paths_by_hand(pairs, getattr(net.genotype, f"{cell}_concat"))
            assert 2 ** targets[f"{cell} paths"][row] == pytest.approx(1 + len(paths))
            assert targets[f"{cell} identities"][row] == sum(op == "skip_connect" for op, _ in pairs)
            if paths:
                assert targets[f"{cell} length"][row] == pytest.approx(np.mean([len(path) for path in paths]))
                weights = [sum(op not in unweighted for op in path) for path in paths]
                assert targets[f"{cell} weights"][row] == pytest.approx(np.mean(weights))


def test_learns_to_tell_them_and_a_fit_starts_there(labelled):
    start = pretrained(DartsSpace().sample(600, seed=0), epochs=15, learning_rate=5e-3, **SMALL)
    unseen = DartsSpace().sample(200, seed=9)
    for name in ("parameters", "normal weights"):
        truth = structural_targets(unseen)[name]
        assert np.corrcoef(start.predict(unseen, target=name), truth)[0, 1] > 0.8
    assert "tart-nas pretrain" in start.notes["made_by"]
    fits = [
        Predictor("tart-cell", epochs=2, calibration=0, **SMALL).fit(
            labelled.architectures[:30], labelled.targets[:30], init=init
        )
        for init in (start, None)
    ]
    assert fits[0].identity != fits[1].identity


def test_a_target_that_never_varies_is_left_out():
    nets = DartsSpace().sample(8, seed=0)
    still = [replace(net, genotype=replace(net.genotype, reduce=nets[0].genotype.reduce)) for net in nets]
    told = set(pretrained(still, epochs=1, **SMALL).targets)
    assert set(structural_targets(still)) - told >= {"reduce paths", "reduce length", "reduce weights"}
    assert "parameters" in told
    with pytest.raises(SettingError, match="wdith"):
        pretrained(nets, wdith=3)
