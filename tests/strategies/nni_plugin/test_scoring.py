import numpy as np
import pytest

from tart_nas.errors import NniError
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import HubSpace, SampleScorer
from tests.strategies.nni_plugin.tables import CountsSeparable, samples_of


@pytest.fixture
def samples(darts):
    return samples_of(HubSpace.of(darts), 20, n_cells=3, C=8)


def test_a_predictor_learns_what_the_trials_measured(darts, samples, ridge):
    """From a few metrics that contradict it, in another unit, the predictor turns its ranking round."""
    hub, predictor = HubSpace.of(darts), Predictor.load(ridge)
    scorer = SampleScorer(darts, predictor, judged_at={"n_cells": 8, "C": 32})
    before = scorer(samples)
    assert not scorer.learn(samples[:2], [0.5, 0.6], seed=0)  # too few
    assert scorer(samples) == pytest.approx(before)
    many = samples_of(hub, 200, seed=1, n_cells=3, C=8)
    opposite = (100 - scorer(many)) / 100
    assert scorer.learn(many, opposite.tolist(), seed=0)
    assert np.corrcoef(scorer(samples), before)[0, 1] < -0.5
    assert scorer(samples) == pytest.approx((100 - before) / 100, abs=0.01)


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
