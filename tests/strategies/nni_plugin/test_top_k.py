import json
import logging

import numpy as np
import pytest
import torch
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.space import SimplifiedModelSpace

from tart_nas.errors import CheckpointError, NniError, PredictorError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import HubSpace, TartTopK
from tests.strategies.nni_plugin.tables import CountsSeparable, Known, samples_of, separable


@pytest.fixture
def space(darts):
    return lambda evaluator: SimplifiedModelSpace(darts.model, darts.mutables, evaluator)


def run(strategy, space, **limits):
    strategy(space, SequentialExecutionEngine(continue_on_failure=True, **limits))
    return strategy.picks


def test_the_best_are_trained_in_order(space):
    evaluator = Known()
    strategy = TartTopK(k=5, candidates=500, predictor=CountsSeparable())
    picks = run(strategy, space(evaluator))
    assert [pick.sample for pick in picks] == evaluator.seen
    assert [pick.status for pick in picks] == ["trained"] * 5
    predicted = [pick.predicted for pick in picks]
    assert predicted == sorted(predicted, reverse=True)
    assert predicted[-1] >= 9  # of 16 operations, 2 in 7 are separable
    assert [pick.metric for pick in picks] == [separable(pick.sample) for pick in picks]
    assert [model.metric for model in strategy.list_models(limit=2)] == [picks[0].metric, picks[1].metric]


def test_rounds_learn_and_train_nothing_twice(space):
    predictor, evaluator = CountsSeparable(), Known()
    strategy = TartTopK(k=3, candidates=200, rounds=3, predictor=predictor)
    picks = run(strategy, space(evaluator))
    assert [pick.round for pick in picks] == [0] * 3 + [1] * 3 + [2] * 3
    assert len({json.dumps(pick.sample, sort_keys=True) for pick in picks}) == 9
    assert predictor.updates == []  # the user's own predictor stays as it was
    assert strategy.predictor.updates == [
        (3, [pick.metric for pick in picks[:3]], 1),
        (3, [pick.metric for pick in picks[3:6]], 2),
    ]


def test_the_bundled_predictor_learns_between_rounds(space):
    """Two metrics a round are too few for the first two rounds to be learned from one by one, and count together."""
    strategy = TartTopK(k=2, candidates=30, rounds=4, judged_at={"n_cells": 8, "C": 32})
    picks = run(strategy, space(Known()))
    assert len(picks) == 8
    assert all(pick.predicted > 90 for pick in picks[:4])
    assert all(-1 < pick.predicted < 2 for pick in picks[4:])  # from now on in the unit of the metric


def test_isomorphic_cells_count_once(space, darts):
    hub = HubSpace.of(darts)
    sample = samples_of(hub, 1, n_cells=3, C=8)[0]
    swapped = dict(sample)
    for what in ("op", "input"):
        a, b = f"normal/{what}_3_0", f"normal/{what}_3_1"
        swapped[a], swapped[b] = sample[b], sample[a]
    other = samples_of(hub, 2, n_cells=3, C=8)[1]
    picks = run(TartTopK(k=2, samples=[sample, swapped, other], predictor=CountsSeparable()), space(Known()))
    assert other in [pick.sample for pick in picks]


def test_given_samples_are_ranked(space, darts):
    samples = samples_of(HubSpace.of(darts), 30, n_cells=3, C=8)
    picks = run(TartTopK(k=4, samples=samples, predictor="params"), space(Known()))
    assert all(pick.sample in samples for pick in picks)
    scores = Predictor("params").predict([HubSpace.of(darts).architecture(sample) for sample in samples])
    assert [pick.predicted for pick in picks] == pytest.approx(sorted(scores, reverse=True)[:4])


def test_the_bundled_predictor_judges_at_its_own_size(space):
    with pytest.raises(PredictorError, match=r"n_cells 3 .*C 8 .*`judged_at` .of TartTuner: `n_cells`, `C`. gives"):
        run(TartTopK(k=1, candidates=5), space(Known()))
    picks = run(TartTopK(k=1, candidates=50, judged_at={"n_cells": 8, "C": 32}), space(Known()))
    assert 90 < picks[0].predicted < 96


def test_the_budget_ends_the_search(space):
    picks = run(TartTopK(k=5, candidates=20, rounds=2, predictor="params"), space(Known()), max_model_count=3)
    assert [pick.status for pick in picks] == ["trained"] * 3 + ["waiting"] * 2


