import numpy as np
import pytest

from tart_nas.predictors import Predictor
from tart_nas.predictors.checkpoint import read_checkpoint
from tart_nas.predictors.models.ensemble import combined


def test_ensemble_is_the_mean(labelled, held_out):
    few, targets = labelled.architectures[:80], labelled.targets[:80]
    ensemble = Predictor("ensemble", members=[{"kind": "ridge"}, {"kind": "svr"}], weights=[1, 3]).fit(few, targets)
    (m1, s1), (m2, s2) = (
        Predictor(kind).fit(few, targets, seed=seed).predict(held_out.architectures, return_std=True)
        for seed, kind in enumerate(("ridge", "svr"))
    )
    mean, std = ensemble.predict(held_out.architectures, return_std=True)
    np.testing.assert_allclose(mean, (m1 + 3 * m2) / 4)
    variance = (s1**2 + 3 * s2**2) / 4 + ((m1 - mean) ** 2 + 3 * (m2 - mean) ** 2) / 4
    np.testing.assert_allclose(std, np.sqrt(variance))


def test_weights_by_precision(labelled, held_out):
    few, targets = labelled.architectures[:80], labelled.targets[:80]
    ensemble = Predictor("ensemble", members=[{"kind": "ridge"}, {"kind": "gp"}]).fit(few, targets)
    (m1, s1), (m2, s2) = (
        Predictor(kind).fit(few, targets).predict(held_out.architectures, return_std=True) for kind in ("ridge", "gp")
    )
    mean, std = ensemble.predict(held_out.architectures, return_std=True)
    np.testing.assert_allclose(mean, (m1 / s1**2 + m2 / s2**2) / (1 / s1**2 + 1 / s2**2))
    assert (std > np.minimum(s1, s2)).all()
    unsure = Predictor("ensemble", members=[{"kind": "params"}, {"kind": "ridge"}])
    counts = Predictor("params").fit(few, targets).predict(held_out.architectures)
    unsure.fit(few, targets)
    assert not np.allclose(unsure.predict(held_out.architectures), counts)


def test_members_of_a_kind_differ_and_any_kind_may_be_one(labelled, tmp_path):
    small = {"kind": "tart-cell", "ensemble": 1, "width": 16, "epochs": 1}
    members = [small, small, {"kind": "params"}]
    predictor = Predictor("ensemble", members=members).fit(labelled.architectures[:40], labelled.targets[:40])
    assert predictor.metadata["token_scheme"] == "cell/1, parameters/1"
    predictor.save(tmp_path / "p.safetensors")
    arrays, _ = read_checkpoint(tmp_path / "p.safetensors")
    assert not np.allclose(arrays["0/0.0.head.weight"], arrays["0/1.0.head.weight"])
    loaded, asked = Predictor.load(tmp_path / "p.safetensors"), labelled.architectures[:9]
    assert np.array_equal(loaded.predict(asked), predictor.predict(asked))


def test_a_member_that_states_no_deviation_does_not_spoil_the_mean():
    means, stds = np.array([[1.0, 1.0, 1.0], [3.0, 3.0, 3.0]]), np.array([[1.0, 0.0, 0.0], [2.0, 2.0, 0.0]])
    mean, std = combined(means, stds, "precision")
    assert mean.tolist() == pytest.approx([(1 + 3 / 4) / (1 + 1 / 4), 2.0, 2.0])
    assert np.isfinite(std).all()
