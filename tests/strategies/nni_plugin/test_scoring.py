from dataclasses import replace

import numpy as np
import pytest
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import RegularizedEvolution

from tart_nas.errors import NniError, PredictorError
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import (
    HubSpace,
    SampleScorer,
    TartBestOfN,
    TartOverSampling,
    TartTopK,
    tart_chain,
)
from tests.strategies.nni_plugin.tables import CountsSeparable, Known, samples_of


@pytest.fixture
def samples(darts):
    return samples_of(HubSpace.of(darts), 20, n_cells=3, C=8)


def test_a_predictor_learns_what_the_trials_measured(darts, samples, ridge_file):
    """From a few metrics that contradict it, in another unit, the predictor turns its ranking round."""
    hub, predictor = HubSpace.of(darts), Predictor.load(ridge_file)
    scorer = SampleScorer(darts, predictor, judged_at={"n_cells": 8, "C": 32})
    before = scorer(samples)
    assert not scorer.learn(samples[:2], [0.5, 0.6], seed=0)  # too few
    assert scorer(samples) == pytest.approx(before)
    many = samples_of(hub, 200, seed=1, n_cells=3, C=8)
    opposite = (100 - scorer(many)) / 100
    assert scorer.learn(many, opposite.tolist(), seed=0)
    assert np.corrcoef(scorer(samples), before)[0, 1] < -0.5
    assert scorer(samples) == pytest.approx((100 - before) / 100, abs=0.01)


def test_metrics_of_the_best_samples_leave_the_ranking(darts, ridge_file):
    hub = HubSpace.of(darts)
    many = samples_of(hub, 300, seed=1, n_cells=3, C=8)
    for population in (lambda: many, None):
        scorer = SampleScorer(darts, Predictor.load(ridge_file), judged_at={"n_cells": 8, "C": 32})
        scores = scorer(many)
        best = np.argsort(-scores)[:4]
        metrics = 0.6 + 0.05 * (scores[best] - 93) + np.random.default_rng(2).normal(scale=0.02, size=4)
        assert scorer.learn([many[i] for i in best], metrics.tolist(), 0, population)
        updated = scorer(many)
        assert np.corrcoef(updated, scores)[0, 1] > 0.6
        following = [i for i in np.argsort(-updated) if i not in best][:8]
        assert np.median(scores[following]) > np.quantile(scores, 0.9)


def test_scores_are_checked(darts, samples):
    class Odd(CountsSeparable):
        def predict(self, architectures):
            return [float("nan")] * len(architectures)

    with pytest.raises(NniError, match="must give 20 finite scores"):
        SampleScorer(darts, Odd())(samples)
    with pytest.raises(NniError, match="Cannot judge the sample.*unexpected keyword argument 'channels'"):
        SampleScorer(darts, "params", judged_at={"channels": 3})(samples)
    with pytest.raises(NniError, match="Cannot judge the sample.*lacks 'normal/op_2_0'"):
        SampleScorer(darts, "params")([{}])


@pytest.fixture
def judged(darts, ridge_file):
    """Options under which a predictor does not judge what begins with a separable convolution, 2 in 7."""
    hub = HubSpace.of(darts)

    def convert(sample):
        architecture = hub.architecture(sample)
        return replace(architecture, n_cells=8, C=64 if _begins_separable(sample) else 32)

    return {"predictor": Predictor.load(ridge_file), "convert": convert}


def _begins_separable(sample):
    return sample["normal/op_2_0"].startswith("sep")


def test_what_is_not_judged_ranks_last_and_leaves_the_others_alone(darts, judged, caplog):
    samples = samples_of(HubSpace.of(darts), 40, n_cells=3, C=8)
    outside = np.array([_begins_separable(sample) for sample in samples])
    scorer = SampleScorer(darts, **judged)
    with caplog.at_level("WARNING", "nni"):
        scores = scorer(samples)
        assert np.array_equal(scorer(samples), scores)
    inside = [judged["convert"](sample) for sample in samples if not _begins_separable(sample)]
    assert scores[~outside] == pytest.approx(judged["predictor"].predict(inside))
    assert (scores[outside] == -np.inf).all()
    assert [m for m in caplog.messages if "ranked last" in m] == [
        f"The predictor does not judge {outside.sum()} of 40 networks: these, and others like them, are ranked last."
    ]
    strangers = [sample for sample in samples if _begins_separable(sample)]
    assert (scorer(strangers) == -np.inf).all()  # no error: it has judged others
    with pytest.raises(PredictorError, match=r"C 64 .* gives the settings to judge at"):
        SampleScorer(darts, **judged)(strangers)
    assert scorer.learn(samples, np.linspace(0, 1, 40).tolist(), seed=0)  # of those that it judges
    assert not np.allclose(scorer(samples)[~outside], scores[~outside])


def test_nothing_that_is_not_judged_is_trained(darts, judged):
    def trained(strategy, n):
        evaluator = Known()
        strategy(SimplifiedModelSpace(darts.model, darts.mutables, evaluator), SequentialExecutionEngine(n))
        assert not any(_begins_separable(sample) for sample in evaluator.seen)
        return len(evaluator.seen)

    few = samples_of(HubSpace.of(darts), 12, n_cells=3, C=8)
    assert 0 < trained(TartTopK(k=12, samples=few, **judged), 20) < 12
    evolution = RegularizedEvolution(population_size=10, sample_size=4, mutation_prob=0.1, seed=0)
    assert trained(tart_chain(evolution, TartBestOfN(12, **judged)), 8) == 8
    evolution = RegularizedEvolution(population_size=20, sample_size=4, mutation_prob=0.1, seed=0)
    assert trained(tart_chain(evolution, TartOverSampling(10, 2, **judged), concurrency=1), 8) == 8
    assert np.isfinite([individual.y for individual in evolution._population]).all()


def test_graphs_are_judged_by_any_object(samples, darts):
    from tart_nas.graphs import ComputationalGraph

    class Nodes:
        def predict(self, graphs):
            return np.array([float(graph.num_nodes) for graph in graphs])

    hub = HubSpace.of(darts)
    convert = lambda sample: ComputationalGraph.from_architecture(hub.architecture(sample))  # noqa: E731
    scores = SampleScorer(None, Nodes(), convert)(samples)
    assert scores.tolist() == [convert(sample).num_nodes for sample in samples]
    flops = SampleScorer(None, "flops", convert)(samples)
    expected = Predictor("flops").predict([hub.architecture(sample) for sample in samples])
    assert flops == pytest.approx(expected)
    scorer = SampleScorer(None, "flops", convert)
    assert len({scorer.identity(sample) for sample in samples}) == len(samples)  # though graphs come and go
    assert scorer.identity(samples[0]) == scorer.identity(dict(samples[0]))
