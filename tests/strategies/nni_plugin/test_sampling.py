import numpy as np
import pytest
from nni.mutable import Categorical, CategoricalMultiple, MutableSymbol, Numerical
from nni.mutable.annotation import ExpressionConstraint
from nni.mutable.container import MutableDict

from tart_nas.errors import NniError
from tart_nas.strategies.nni_plugin.sampling import SampleDrawer, sample_key
from tart_nas.strategies.nni_plugin.spaces import input_pairs


def test_samples_are_of_the_space_and_seeded(darts):
    samples = SampleDrawer(darts).draw(200, np.random.default_rng(1))
    assert all(darts.contains(sample) for sample in samples)
    assert samples == SampleDrawer(darts).draw(200, np.random.default_rng(1))
    assert len({sample_key(sample) for sample in samples}) == 200


def test_inputs_differ_where_asked(darts):
    pairs = input_pairs(darts)
    for distinct in (True, False):
        samples = SampleDrawer(darts, distinct).draw(300, np.random.default_rng(0))
        equal = sum(sample[first] == sample[second] for sample in samples for first, second in pairs)
        assert (equal == 0) == distinct


def test_values_come_with_the_probabilities_of_the_space():
    space = MutableDict(
        {"a": Categorical(["x", "y", "z"], weights=[0.7, 0.2, 0.1], label="a"), "b": Numerical(1, 2, label="b")}
    )
    samples = SampleDrawer(space).draw(4000, np.random.default_rng(0))
    counts = [sum(sample["a"] == value for sample in samples) / 4000 for value in "xyz"]
    assert np.abs(np.array(counts) - [0.7, 0.2, 0.1]).max() < 0.03
    assert np.mean([sample["b"] for sample in samples]) == pytest.approx(1.5, abs=0.03)


def test_constraints_hold():
    a, b = Categorical([1, 2, 3], label="a"), Categorical([1, 2, 3], label="b")
    space = MutableDict({"a": a, "b": b, "c": ExpressionConstraint(a < b, label="c")})
    samples = SampleDrawer(space).draw(50, np.random.default_rng(0))
    assert len(samples) == 50
    assert all(sample["a"] < sample["b"] for sample in samples)
    impossible = MutableDict({"a": a, "b": b, "c": ExpressionConstraint(a > b + 5, label="c")})
    with pytest.raises(NniError, match="constraints of the model space left 0 of 3"):
        SampleDrawer(impossible).draw(3, np.random.default_rng(0))


def test_several_choices_at_once():
    space = MutableDict({"a": CategoricalMultiple(["x", "y", "z"], n_chosen=2, label="a")})
    assert {len(set(sample["a"])) for sample in SampleDrawer(space).draw(20, np.random.default_rng(0))} == {2}


def test_mutables_that_cannot_be_drawn_from_are_named():
    class Own(MutableSymbol):  # type: ignore[misc]
        def __init__(self):
            self.label = "mine"

    with pytest.raises(NniError, match=r"mine \(Own\)\. Give `samples`"):
        SampleDrawer(MutableDict({"mine": Own()}))


def test_keys_of_samples():
    assert sample_key({"a": [1], "b": "x"}) == sample_key({"b": "x", "a": (1,)})
    assert sample_key({"a": [1]}) != sample_key({"a": [2]})
