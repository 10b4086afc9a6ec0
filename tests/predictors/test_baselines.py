from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.svm import SVR

from tart_nas.errors import CheckpointError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.predictors.cell_features import (
    COLUMNS,
)
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.predictors.models import boosting, support_vectors
from tart_nas.predictors.models.regressor import regressor_class
from tests.predictors.conftest import features_of

SETTINGS: dict[str, dict[str, Any]] = {
    "gp": {},
    "svr": {},
    "boosting": {"trees": 150, "learning_rate": 0.1},
    "ensemble": {"members": [{"kind": "ridge", "strength": 2.0}, {"kind": "svr", "C": 5.0}], "weights": [1, 3]},
}


@pytest.fixture(scope="module", params=SETTINGS)
def baseline(request, labelled):
    """One fitted predictor of each kind, which tests must not change."""
    return Predictor(request.param, **SETTINGS[request.param]).fit(labelled.architectures[:400], labelled.targets[:400])


# what all kinds must do


def test_ranks_and_says_how_sure_it_is(baseline, held_out):
    mean, std = baseline.predict(held_out.architectures, return_std=True)
    floor = {"gp": 0.78, "svr": 0.76, "boosting": 0.7, "ensemble": 0.75}[baseline.kind]
    assert kendalltau(mean, held_out.targets).statistic > floor
    assert (std > 0).all()
    within = np.abs(held_out.targets - mean) < 1.645 * std
    assert 0.8 < within.mean() < 0.98  # 90 % of normally distributed errors


@pytest.mark.parametrize("kind", SETTINGS)
def test_learns_from_the_fewest_labels(kind, labelled):
    predictor = Predictor(kind, **SETTINGS[kind]).fit(labelled.architectures[:4], labelled.targets[:4])
    for array in predictor.predict(labelled.architectures[:4], return_std=True):
        assert np.isfinite(array).all()


@pytest.mark.parametrize("kind", SETTINGS)
def test_learns_from_nets_of_all_sizes(kind, nets):
    targets = np.random.default_rng(0).normal(size=len(nets))
    predictor = Predictor(kind, **SETTINGS[kind]).fit(nets, targets)
    mean, std = predictor.predict(nets, return_std=True)
    assert np.isfinite(mean).all()
    assert (std > 0).all()


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("gp", {"noise": 1}, "noise"),
        ("svr", {"C": 0}, "`C` must be a number above 0, but got 0"),
        ("svr", {"epsilon": -1}, "`epsilon` must be a number of at least 0, but got -1"),
        ("svr", {"gamma": "scale"}, "`gamma` must be .*'scale'"),
        ("svr", {"gamma": float("inf")}, "`gamma`"),
        ("boosting", {"trees": 0}, "`trees` must be a whole number of at least 1, but got 0"),
        ("boosting", {"depth": 2.0}, "`depth` must be .* 2.0"),
        ("boosting", {"subsample": 1.5}, r"`subsample` must be a number in \(0, 1\], but got 1.5"),
        ("boosting", {"features": True}, "`features`"),
        ("boosting", {"leaves": 3}, "leaves"),
        ("ensemble", {"members": []}, r"`members` must be a list of at least one member, but got \[\]"),
        ("ensemble", {"members": "gp"}, "`members` must be a list"),
        ("ensemble", {"members": ["gp"]}, "A member must be an object with a 'kind' and settings, but got 'gp'"),
        ("ensemble", {"members": [{"kind": ["gp"]}]}, "A member must be an object with a 'kind'"),
        ("ensemble", {"members": [{"kind": "ensemble"}]}, "must not be an ensemble itself"),
        ("ensemble", {"members": [{"kind": "oracle"}]}, "`kind` must be one of .* but got 'oracle'"),
        ("ensemble", {"members": [{"kind": "svr", "C": -2}]}, "`C` must be"),
        (
            "ensemble",
            {"weights": [1, 2, 3]},
            r"`weights` must be .* 2 numbers above 0, one per member, but got \[1, 2, 3\]",
        ),
        ("ensemble", {"weights": [1, 0]}, "`weights` must be"),
        ("ensemble", {"weights": 2}, "`weights` must be"),
    ],
)
def test_bad_settings(kind, settings, said):
    with pytest.raises(SettingError, match=said):
        Predictor(kind, **settings)


# damaged checkpoints


