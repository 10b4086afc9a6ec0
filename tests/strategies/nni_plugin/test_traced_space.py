"""Every entry point on a space of the user's own, whose networks are traced and whose choices depend on others."""

import logging
import time
from typing import Any

import numpy as np
import pytest
from nni import NoMoreTrialError
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.hub.pytorch import NASNet
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, Repeat
from nni.nas.space import SimplifiedModelSpace
from nni.nas.strategy import RegularizedEvolution
from torch import nn

from tart_nas.errors import NniError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import (
    HubSpace,
    SampleScorer,
    TartBestOfN,
    TartEvaluator,
    TartOverSampling,
    TartTopK,
    TartTuner,
    retrain_top,
    tart_chain,
)
from tests.strategies.nni_plugin.tables import Known, samples_of, simplified

TRACED: dict[str, Any] = {"predictor": "flops", "input_size": 8}


class Conditional(ModelSpace):  # type: ignore[misc]
    """``kernel1`` is read with a depth of 2 alone, ``act`` with the second head alone: 18 networks of 32 samples."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        kernels = lambda i: LayerChoice([nn.Conv2d(4, 4, k, padding=k // 2) for k in (1, 3)], label=f"kernel{i}")  # noqa: E731
        self.blocks = Repeat(kernels, (1, 2), label="depth")
        act = LayerChoice([nn.ReLU(), nn.GELU()], label="act")
        self.head = LayerChoice([nn.Linear(4, 10), nn.Sequential(nn.Linear(4, 8), act, nn.Linear(8, 10))], label="head")

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


@pytest.fixture
def space():
    return simplified(Conditional())


def read_labels(sample):
    """The labels that a network is made of, which tell it."""
    unread = {1: {"kernel1"}}.get(sample["depth"], set()) | ({"act"} if int(sample["head"]) == 0 else set())
    return frozenset((label, int(value)) for label, value in sample.items() if label not in unread)


def kernels(sample):
    return float(sum(int(value) for label, value in read_labels(sample) if "kernel" in label))


@pytest.mark.parametrize("budget", [2, 3, 4, 6, 7])
def test_top_k_below_at_and_above_k(space, budget, caplog):
    strategy, evaluator = TartTopK(k=3, candidates=60, rounds=2, **TRACED), Known(kernels)
    with caplog.at_level(logging.INFO, "nni.tart_nas"):
        strategy(space(evaluator), SequentialExecutionEngine(budget))
    assert len(evaluator.seen) == min(budget, 6)
    assert len({read_labels(sample) for sample in evaluator.seen}) == len(evaluator.seen)  # no network twice
    assert [pick.status for pick in strategy.picks[:budget]] == ["trained"] * min(budget, 6)
    predicted = [pick.predicted for pick in strategy.picks[:3]]
    assert predicted == sorted(predicted, reverse=True)
    module = space(None).freeze(strategy.picks[0].sample).executable_model()
    assert predicted[0] == pytest.approx(np.log10(ComputationalGraph.from_module(module, 8).macs))
    assert ("learned nothing from the 3 metrics" in caplog.text) == (budget >= 3)  # four are needed


def test_small_spaces_are_scored_once_and_long_scorings_tell_how_far_they_are(space, caplog, monkeypatch):
    now = iter(range(0, 10**6, 20))
    monkeypatch.setattr(time, "perf_counter", lambda: float(next(now)))
    with caplog.at_level(logging.INFO, "nni"):
        TartTopK(k=1, candidates=500, **TRACED)(space(Known(kernels)), SequentialExecutionEngine(1))
    assert "scored 32 candidates" in caplog.text
    assert "Scored 16 of 32 candidates" not in caplog.text  # 20 s are too soon
    now = iter(range(0, 10**6, 40))
    with caplog.at_level(logging.INFO, "nni"):
        TartTopK(k=1, candidates=500, **TRACED)(space(Known(kernels)), SequentialExecutionEngine(1))
    assert "Scored 16 of 32 candidates; about 0.7 minutes are left." in caplog.text


@pytest.mark.parametrize("budget", [3, 4, 9])
def test_the_evaluator_judges_models(space, budget):
    strategy = RegularizedEvolution(population_size=4, sample_size=2, dedup=False, seed=0)
    strategy(space(TartEvaluator(**TRACED)), SequentialExecutionEngine(budget))
    models = list(strategy.engine.list_models())
    assert len(models) == budget
    scorer = SampleScorer(space(None), **TRACED)
    assert [model.metric for model in models] == pytest.approx(scorer([model.sample for model in models]).tolist())

    class Experiment:
        def export_top_models(self, k):
            return list(strategy.list_models(limit=k))

    [(sample, metric)] = retrain_top(Experiment(), Known(kernels), 1)
    assert metric == kernels(sample)
    assert scorer([sample])[0] == pytest.approx(max(model.metric for model in models))


@pytest.mark.parametrize("budget", [1, 2, 5])
@pytest.mark.parametrize("middleware", [lambda: TartBestOfN(3, **TRACED), lambda: TartOverSampling(3, 2, **TRACED)])
def test_middlewares(space, middleware, budget):
    evaluator = Known(kernels)
    evolution = RegularizedEvolution(population_size=4, sample_size=2, dedup=False, seed=0)
    tart_chain(evolution, middleware(), concurrency=1)(space(evaluator), SequentialExecutionEngine(budget))
    assert budget <= len(evaluator.seen) <= budget + 1  # a pool's second may follow the last


CHOICE = {"_type": "choice", "_value": [1, 3]}
JSON_SPACE = {
    "kernel0": CHOICE,
    "second": {"_type": "choice", "_value": [{"_name": "no"}, {"_name": "yes", "kernel1": CHOICE}]},
}


def graph_of(sample):
    """The graph of a sample of the JSON space, a function for ``convert``."""
    kernels = [sample["kernel0"], *(value for label, value in sample["second"].items() if label == "kernel1")]
    layers = [nn.Conv2d(3, 3, kernel, padding=kernel // 2) for kernel in kernels]
    return ComputationalGraph.from_module(nn.Sequential(*layers, nn.Flatten(), nn.Linear(192, 10)), 8)


@pytest.mark.parametrize("trials", [1, 2, 3, 6, 7])
def test_a_tuner_of_nested_choices_below_at_and_above_k(trials):
    tuner = TartTuner("flops", candidates=40, k=2, convert=f"{__name__}.graph_of")
    tuner.update_search_space(JSON_SPACE)
    handed: list[Any] = []
    for number in range(min(trials, 6)):
        handed.append(tuner.generate_parameters(number))
        tuner.receive_trial_result(number, handed[-1], float(number))
        tuner.trial_end(number, True)
    assert len({str(sample) for sample in handed}) == len(handed)
    macs = [graph_of(sample).macs for sample in handed]
    assert macs == sorted(macs, reverse=True)  # of the six networks of the space, best first
    if trials > 6:
        with pytest.raises(NoMoreTrialError):
            tuner.generate_parameters(6)


def test_samples_are_one_network_if_nothing_reads_what_differs(space):
    scorer = SampleScorer(space(None), **TRACED)
    sample = {"depth": 1, "kernel0": 1, "kernel1": 0, "head": 0, "act": 0}
    assert scorer.identity(sample) == scorer.identity({**sample, "kernel1": 1}) == scorer.identity({**sample, "act": 1})
    others = [{**sample, "depth": 2}, {**sample, "kernel0": 0}, {**sample, "head": 1}, {**sample, "head": 1, "act": 1}]
    assert len({scorer.identity(each) for each in [sample, *others]}) == 5


def test_spaces_with_operations_that_are_not_known():
    model_space = SimplifiedModelSpace.from_model(NASNet(width=4, num_cells=4), Known(lambda sample: 0.5))
    TartTopK(k=1, candidates=2, predictor="flops", input_size=32)(model_space, SequentialExecutionEngine(1))

    def convert(sample):
        return ComputationalGraph.from_module(model_space.freeze(sample).executable_model(), 32)

    strategy = TartTopK(k=1, candidates=2, predictor="flops", convert=convert)
    strategy(model_space, SequentialExecutionEngine(1))
    sample = strategy.picks[0].sample
    assert all(sample[f"normal/input_{node}_0"] != sample[f"normal/input_{node}_1"] for node in range(2, 7))
    with pytest.raises(NniError, match="does not know: .*give `convert`.* or `input_size`"):
        TartTopK(k=1, candidates=2, predictor="flops")(model_space, SequentialExecutionEngine(1))


def test_a_wrong_convert(space):
    name: Any = "width_of"
    with pytest.raises(SettingError, match="`convert` must be a function from a sample .* but got 'width_of'"):
        SampleScorer(space(None), "params", convert=name)
    sample = {"depth": 1}
    wrong: list[tuple[Any, str]] = [
        (dict, "`convert` must give an Architecture or a ComputationalGraph, but gave a dict"),
        (lambda sample: None, "but gave None"),
        (lambda sample: sample["width"], "Cannot judge the sample .*: KeyError: 'width'"),
    ]
    for convert, message in wrong:
        with pytest.raises(NniError, match=message):
            SampleScorer(space(None), "params", convert=convert)([sample])


def test_cells_with_equal_inputs_are_warned_of(darts, ridge_file, caplog):
    sample = samples_of(HubSpace.of(darts), 1, n_cells=3, C=8)[0]
    equal = {**sample, "normal/input_3_1": sample["normal/input_3_0"]}
    fitted = Predictor.load(ridge_file)
    for predictor, samples, n in (("params", [equal], 0), (fitted, [sample], 0), (fitted, [equal] * 2, 1)):
        caplog.clear()
        scorer = SampleScorer(darts, predictor, judged_at={"n_cells": 8, "C": 32})
        with caplog.at_level(logging.WARNING, "nni"):
            scorer(samples)
            scorer(samples)
        assert caplog.text.count("two inputs are the same: no label of the bundled predictors is of such a cell") == n
