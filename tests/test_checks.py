import math

import numpy as np
import pytest

from tart_nas.checks import differences, number, one_of, short, whole
from tart_nas.errors import SettingError


@pytest.mark.parametrize("value", [0, 3, np.int64(3)])
def test_whole_numbers_pass_and_become_pythons(value):
    assert whole("n", value) == value
    assert type(whole("n", value)) is int


@pytest.mark.parametrize(
    ("value", "limits", "said"),
    [
        (-1, (), "`n` must be a whole number of at least 0, but got -1."),
        (7, (8,), "`n` must be a whole number of at least 8, but got 7."),
        (4, (1, 3), "`n` must be a whole number in [1, 3], but got 4."),
        (2.0, (), "`n` must be a whole number of at least 0, but got 2.0."),
        (True, (), "`n` must be a whole number of at least 0, but got True."),
        ("3", (), "`n` must be a whole number of at least 0, but got '3'."),
        (None, (), "`n` must be a whole number of at least 0, but got None."),
    ],
)
def test_what_is_no_whole_number_in_the_range(value, limits, said):
    with pytest.raises(SettingError) as caught:
        whole("n", value, *limits)
    assert str(caught.value) == said


@pytest.mark.parametrize(("value", "limits"), [(0, {"least": 0}), (0.5, {"above": 0, "below": 1}), (np.float32(1), {})])
def test_numbers_pass(value, limits):
    assert number("x", value, **limits) == value
    assert type(number("x", value, **limits)) is float


@pytest.mark.parametrize(
    ("value", "limits", "said"),
    [
        (-0.1, {"least": 0}, "of at least 0, but got -0.1"),
        (0, {"above": 0}, "above 0, but got 0"),
        (1, {"least": 0, "below": 1}, "in [0, 1), but got 1"),
        (2, {"above": 0, "most": 1}, "in (0, 1], but got 2"),
        (math.nan, {"least": 0, "most": 1}, "in [0, 1], but got nan"),
        (math.inf, {"least": 0}, "of at least 0, but got inf"),
        (False, {"least": 0}, "of at least 0, but got False"),
    ],
)
def test_what_is_no_number_in_the_range(value, limits, said):
    with pytest.raises(SettingError) as caught:
        number("x of the recipe", value, **limits)
    assert str(caught.value) == f"`x` of the recipe must be a number {said}."


def test_one_of_some_names():
    assert one_of("kind", "gp", ("gp", "svr")) == "gp"
    for value in ("ridge", ["gp"], None):
        with pytest.raises(SettingError) as caught:
            one_of("kind", value, ("gp", "svr"))
        assert str(caught.value) == f"`kind` must be one of gp, svr, but got {value!r}."


def test_settings_that_differ():
    assert differences({"epochs": 1, "lr": 0.1}, {"epochs": 3, "lr": 0.1}) == "epochs 1 then, 3 now"
    assert differences({"epochs": 1}, {"epochs": 1, "seed": 0}) == "seed None then, 0 now"
    assert differences({"epochs": 1}, {"epochs": 1}) == ""


def test_a_long_value_is_cut():
    assert short("x" * 100) == "'" + "x" * 76 + "..."
    assert short([1]) == "[1]"
    nested: object = (1,)
    doubling: object = (1,)
    for _ in range(10_000):
        nested = (nested,)
    for _ in range(100):
        doubling = (doubling, doubling)
    assert short(nested) == "(((((...),),),),)"
    assert short(doubling).startswith("(((((...), (...)), ((...), ")
