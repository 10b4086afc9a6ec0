"""Labels of networks of another size than the architectures', and architectures unlike the labelled ones."""

from dataclasses import replace

import numpy as np
import pytest

from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace


@pytest.fixture(scope="module")
def networks():
    return DeepNets1MSpace("val").sample(60, 0)


@pytest.fixture(scope="module")
def values(networks):
    return [-float(a.n_cells) - 0.1 * len(a.genotype.normal) for a in networks]


def test_architectures_are_read_at_the_size_that_was_trained(networks, values, tmp_path):
    wide = [replace(architecture, C=16 * (1 + i % 5)) for i, architecture in enumerate(networks)]
    small = [replace(architecture, C=8) for architecture in networks]
    predictor = Predictor("gp").fit(wide, values, label_size={"C": 8})
    expected = Predictor("gp").fit(small, values)
    assert predictor.metadata["trained_at"] == {"C": 8}
    assert expected.metadata["trained_at"] == {}
    assert predictor.identity != expected.identity
    predictor.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert loaded.identity == predictor.identity
    for given in (wide, small, networks):
        for own in (predictor, loaded):
            assert np.array_equal(own.predict(given), expected.predict(small))
    with pytest.raises(PredictorError, match="C 16"):
        expected.predict(wide)
    for own in (predictor, expected):
        own.update(small[:10], np.arange(10.0))
    assert np.array_equal(predictor.predict(wide), expected.predict(small))


def test_it_judges_what_it_is_told_to(networks, values):
    others = DeepNets1MSpace("search").sample(400, 0)
    beyond = [a for a in others if a.n_cells > 18 or len(a.genotype.normal) > 8]
    assert beyond
    with pytest.raises(PredictorError, match="is outside what the predictor was trained on"):
        Predictor("gp").fit(networks, values).predict(beyond)
    predictor = Predictor("gp").fit(networks, values, extend_scope=others)
    scores, std = predictor.predict(others, return_std=True)
    assert np.isfinite(scores).all()
    assert std[[others.index(a) for a in beyond]].mean() > predictor.predict(networks, return_std=True)[1].mean()
    same = Predictor("gp").fit(networks, values)
    assert np.array_equal(predictor.predict(networks), same.predict(networks))  # nothing else is changed by it
    with pytest.raises(PredictorError, match="n_cells 36"):
        predictor.predict([replace(networks[0], n_cells=36)])


@pytest.mark.parametrize(
    ("size", "said"),
    [
        ({"C": 1}, "`C` of trained networks must be a whole number of at least 2, but got 1"),
        ({"n_cells": "5"}, "`n_cells` of trained networks must be a whole number of at least 1, but got '5'"),
        ({"norm": None}, "told by n_cells and C, not by 'norm'"),
    ],
)
def test_no_size(size, said, networks, values):
    with pytest.raises(SettingError, match=said):
        Predictor("ridge").fit(networks, values, label_size=size)