def test_failures_and_metrics_that_are_none(space, caplog):
    outcomes = iter(
        [0.5, float("nan"), {"accuracy": 0.9}, {"default": 0.7, "loss": 1}, None, "high", RuntimeError("broken")]
    )

    def metric(sample):
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with caplog.at_level(logging.ERROR, "nni"):
        picks = run(TartTopK(k=7, candidates=20, predictor="params"), space(Known(metric)))
    assert [pick.metric for pick in picks] == [0.5, None, None, 0.7, None, None, None]
    assert [pick.status for pick in picks] == ["trained", "failed", "failed", "trained", "failed", "failed", "failed"]
    for what in ("nan is not finite", "{'accuracy': 0.9} has no 'default'", "'high' is not a number"):
        assert sum(what in message for message in caplog.messages) == 1


def test_numbers_of_torch_and_numpy_and_arrays_of_one_are_metrics(space):
    outcomes = [torch.tensor(0.5), np.array([0.25]), np.float32(0.75), {"default": torch.tensor([0.125])}, np.ones(2)]
    given = iter(outcomes)
    strategy = TartTopK(k=5, candidates=20, predictor="params")
    picks = run(strategy, space(Known(lambda sample: next(given))))
    assert [pick.metric for pick in picks] == [0.5, 0.25, 0.75, 0.125, None]
    assert [model.metric for model in strategy.list_models()] == [0.75, 0.5, 0.25, 0.125]
    json.dumps(strategy.state_dict())


def test_the_state_goes_on_where_it_stopped(space):
    first = TartTopK(k=4, candidates=50, rounds=2, predictor=CountsSeparable())
    run(first, space(Known()), max_model_count=3)
    state = json.loads(json.dumps(first.state_dict()))
    evaluator = Known()
    second = TartTopK(k=4, candidates=50, rounds=2, predictor=CountsSeparable())
    engine = SequentialExecutionEngine()
    second.initialize(space(evaluator), engine)
    second.load_state_dict(state)
    second.run()
    undisturbed = run(TartTopK(k=4, candidates=50, rounds=2, predictor=CountsSeparable()), space(Known()))
    assert [pick.to_dict() for pick in second.picks] == [pick.to_dict() for pick in undisturbed]
    assert evaluator.seen == [pick.sample for pick in undisturbed[3:]]
    assert second.predictor.updates == [(4, [pick.metric for pick in undisturbed[:4]], 1)]


def test_a_state_of_other_settings_is_refused():
    state = TartTopK(k=4, candidates=50).state_dict()
    with pytest.raises(NniError, match=r"started with TartTopK\(k=4\), not 5"):
        TartTopK(k=5, candidates=50).load_state_dict(state)
    with pytest.raises(NniError, match="with TartTopK.predictor="):
        TartTopK(k=4, candidates=50, predictor="params").load_state_dict(state)
    with pytest.raises(NniError, match="not that of a TartTopK"):
        TartTopK().load_state_dict({"population": []})


def test_bad_arguments(tmp_path):
    for settings, message in (
        ({"k": 0}, "`k` must be a whole number of at least 1, but got 0"),
        ({"k": 5, "candidates": 4}, "`candidates` must be a whole number of at least 5, but got 4"),
        ({"rounds": True}, "`rounds`"),
        ({"k": 2, "samples": [{}]}, "`candidates`"),
    ):
        with pytest.raises(SettingError, match=message):
            TartTopK(**settings)
    with pytest.raises(CheckpointError, match="no predictor at"):
        TartTopK(predictor=tmp_path / "missing.safetensors")


def test_a_space_of_the_users_own():
    from nni.nas.nn.pytorch import LayerChoice, ModelSpace
    from torch import nn

    class Small(ModelSpace):  # type: ignore[misc]
        def __init__(self):
            super().__init__()
            self.conv = LayerChoice([nn.Conv2d(3, 8, k, padding=k // 2) for k in (1, 3, 5)], label="conv")
            self.head = nn.Linear(8, 10)

        def forward(self, x):
            return self.head(self.conv(x).mean((2, 3)))

    space = SimplifiedModelSpace.from_model(Small(), Known(lambda sample: float(sample["conv"])))
    picks = run(TartTopK(k=2, candidates=9, predictor="flops", input_size=16), space)
    assert [pick.sample["conv"] for pick in picks] in (["2", "1"], [2, 1])
    with pytest.raises(NniError, match="give `convert`"):
        run(TartTopK(k=2, candidates=9, predictor="flops"), SimplifiedModelSpace.from_model(Small()))
    with pytest.raises(PredictorError, match="is no architecture of cells. Graphs are read by flops.* to graphs too.$"):
        run(TartTopK(k=2, candidates=9, input_size=16), SimplifiedModelSpace.from_model(Small()))
