"""Kinds of predictors that read whole graphs, as a user meets them: batches of any size, and bad input."""

from typing import Any

import numpy as np
import pytest

from tart_nas.errors import PredictorError
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace

SMALL: dict[str, Any] = {"width": 16, "layers": 2, "epochs": 1}
KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "orf": ("tart-graph", {**SMALL, "identifier_width": 16}),
    "lap": ("tart-graph", {**SMALL, "identifiers": "lap", "identifier_width": 16}),
    "nodes": ("pure-transformer", SMALL),
    "convolutions": ("neural-predictor", SMALL),
}


@pytest.fixture(scope="module")
def architectures():
    return DeepNets1MSpace("val").sample(24, seed=11)


@pytest.fixture(scope="module", params=KINDS)
def fitted(request, architectures):
    kind, settings = KINDS[request.param]
    return Predictor(kind, ensemble=2, **settings).fit(architectures, np.arange(24.0), seed=3)


def test_a_prediction_is_the_same_in_a_batch_of_any_size(fitted, architectures):
    expected, expected_std = fitted.predict(architectures, return_std=True)
    assert expected.std() > 1e-2
    assert expected_std.min() > 0
    assert np.array_equal(fitted.predict(architectures), expected)
    for size in (1, 5, 23):
        parts = [
            fitted.predict(architectures[first : first + size], return_std=True)
            for first in range(0, len(architectures), size)
        ]
        mean, std = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        scale = fitted.metadata["targets"]["target"]["scale"]
        np.testing.assert_allclose(mean / scale, expected / scale, atol=1e-5)
        np.testing.assert_allclose(std / scale, expected_std / scale, atol=1e-5)
    order = np.random.default_rng(0).permutation(len(architectures))
    again = fitted.predict([architectures[i] for i in order])
    np.testing.assert_allclose(again / scale, expected[order] / scale, atol=1e-5)
    twice = fitted.predict([*architectures, *architectures])
    np.testing.assert_allclose(twice / scale, np.tile(expected, 2) / scale, atol=1e-5)


def test_a_primitive_that_was_never_seen_is_refused(architectures):
    seen = [a for a in architectures if not a.is_vit][:8]
    attention = next(a for a in DeepNets1MSpace("val").sample(60, seed=12) if a.is_vit)
    for kind, settings in KINDS.values():
        predictor = Predictor(kind, **settings).fit(seen, np.arange(8.0))
        with pytest.raises(PredictorError, match=r"Architecture 1 is outside .*operation msa \(seen: "):
            predictor.predict([seen[0], attention])
