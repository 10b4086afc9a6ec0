"""Values that are far below all others."""

import numpy as np
import pytest

from tart_nas.predictors import Predictor
from tart_nas.strategies.nni_plugin.scoring import SampleScorer
from tart_nas.strategies.outliers import limited, lower_limit

BODY = [-1.0, -1.2, -1.5, -1.7, -2.0, *[-1.6] * 7]


@pytest.mark.parametrize("far", [[-1e6], [-1e300, -1e6, -1e3, -90.0], [-6.1]])
def test_they_are_taken_for_a_little_worse_than_the_others(far):
    assert limited([*BODY[:2], *far, *BODY[2:]]).tolist() == [*BODY[:2], *[-3.0] * len(far), *BODY[2:]]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [1.0],
        [1.0, 1.1, 1.2, 1.3, -9.0],
        [*BODY, -5.9],
        [0.3, 0.3, *[1 / 3 + i * 1e-16 for i in range(9)]],
        [*BODY, 1e6],
        [1.0] * 9 + [-5.0],
    ],
)
def test_all_others_stay(values):
    assert lower_limit(values) == -np.inf
    assert limited(values).tolist() == values


def test_of_one_distribution_there_are_hardly_any():
    rng = np.random.default_rng(0)
    assert sum(lower_limit(rng.normal(size=10)) > -np.inf for _ in range(2000)) <= 2


def test_they_are_at_most_a_quarter():
    assert lower_limit([*BODY, *[-1e6] * 4]) == -3.0
    assert lower_limit([*BODY, *[-1e6] * 5]) == -np.inf


@pytest.mark.parametrize("knows", [False, True])
def test_trials_of_nni_may_diverge(knows, labelled):
    """A predictor learns from the other metrics, whether or not they come together with the one that is far off."""
    samples = [{"row": row} for row in range(200)]
    known = Predictor("ridge").fit(labelled.architectures[300:], np.arange(418.0) % 7) if knows else Predictor("ridge")
    scorer = SampleScorer(None, known, convert=lambda sample: labelled.architectures[sample["row"]])
    metrics = (labelled.targets - 93).tolist()
    assert scorer.learn(samples[:30], metrics[:30], 0)
    assert scorer.learn(samples[30:61], [*metrics[30:60], -1e9], 1)
    assert scorer.learn(samples[61:62], [-1e8], 2)
    assert np.corrcoef(scorer(samples[62:]), labelled.targets[62:200])[0, 1] > 0.5
