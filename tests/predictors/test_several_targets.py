from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.errors import PredictorError
from tart_nas.predictors import Predictor


@pytest.fixture(scope="module")
def labels(labelled):
    """Two targets that have little to do with each other, each known of a part of 300 architectures."""
    size = Predictor("params").predict(labelled.architectures[:300])
    accuracy = labelled.targets[:300].copy()
    accuracy[::5], size[1::3] = np.nan, np.nan
    return {"accuracy": accuracy, "size": size}


@pytest.mark.parametrize(
    ("kind", "settings"),
    [("tart-cell", {"ensemble": 2, "width": 16, "epochs": 30, "learning_rate": 5e-3}), ("gp", {}), ("ridge", {})],
)
def test_each_is_learned_and_kept(kind, settings, labels, labelled, held_out, tmp_path):
    predictor = Predictor(kind, **settings).fit(labelled.architectures[:300], labels)
    assert predictor.targets == ("accuracy", "size")
    size = Predictor("params").predict(held_out.architectures)
    truth = {"accuracy": held_out.targets, "size": size}
    predictor.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert loaded.targets == predictor.targets
    for name, values in truth.items():
        mean, std = predictor.predict(held_out.architectures, return_std=True, target=name)
        assert kendalltau(mean, values).statistic > 0.6
        assert abs(mean.mean() - values.mean()) < 0.5 * values.std()  # in its own unit
        assert 0.7 < (np.abs(values - mean) < 1.645 * std).mean() <= 1
        assert np.array_equal(loaded.predict(held_out.architectures, target=name), mean)
    first = predictor.predict(held_out.architectures)
    assert np.array_equal(first, predictor.predict(held_out.architectures, target="accuracy"))


@pytest.mark.parametrize("known", ["all", "a part"])
def test_what_targets_share_is_stored_once(known, labels, labelled, tmp_path):
    few = labelled.architectures[:24]
    of_few = {name: values[:24] if known == "a part" else np.nan_to_num(values[:24]) for name, values in labels.items()}
    one, both = Predictor("gp-graph"), Predictor("gp-graph")
    one.fit(few, {"accuracy": of_few["accuracy"]}).save(tmp_path / "one.safetensors")
    both.fit(few, of_few).save(tmp_path / "both.safetensors")
    ratio = (tmp_path / "both.safetensors").stat().st_size / (tmp_path / "one.safetensors").stat().st_size
    assert ratio < 1.5 if known == "all" else ratio > 1.5  # with other labels the rows are others too
    loaded = Predictor.load(tmp_path / "both.safetensors")
    assert loaded.identity == both.identity
    for name in of_few:
        asked = labelled.architectures[24:40]
        assert np.array_equal(loaded.predict(asked, target=name), both.predict(asked, target=name))


def test_what_one_target_lacks_is_not_taken_from_another(labelled, tmp_path):
    """Of few labels no errors are measured, so that the second target's networks have fewer arrays."""
    members = [{"kind": "tart-cell", "width": 16, "ensemble": 1, "epochs": 2, "calibration": 2}, {"kind": "ridge"}]
    few, values = labelled.architectures[:24], labelled.targets[:24]
    predictor = Predictor("ensemble", members=members)
    predictor.fit(few, {"known": values, "rare": np.where(np.arange(24) < 5, -values, np.nan)})
    predictor.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert loaded.identity == predictor.identity
    for name in predictor.targets:
        for ours, theirs in zip(
            *(p.predict(few, return_std=True, target=name) for p in (loaded, predictor)), strict=True
        ):
            np.testing.assert_array_equal(ours, theirs)


def test_bad_targets(labelled):
    few = labelled.architectures[:6]
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "at least one target"),
        ({"a": np.arange(6.0), "b": [1.0] * 5}, r"target of 'b' per architecture, shape \(6,\), but got \(5,\)"),
        ({"a": [1, 2, 3, np.nan, np.nan, np.nan]}, "At least 4 labelled architectures of 'a' .*, but got 3"),
        ({"a": [1, 2, 3, 4, np.inf, 5]}, "of 'a' must be finite, but target 4 is inf"),
        ({"a": [2, 2, 2, 2, np.nan, 2]}, "of 'a' must differ .* all 5 are 2.0"),
    ]
    for targets, said in cases:
        with pytest.raises(PredictorError, match=said):
            Predictor("ridge").fit(few, targets)
    predictor = Predictor("ridge").fit(few, {"a": np.arange(6.0), "b": -np.arange(6.0)})
    with pytest.raises(PredictorError, match="`target` must be one of a, b, but got 'c'"):
        predictor.predict(few, target="c")
