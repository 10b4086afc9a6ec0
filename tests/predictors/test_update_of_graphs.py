"""Updates of predictors that read graphs: what holds of those that read cells holds of them."""

import copy

import numpy as np
import pytest
from scipy.stats import kendalltau
from torch import nn

from tart_nas.errors import CheckpointError, PredictorError
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors import Predictor
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies import Surrogate

N = 160
SETTINGS = {"params": {}, "tart-graph": {"width": 16, "epochs": 1, "layers": 1}}  # a kind without labels, one with


@pytest.fixture(scope="module")
def cells():
    return DartsSpace(n_cells=1).sample(N, seed=0)


@pytest.fixture(scope="module")
def graphs(cells):
    return [ComputationalGraph.from_architecture(architecture) for architecture in cells]


@pytest.fixture(scope="module")
def targets(graphs):
    """Of size and depth, with noise."""
    depths = [graph.distances.max() for graph in graphs]
    values = np.log([graph.num_parameters for graph in graphs]) * 3 + np.array(depths) / 10
    return values + np.random.default_rng(0).normal(scale=0.1, size=N)


@pytest.fixture(scope="module")
def judge(graphs, targets):
    return Predictor("gp-graph").fit(graphs[:60], targets[:60], extend_scope=graphs)


@pytest.fixture(scope="module")
def candidates(judge, graphs):
    """All, best first, and their predictions."""
    scores = judge.predict(graphs)
    order = np.argsort(-scores)
    return [graphs[row] for row in order], scores[order]


def tau(predictor, graphs, truth):
    return kendalltau(predictor.predict(graphs), truth).statistic


@pytest.mark.parametrize(("n", "noise", "scale"), [(4, 0.1, 1.0), (8, 0.5, 1.0), (4, 0.5, 0.01), (12, 0.1, 0.01)])
def test_labels_of_the_top_leave_the_ranking(n, noise, scale, judge, candidates):
    ranked, scores = candidates
    population, taus = judge.population(ranked), []
    for seed in range(3):
        labels = scale * (scores[:n] + np.random.default_rng([seed, n]).normal(scale=noise * scores.std(), size=n))
        updated = copy.copy(judge).update(ranked[:n], labels, population=population)
        taus.append(tau(updated, ranked, scores))
    assert np.mean(taus) > 0.75
    assert min(taus) > 0.45


def test_labels_that_contradict_are_learned(judge, candidates):
    ranked, scores = candidates
    rng = np.random.default_rng(0)
    rows = rng.permutation(N)[:60]
    labels = -scores[rows] + rng.normal(scale=0.1 * scores.std(), size=60)
    updated = copy.copy(judge).update([ranked[row] for row in rows], labels, population=ranked)
    assert tau(updated, ranked, -scores) > 0.75


def test_learns_on_top_of_what_it_knows(graphs, targets):
    noisy = 10 * targets[:60] + np.random.default_rng(1).normal(scale=10 * targets.std(), size=60)
    base = Predictor("gp-graph").fit(graphs[:60], noisy, extend_scope=graphs)
    before = tau(base, graphs[100:], targets[100:])
    other = copy.copy(base)
    for first in (60, 80):
        base.update(graphs[first : first + 20], targets[first : first + 20])
    assert tau(base, graphs[100:], targets[100:]) > before + 0.02
    assert base.metadata["training"]["updated"]["n"] == 40
    mean, std = base.predict(graphs[100:], return_std=True)
    assert abs(mean - targets[100:]).mean() < targets.std()  # in the unit of the new labels
    assert (std > 0).all()
    np.testing.assert_allclose(other.update(graphs[60:100], targets[60:100]).predict(graphs), base.predict(graphs))


