"""A predictor that knows nothing yet learns from the trials of the search, also in spaces that have no cells."""

import json
from pathlib import Path

import numpy as np
import pytest
from nni.nas.execution import SequentialExecutionEngine
from nni.nas.nn.pytorch import LayerChoice, ModelSpace, Repeat
from nni.nas.strategy import Random
from torch import nn

from tart_nas.errors import NniError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin import (
    SampleScorer,
    TartBestOfN,
    TartEvaluator,
    TartOverSampling,
    TartTopK,
    TartTuner,
    tart_chain,
)
from tests.strategies.nni_plugin.tables import Known, simplified

SPACE = json.loads((Path(__file__).resolve().parents[3] / "experiments/nni/search_space.json").read_text())


class Blocks(ModelSpace):  # type: ignore[misc]
    """One to four convolutions of three kernels: 120 networks."""

    def __init__(self):
        super().__init__()
        kernels = lambda i: LayerChoice(  # noqa: E731
            [nn.Conv2d(4, 4, k, padding=k // 2) for k in (1, 3, 5)], label=f"kernel{i}"
        )
        self.stem = nn.Conv2d(3, 4, 3, padding=1)
        self.blocks = Repeat(kernels, (1, 4), label="depth")
        self.head = nn.Linear(4, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


@pytest.fixture
def space():
    return simplified(Blocks())


def threes(sample):
    """How many convolutions of 3x3 are in the network: neither parameters nor FLOPs tell it."""
    return float(sum(int(sample[f"kernel{i}"]) == 1 for i in range(sample["depth"])))


def test_top_k_learns_from_its_own_rounds(space):
    strategy = TartTopK(k=8, candidates=60, rounds=3, predictor="gp-graph", input_size=8, seed=1)
    strategy(space(Known(threes)), SequentialExecutionEngine(24))
    rounds = [[pick for pick in strategy.picks if pick.round == number] for number in range(3)]
    assert {pick.predicted for pick in rounds[0]} == {0.0}
    metrics = [np.mean([pick.metric for pick in picks]) for picks in rounds]
    assert metrics[1] > metrics[0]
    assert metrics[2] > metrics[0]
    assert strategy.predictor.metadata["training"]["n"] == 16  # all of both rounds
    assert max(pick.metric or 0 for pick in strategy.picks) == 4  # the one best of 120
    # A resumed search learns the same of what was measured.
    again = TartTopK(k=8, candidates=60, rounds=3, predictor="gp-graph", input_size=8, seed=1)
    state = strategy.state_dict()
    again.load_state_dict({**state, "picks": state["picks"][:16]})
    again(space(Known(threes)), SequentialExecutionEngine(24))
    assert [pick.sample for pick in again.picks] == [pick.sample for pick in strategy.picks]
    with pytest.raises(NniError, match="was started with TartTopK\\(predictor='gp-graph unfitted'"):
        TartTopK(k=8, candidates=60, rounds=3, predictor="flops", seed=1).load_state_dict(state)


def test_a_fitted_predictor_is_corrected_by_traced_networks(space):
    strategy = TartTopK(k=6, candidates=40, rounds=2, predictor="flops", input_size=8)
    strategy(space(Known(lambda sample: -threes(sample))), SequentialExecutionEngine(12))
    assert strategy.predictor.kind == "refined"
    assert strategy.predictor.metadata["training"]["updated"]["n"] == 6


def test_a_scorer_gives_0_until_it_has_four_metrics(space):
    drawn = [dict(model.sample) for model in (space(None).random() for _ in range(40))]
    scorer = SampleScorer(space(None), "gp-graph", input_size=8)
    assert scorer(drawn).tolist() == [0.0] * 40
    assert not scorer.learn(drawn[:3], [1.0, 2.0, 3.0], 0, lambda: drawn)
    assert scorer(drawn[:2]).tolist() == [0.0, 0.0]
    assert not scorer.learn(drawn[:4], [1.0] * 4, 0, lambda: drawn)  # they do not differ
    assert scorer.learn(drawn[:10], [threes(sample) for sample in drawn[:10]], 0, lambda: drawn)
    assert scorer.learn(drawn[10:20], [threes(sample) for sample in drawn[10:20]], 0)
    assert scorer.predictor.metadata["training"]["n"] == 20
    scores = scorer(drawn[20:])
    assert np.isfinite(scores).all()
    assert np.corrcoef(scores, [threes(sample) for sample in drawn[20:]])[0, 1] > 0.7


def test_a_tuner_learns_from_its_own_trials():
    """Of cells, which it reads as architectures."""
    tuner = TartTuner(predictor="gp", candidates=100, k=10)
    tuner.update_search_space(SPACE)

    def separable(sample):
        return sum(str(value).startswith("sep") for label, value in sample.items() if "/op_" in label)

    means = []
    for number in range(3):
        handed = [tuner.generate_parameters(10 * number + i) for i in range(10)]
        means.append(np.mean([separable(sample) for sample in handed]))
        for i, sample in enumerate(handed):
            tuner.receive_trial_result(10 * number + i, sample, separable(sample) / 16)
            tuner.trial_end(10 * number + i, True)
    assert means[1] > means[0] + 2
    assert means[2] > means[0] + 2


def test_where_nothing_is_learned_a_fitted_predictor_is_needed(space):
    with pytest.raises(SettingError, match="unfitted gp-graph, which learns between rounds from at least 4 metrics"):
        TartTopK(k=3, candidates=10, rounds=2, predictor="gp-graph", input_size=8)
    with pytest.raises(SettingError, match="leave `refit`"):
        TartTopK(k=9, candidates=10, rounds=2, predictor=Predictor("gp-graph"), input_size=8, refit=False)
    with pytest.raises(SettingError, match="unfitted gp-graph, and an evaluator trains nothing .*TartBestOfN"):
        TartEvaluator("gp-graph", input_size=8)
    with pytest.raises(SettingError, match="unfitted gp, and an evaluator trains nothing"):
        TartEvaluator(Predictor("gp"))
    assert np.isfinite(TartEvaluator("flops", input_size=8).evaluate(space(None).random()))


def _trained(chain, space, n):
    """The metrics of n models, in the order in which they were trained."""
    evaluator = Known(threes)
    chain(space(evaluator), SequentialExecutionEngine(n))
    return [threes(sample) for sample in evaluator.seen]


@pytest.mark.parametrize(
    "make", [lambda p: TartBestOfN(8, p, input_size=8), lambda p: TartOverSampling(8, 2, predictor=p, input_size=8)]
)
def test_a_middleware_learns_from_what_is_trained(make, space):
    predictor = Predictor("gp-graph")
    chain = tart_chain(Random(seed=0), make(predictor))
    metrics = _trained(chain, space, 24)
    drawn = _trained(Random(seed=0), space, 24)
    assert metrics[:4] == drawn[:4]  # nothing is judged before four are measured
    assert np.mean(metrics[12:]) > np.mean(drawn[12:]) + 0.5
    assert 4 <= predictor.metadata["training"]["n"] < 24
    # A resumed chain knows what was trained, and judges at once.
    state = json.loads(json.dumps(chain.state_dict()["middlewares"][0]))
    assert len(state["observed"]) == 24
    resumed = make(again := Predictor("gp-graph"))
    resumed.load_state_dict(state)
    assert np.mean(_trained(tart_chain(Random(seed=1), resumed), space, 4)) > np.mean(drawn) + 0.5
    assert again.metadata["training"]["n"] >= 24


def test_a_real_experiment(programs, port, tmp_path):
    """In MobileNetV3's space of NNI's hub, with NNI's manager, and trials that are processes."""
    status, output = programs.finish(programs.python("cold_start_experiment.py", tmp_path / "experiments", port), 1200)
    assert status == 0, output
    found = json.loads(next(line for line in output.splitlines() if line.startswith('{"picks"')))
    first, second = ([pick for pick in found["picks"] if pick["round"] == number] for number in (0, 1))
    assert {pick["predicted"] for pick in first} == {0.0}
    assert found["labels"] == 4
    assert [pick["status"] for pick in second] == ["trained", "trained", "waiting", "waiting"]  # of six trials in all
    assert second[0]["predicted"] > second[3]["predicted"]
    assert all(pick["metric"] > 0 for pick in (*first, *second[:2]))  # numbers of parameters
