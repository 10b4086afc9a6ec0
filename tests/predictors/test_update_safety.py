"""A few labels of a search's best candidates do not turn a predictor's ranking round, and many that differ do.

The whole grid, by more draws, is what ``python -m tart_nas.experiments.update_safety`` measures.
"""

import copy

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies import acquire

SEEDS = 3


@pytest.fixture(scope="module")
def judge(labelled):
    """A predictor of accuracies that is quick."""
    return Predictor("gp").fit(labelled.architectures[:200], labelled.targets[:200])


@pytest.fixture(scope="module")
def candidates(judge):
    """1,500 candidates, best first, and their predictions."""
    sampled = DartsSpace().sample_tokens(1500, seed=3)
    scores = judge.predict(sampled)
    order = np.argsort(-scores)
    return sampled.take(order), scores[order]


def median_rank(promise, n_labelled):
    """Of the eight that come next, as a share of all; the labelled ones are the first."""
    left = np.arange(n_labelled, len(promise))
    return float(np.median(left[np.argsort(-promise[left], kind="stable")[:8]] + 1)) / len(promise)


@pytest.mark.parametrize(  # each number with each unit, and so each noise
    ("n_labelled", "noise", "scale"),
    [(4, 0.1, 1.0), (8, 0.5, 1.0), (12, 2.0, 1.0), (4, 2.0, 0.01), (8, 0.1, 0.01), (12, 0.5, 0.01)],
)
def test_labels_of_the_top_leave_the_ranking(n_labelled, noise, scale, judge, candidates):
    architectures, scores = candidates
    best, population = architectures.take(np.arange(n_labelled)).architectures(), judge.population(architectures)
    taus, by_mean, by_improvement = [], [], []
    for seed in range(SEEDS):
        rng = np.random.default_rng([seed, n_labelled])
        labels = scale * (scores[:n_labelled] + rng.normal(scale=noise, size=n_labelled))
        updated = copy.copy(judge).update(best, labels, population=population)
        mean, std = updated.predict(architectures, return_std=True)
        taus.append(kendalltau(mean, scores).statistic)
        by_mean.append(median_rank(mean, n_labelled))
        improvement = acquire("expected-improvement", mean, std, labels.max(), rng)
        by_improvement.append(median_rank(improvement, n_labelled))
    assert np.mean(taus) > 0.75
    assert min(taus) > 0.45
    assert np.mean(by_mean) <= 0.05
    assert max(by_mean) <= 0.10
    assert np.mean(by_improvement) <= 0.10
    assert max(by_improvement) <= 1 / 3


def test_labels_that_contradict_are_learned(judge, candidates):
    architectures, scores = candidates
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(scores))[:60]
    labels = -scores[rows] + rng.normal(scale=0.3, size=60)
    updated = copy.copy(judge).update(architectures.take(rows), labels, population=architectures)
    assert kendalltau(updated.predict(architectures), -scores).statistic > 0.75


def test_labels_in_its_own_unit_keep_its_intervals(labelled):
    """Those of its own best ones, of which the spread says little: intervals of 90 % then covered some 10 %."""
    predictor = Predictor("gp").fit(labelled.architectures[:144], labelled.targets[:144])
    rest = np.argsort(-predictor.predict(labelled.architectures[144:]), kind="stable") + 144
    alone = kendalltau(
        predictor.predict([labelled.architectures[i] for i in rest[10:]]), labelled.targets[rest[10:]]
    ).statistic
    predictor.update([labelled.architectures[i] for i in rest[:10]], labelled.targets[rest[:10]])
    mean, std = predictor.predict([labelled.architectures[i] for i in rest[10:]], return_std=True)
    assert kendalltau(mean, labelled.targets[rest[10:]]).statistic > alone - 0.01
    assert 0.7 < (np.abs(labelled.targets[rest[10:]] - mean) < 1.645 * std).mean() < 0.99


@pytest.mark.parametrize("kind", ["params", "ridge"])
def test_without_a_population_the_top_does_not_turn_it_round(kind, labelled, candidates):
    """Neither keeps what it was fitted to: the population is drawn, like the labelled architectures."""
    architectures, _ = candidates
    judge = Predictor(kind)
    if judge.targets == ():
        judge.fit(labelled.architectures[:200], labelled.targets[:200])
    scores = judge.predict(architectures)
    top = np.argsort(-scores, kind="stable")[:8]
    labels = 60 + np.random.default_rng(1).normal(size=8)
    updated = copy.copy(judge).update(architectures.take(top), labels)
    assert kendalltau(updated.predict(architectures), scores).statistic > 0.45
    again = copy.copy(judge).update(architectures.take(top), labels)
    assert again.identity == updated.identity


def test_the_population_may_be_known_beforehand(judge, candidates):
    architectures, scores = candidates
    first, others = architectures.take(np.arange(6)), architectures.take(np.arange(6, 8))
    labels = scores[:6] + np.array([0.1, -0.2, 0.3, 0.0, 0.1, -0.1])
    whole = copy.copy(judge).update(first, labels, population=architectures)
    prepared = copy.copy(judge).update(first, labels, population=judge.population(architectures))
    assert whole.identity == prepared.identity
    own = copy.copy(judge).update(first, labels)  # the population is what it was fitted to
    assert own.identity != whole.identity
    own.update(others, scores[6:8], population=architectures)
    whole.update(others, scores[6:8])  # that of before
    assert own.identity == whole.identity