@pytest.mark.parametrize("kind", SETTINGS)
def test_other_kinds_that_read_graphs(kind, graphs, targets):
    """They do not keep what they were fitted to, so that the population must be given."""
    predictor = Predictor(kind, **SETTINGS[kind])
    if not predictor.is_fitted:
        predictor.fit(graphs[:8], targets[:8], extend_scope=graphs)
    identity = predictor.identity
    with pytest.raises(PredictorError, match="Give `population`, many networks"):
        predictor.update(graphs[:8], targets[:8])
    assert predictor.identity == identity
    predictor.update(graphs[:60], targets[:60], population=graphs[60:100])
    assert tau(predictor, graphs[100:], targets[100:]) > 0.4
    predictor.update(graphs[60:62], targets[60:62])  # the population of before
    with pytest.raises(PredictorError, match="judges none of the population's 0"):
        predictor.update(graphs[:8], targets[:8], population=[])


def test_cells_and_graphs_are_not_mixed(cells, graphs, targets):
    of_cells = Predictor("params").update(cells[:5], targets[:5])
    with pytest.raises(PredictorError, match="only where the fit was to graphs too"):
        of_cells.update(graphs[:5], targets[:5])
    with pytest.raises(PredictorError, match="`population` must be of graphs"):
        Predictor("params").update(graphs[:5], targets[:5], population=Predictor("params").population(cells[:20]))
    of_graphs = Predictor("params").update(graphs[:5], targets[:5], population=graphs[:100])
    of_graphs.update(cells[5:9], targets[5:9])  # whose graphs these are
    expected = Predictor("params").update(graphs[:9], targets[:9], population=graphs[:100])
    np.testing.assert_allclose(of_graphs.predict(cells[:20]), expected.predict(graphs[:20]))


def test_modules():
    networks: list[nn.Module] = [
        nn.Sequential(nn.Conv2d(3, n, 3), nn.Flatten(), nn.Linear(900 * n, 10)) for n in range(2, 30)
    ]
    sizes = np.arange(2.0, 30)
    predictor = Predictor("flops").update(networks[::4], sizes[::4] ** 0.5, population=networks)
    assert np.array_equal(np.argsort(predictor.predict(networks)), np.arange(28))


def test_files(judge, candidates, tmp_path):
    ranked, scores = candidates
    updated = copy.copy(judge).update(ranked[:9], scores[:9] + np.arange(9) % 3, population=ranked)
    path = tmp_path / "p.safetensors"
    updated.save(path)
    loaded = Predictor.load(path)
    assert loaded.identity == updated.identity
    np.testing.assert_array_equal(loaded.predict(ranked), updated.predict(ranked))
    more = loaded.update(ranked[9:12], scores[9:12]).predict(ranked)
    np.testing.assert_array_equal(more, updated.update(ranked[9:12], scores[9:12]).predict(ranked))
    arrays, metadata = read_checkpoint(path)
    for name, array in (
        ("0/labels.base", np.full(9, np.nan)),
        ("0/labels.graph", arrays["0/labels.graph"][::-1].copy()),
        ("0/labels.graph", arrays["0/labels.graph"] + 1),
        ("0/labels.work", -1 - arrays["0/labels.work"]),
        ("0/labels.numbers", arrays["0/labels.numbers"][:5]),
        ("0/labels.population.center", np.zeros(3)),
        ("0/labels.population.labels of kinds", np.zeros(3, dtype=np.uint64)),
        ("0/labels.op", np.zeros(9)),
    ):
        write_checkpoint(path, arrays | {name: array}, metadata)
        with pytest.raises(CheckpointError, match="other"):
            Predictor.load(path)
    metadata["settings"]["reads"] = "strings"
    write_checkpoint(path, arrays, metadata)
    with pytest.raises(CheckpointError, match="`reads` must be one of cells, graphs"):
        Predictor.load(path)


def test_a_search_corrects_a_fitted_predictor(judge, candidates):
    ranked, scores = candidates
    surrogate = Surrogate(judge, lambda: ranked)
    surrogate.fit(ranked[:6], scores[:6] / 100, seed=0)
    assert surrogate.is_measured
    assert kendalltau(surrogate.predict(ranked)[0], scores).statistic > 0.75
