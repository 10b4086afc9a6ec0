from dataclasses import replace
from typing import Any

import nni
import pytest
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import RegularizedEvolution

from tart_nas.errors import CheckpointError, NniError
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import HubSpace, TartEvaluator, retrain_top
from tests.strategies.nni_plugin.tables import Known, separable

JUDGED_AT: dict[str, Any] = {"n_cells": 8, "C": 32}


class Experiment:
    """As much of a NasExperiment as :func:`retrain_top` asks of it."""

    def __init__(self, strategy):
        self.export_top_models = lambda k: list(strategy.list_models(limit=k))


@pytest.fixture
def space(darts):
    return lambda evaluator: SimplifiedModelSpace(darts.model, darts.mutables, evaluator)


def test_evolution_climbs_the_predicted_score(space, darts):
    strategy = RegularizedEvolution(population_size=20, sample_size=10, mutation_prob=0.1, seed=0)
    strategy(space(TartEvaluator(judged_at=JUDGED_AT)), SequentialExecutionEngine(max_model_count=120))
    models = list(strategy.engine.list_models())
    metrics = [model.metric for model in models]
    assert len(metrics) == 120
    assert sum(metrics[-20:]) / 20 > sum(metrics[:20]) / 20 + 0.3
    predictor, hub = Predictor.from_pretrained("darts-cifar10"), HubSpace.of(darts)
    expected = predictor.predict([replace(hub.architecture(model.sample), **JUDGED_AT) for model in models])
    assert metrics == pytest.approx(expected.tolist(), abs=1e-4)

    evaluator = Known()
    top = retrain_top(Experiment(strategy), evaluator, 3)
    assert [sample for sample, _ in top] == [model.sample for model in strategy.list_models(limit=3)] == evaluator.seen
    assert [metric for _, metric in top] == [separable(sample) for sample, _ in top]


def test_retraining_goes_on_after_a_failure(space):
    strategy = RegularizedEvolution(population_size=5, sample_size=2, seed=0)
    strategy(space(TartEvaluator("params")), SequentialExecutionEngine(max_model_count=5))
    outcomes = iter([None, 0.5])
    top = retrain_top(Experiment(strategy), Known(lambda sample: next(outcomes)), 2)
    assert [metric for _, metric in top] == [None, 0.5]


def test_it_travels_to_a_trial_by_name(space, ridge_file, monkeypatch):
    monkeypatch.setattr(nni.trial, "_params", None)  # as in a new process
    model = space(TartEvaluator(str(ridge_file), judged_at=JUDGED_AT)).random()
    again = nni.load(nni.dump(model))
    assert type(again.evaluator).__name__ == "TartEvaluator"
    with TartEvaluator.mock_runtime(again):
        score = again.execute()
    SequentialExecutionEngine().submit_models(model)
    assert score == model.metric


def test_a_predictor_that_is_not_there(space, tmp_path):
    model = space(TartEvaluator(tmp_path / "gone.safetensors")).random()
    with pytest.raises(CheckpointError, match="no predictor at .*gone"):
        SequentialExecutionEngine().submit_models(model)


def test_a_space_it_cannot_read():
    from nni.nas.hub.pytorch import NASNet

    model = SimplifiedModelSpace.from_model(NASNet(width=16, num_cells=4), TartEvaluator("params")).random()
    with pytest.raises(NniError, match="operations that TART-NAS does not know"):
        SequentialExecutionEngine().submit_models(model)
