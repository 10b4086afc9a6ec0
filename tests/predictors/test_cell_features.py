from itertools import pairwise

import numpy as np
import pytest

from tart_nas.networks import parameter_count
from tart_nas.operations import CELL_OPS
from tart_nas.predictors.cell_features import (
    ATTRIBUTES,
    BLOCKS,
    CELLS,
    COLUMNS,
    block_scales,
    feature_chunks,
    operation_counts,
)
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.tokens import CellTokens
from tests.predictors.conftest import features_of


def paths_by_hand(pairs, concat, inputs=(0, 1)):
    """Every path from these inputs to the output, as its operations, and the number of paths from each node on."""
    nodes = {node: pairs[2 * node - 4 : 2 * node - 2] for node in range(2, len(pairs) // 2 + 2)}

    def to(node):
        if node < 2:
            return [()] if node in inputs else []
        return [(*path, op) for op, source in nodes[node] if op != "none" for path in to(source)]

    def onwards(node):
        feeds = [k for k, edges in nodes.items() for op, source in edges if source == node and op != "none"]
        return (node in concat) + sum(map(onwards, feeds))

    return [path for node in concat for path in to(node)], {node: onwards(node) for node in nodes}


def pairs_by_hand(pairs):
    """(2 + 15, 15): how often each operation follows each input and each other operation."""
    found = np.zeros((17, 15))
    for op, source in pairs:
        feeders = [source] if source < 2 else [2 + CELL_OPS.index(o) for o, _ in pairs[2 * source - 4 : 2 * source - 2]]
        for feeder in feeders:
            found[feeder, CELL_OPS.index(op)] += 1
    return found


def test_features_by_hand(nets):
    nets = [net for net in nets if len(net.genotype.normal) <= 12][:40]
    features = features_of(nets)
    assert features.shape == (40, COLUMNS)
    unweighted = {"none", "skip_connect", "max_pool_3x3", "avg_pool_3x3"}
    for row, net in zip(features, nets, strict=True):
        for cell in CELLS:
            pairs, concat = getattr(net.genotype, cell), getattr(net.genotype, f"{cell}_concat")
            paths, onwards = paths_by_hand(pairs, concat)
            counts, flow = np.zeros((2, 2, 15)), np.zeros((2, 11))
            for k, (op, source) in enumerate(pairs):
                counts[:, int(source >= 2), CELL_OPS.index(op)] += 1, onwards[k // 2 + 2]
            for path in paths:
                flow[0, len(path)] += 1
                flow[1, sum(op not in unweighted for op in path)] += 1
            if net.n_cells == 1 and cell == "reduce":  # it is not part of the network
                counts[:], flow[:] = 0, 0
            assert np.array_equal(row[BLOCKS[f"{cell} counts"]], counts[0].ravel())
            assert np.array_equal(row[BLOCKS[f"{cell} flow"]], counts[1].ravel())
            assert np.array_equal(row[BLOCKS[f"{cell} paths"]], flow.ravel())
            assert row[BLOCKS[f"{cell} edges"]].sum() == counts[0].sum()
            by_source = counts[0] @ np.stack(list(ATTRIBUTES.values()), axis=1)
            expected = np.concatenate([by_source.ravel(), by_source.sum(axis=0)])
            assert np.array_equal(row[BLOCKS[f"{cell} attributes"]], expected)
            pairs_found = row[BLOCKS[f"{cell} pairs"]].reshape(17, 15)
            assert np.array_equal(pairs_found, pairs_by_hand(pairs) * (counts.sum() > 0))
            readers = [sum(op != "none" and source == place for op, source in pairs) for place in (0, 1)]
            assert row[BLOCKS[f"{cell} inputs"]].tolist() == [n * (counts.sum() > 0) for n in readers]
            fewest = row[BLOCKS[f"{cell} minima"]].reshape(2, -1)[:, 0]  # of any class: the shortest path's length
            shortest = [min((len(p) for p in paths_by_hand(pairs, concat, (k,))[0]), default=11) for k in (0, 1)]
            assert fewest.tolist() == (shortest if counts.sum() else [11, 11])
        assert row[BLOCKS["size"]] == np.log2(parameter_count(net))


def test_edges_tell_cells_apart(nets):
    features = features_of(nets)
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=0)) == len(nets)
    ends = [0, *(block.stop for block in BLOCKS.values())]
    assert [(block.start, block.stop) for block in BLOCKS.values()] == list(pairwise(ends))
    assert ends[-1] == COLUMNS


def test_features_do_not_depend_on_the_batch(nets):
    tokens = CellTokens.encode(nets)
    features = features_of(nets)
    alone = np.concatenate([features_of([net]) for net in nets])
    assert np.array_equal(features, alone)
    assert np.array_equal(features[:, :60], operation_counts(tokens))
    assert np.array_equal(np.concatenate(list(feature_chunks(PredictorInputs(nets * 4)))), np.tile(features, (4, 1)))
    assert [chunk.shape for chunk in feature_chunks(PredictorInputs([]))] == [(0, COLUMNS)]


def test_scaled_blocks_have_variance_one(nets):
    features = features_of(nets)
    scaled = features / block_scales(features)
    for block in BLOCKS.values():
        assert scaled[:, block].var(axis=0).sum() == pytest.approx(1)
    assert np.array_equal(block_scales(features[:1]), np.ones(COLUMNS))
