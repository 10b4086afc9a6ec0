"""Random values are distributed as those of Optuna's own random sampler."""

from collections import Counter

import numpy as np
import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from tart_nas.search_spaces.random_values import drawn, drawn_other

N = 4000  # draws, of which a share has a standard error of at most 0.008


@pytest.mark.parametrize(
    "distribution",
    [
        IntDistribution(1, 3, log=True),
        IntDistribution(2, 9, log=True),
        IntDistribution(7, 7, log=True),
        IntDistribution(1, 10, step=3),
        FloatDistribution(0.0, 0.3, step=0.1),
        FloatDistribution(-0.3, 0.0, step=0.1),
        CategoricalDistribution(["a", None, 3]),
    ],
    ids=str,
)
def test_values_are_as_frequent_as_those_of_optunas_random_sampler(distribution):
    rng, sampler, study = np.random.default_rng(0), optuna.samplers.RandomSampler(seed=0), optuna.create_study()
    study.ask()
    trial = study.trials[0]
    ours = Counter(drawn(distribution, rng) for _ in range(N))
    optunas = Counter(sampler.sample_independent(study, trial, "x", distribution) for _ in range(N))
    assert ours.keys() == optunas.keys()
    assert {type(value) for value in ours} == {type(value) for value in optunas}
    assert {value: count / N for value, count in ours.items()} == pytest.approx(
        {value: count / N for value, count in optunas.items()}, abs=0.05
    )


def test_logarithms_of_floats_are_spread_evenly():
    rng, distribution = np.random.default_rng(0), FloatDistribution(1e-4, 1.0, log=True)
    logarithms = np.log10([drawn(distribution, rng) for _ in range(N)])
    assert np.quantile(logarithms, [0, 0.25, 0.5, 0.75, 1]) == pytest.approx([-4, -3, -2, -1, 0], abs=0.1)


def test_another_value_is_another_where_there_is_one():
    rng = np.random.default_rng(0)
    steps = FloatDistribution(0.0, 0.3, step=0.1)
    assert {drawn_other(steps, 0.3, rng) for _ in range(50)} == {0.0, 0.1, 0.2}
    assert drawn_other(IntDistribution(7, 7, log=True), 7, rng) == 7
