"""Pareto fronts against Optuna's, which computes them in another way."""

from itertools import pairwise

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tart_nas.errors import SettingError
from tart_nas.strategies import crowding_distance, pareto_front, preferred

VALUES = arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 4).map(float))


@given(VALUES)
def test_the_front_is_optunas(values):
    study = optuna.create_study(directions=["maximize"] * values.shape[1])
    for row in values:
        study.add_trial(optuna.create_trial(values=row.tolist()))
    expected = {trial.number for trial in study.best_trials}
    found = {int(i) for i in np.flatnonzero(pareto_front(values))}
    # Optuna may give one of several equal trials alone where there is one objective.
    assert {tuple(values[i]) for i in found} == {tuple(values[i]) for i in expected}
    assert expected <= found


@given(VALUES)
def test_each_front_comes_before_the_next(values):
    order = list(preferred(values))
    assert sorted(order) == list(range(len(values)))
    for earlier, later in pairwise(order):
        assert not ((values[later] >= values[earlier]).all() and (values[later] > values[earlier]).any())


def test_of_a_front_the_ends_come_first_and_the_crowded_last():
    values = np.array([[0.0, 10.0], [1.0, 9.0], [1.1, 8.9], [6.0, 6.0], [10.0, 0.0]])
    assert crowding_distance(values).tolist() == pytest.approx([np.inf, 0.22, 0.8, 1.78, np.inf])
    assert list(preferred(values)) == [0, 4, 3, 2, 1]


def test_what_is_not_known_is_on_no_front():
    assert pareto_front([[1.0, np.nan], [0.0, 0.0]]).tolist() == [False, True]
    assert list(preferred([[1.0, np.nan], [0.0, 0.0], [1.0, 1.0]])) == [2, 1]
    assert not pareto_front(np.zeros((0, 2))).any()
    with pytest.raises(SettingError, match="must be"):
        pareto_front([1.0, 2.0])