def damaged(path, name, change):
    """Rewrites one array of a checkpoint with one model."""
    arrays, metadata = read_checkpoint(path)
    write_checkpoint(path, arrays | {f"0/{name}": change(arrays[f"0/{name}"])}, metadata)


def test_every_array_is_checked(baseline, tmp_path):
    path = tmp_path / "p.safetensors"
    baseline.save(path)
    arrays, metadata = read_checkpoint(path)
    for name in arrays:
        for others in (
            {key: value for key, value in arrays.items() if key != name},
            arrays | {name: arrays[name][..., None]},
            arrays | {name: np.zeros((2, 2))},
            arrays | {f"{name}.more": arrays[name]},
        ):
            write_checkpoint(path, others, metadata)
            with pytest.raises(CheckpointError, match="other arrays"):
                Predictor.load(path)


@pytest.mark.parametrize(
    ("kind", "name", "change"),
    [
        ("gp", "op", lambda a: a + np.uint8(15)),
        ("gp", "op", lambda a: a.astype(np.int64)),
        ("gp", "source", lambda a: a + np.uint8(5)),
        ("gp", "target", lambda a: a + np.uint8(9)),
        ("gp", "cell", lambda a: a + np.uint8(1)),
        ("gp", "mask", lambda a: ~a),
        ("gp", "mask", lambda a: a.astype(np.uint8)),
        ("gp", "settings", lambda a: -a),
        ("gp", "parameters", lambda a: a * np.nan),
        ("gp", "parameters", lambda a: a - 1000),
        ("gp", "targets", lambda a: a * np.inf),
        ("gp", "sizes", lambda a: a * np.nan),
        ("svr", "columns", lambda a: a + COLUMNS),
        ("svr", "columns", lambda a: a - COLUMNS),
        ("svr", "columns", lambda a: a.astype(float)),
        ("boosting", "left", lambda a: a + len(a)),
        ("boosting", "right", lambda a: -a),
        ("boosting", "feature", lambda a: a + COLUMNS),
        ("boosting", "root", lambda a: a.astype(float)),
    ],
)
def test_damaged_values(kind, name, change, labelled, tmp_path):
    path = tmp_path / "p.safetensors"
    settings = {"trees": 5} if kind == "boosting" else {}
    Predictor(kind, **settings).fit(labelled.architectures[:20], labelled.targets[:20]).save(path)
    damaged(path, name, lambda a: a)
    Predictor.load(path)
    damaged(path, name, change)
    with pytest.raises(CheckpointError):
        Predictor.load(path)


# one kind each


def capture(monkeypatch, module, cls):
    """The models of scikit-learn that a module makes from now on."""
    made = []

    def make(**settings):
        made.append(cls(**settings))
        return made[-1]

    monkeypatch.setattr(module, cls.__name__, make)
    return made


@pytest.mark.parametrize(
    ("kind", "module", "cls"), [("svr", support_vectors, SVR), ("boosting", boosting, GradientBoostingRegressor)]
)
def test_predicts_what_scikit_learn_predicts(kind, module, cls, nets, monkeypatch):
    made = capture(monkeypatch, module, cls)
    targets = np.random.default_rng(3).normal(size=len(nets))
    regressor = regressor_class(kind).make(SETTINGS[kind])
    regressor.fit(PredictorInputs(nets[::2]), targets[::2], np.empty((len(nets[::2]), 0)), 0, lambda share: None)
    features = features_of(nets)
    rows = features[:, np.flatnonzero(np.ptp(features[::2], axis=0))]
    if kind == "svr":
        arrays = regressor.arrays()
        rows = (rows - arrays["center"]) / arrays["scales"]
    expected = made[0].predict(rows.astype(np.float32) if kind == "boosting" else rows)
    np.testing.assert_allclose(regressor.predict(PredictorInputs(nets))[0], expected, rtol=0, atol=1e-9)


def test_residuals_are_those_of_architectures_that_were_left_out(labelled):
    noise = np.random.default_rng(0).normal(size=200)
    predictor = Predictor("boosting", trees=100, depth=4).fit(labelled.architectures[:200], noise)
    mean, std = predictor.predict(labelled.architectures[:200], return_std=True)
    assert (noise - mean).std() < 0.8 * noise.std()  # it has learned the noise by heart,
    assert std[0] > 0.95 * noise.std()  # and says that it knows nothing
