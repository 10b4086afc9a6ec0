"""What every kind of predictor does alike: a new kind is held to it by its name in `KINDS`."""

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import nn

from tart_nas.choices import GRAPH_KINDS
from tart_nas.errors import CheckpointError, PredictorError
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors import KINDS, Predictor
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.tokens import CellTokens
from tests.labels import Labelled

_SMALL: dict[str, Any] = {"width": 16, "epochs": 1}
NETWORKS = {
    "neural-predictor": _SMALL,
    "pure-transformer": _SMALL | {"layers": 1},
    "tart-cell": _SMALL | {"ensemble": 2},
    "tart-graph": _SMALL | {"layers": 1, "ensemble": 2},
}
QUICK: dict[str, dict[str, Any]] = NETWORKS | {
    "boosting": {"trees": 20},
    "ghn-accuracy": {"images": 16},
    "ensemble": {"members": [{"kind": "ridge"}, {"kind": "params"}]},
}
"""Settings under which each kind is fitted in seconds."""

N = 24


def _fit(kind, labels, *, seed=3, **options):
    architectures, targets = labels
    return Predictor(kind, **QUICK.get(kind, {})).fit(architectures, targets, seed=seed, **options)


@pytest.fixture(scope="module")
def labelled(labelled):
    """The labels, as of small networks, whose graphs and predicted weights cost a tenth."""
    small = [replace(architecture, n_cells=3, C=8) for architecture in labelled.architectures]
    return Labelled(small, labelled.targets)


@pytest.fixture(scope="module")
def labels(labelled):
    """Architectures with two targets, the second of which is known of two thirds."""
    architectures, accuracy = labelled.architectures[:N], labelled.targets[:N]
    size = np.log(Predictor("params").predict(architectures))
    size[::3] = np.nan
    return architectures, {"accuracy": accuracy, "size": size}


@pytest.fixture(scope="module")
def asked(labelled):
    return labelled.architectures[600:610]


@pytest.fixture(scope="module", params=KINDS)
def fitted(request, labels):
    """A fitted predictor of each kind, which tests must not change."""
    return _fit(request.param, labels)


def _same(ours, theirs):
    return all(np.array_equal(one, other, equal_nan=True) for one, other in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_before_a_fit(kind, asked, tmp_path):
    predictor = Predictor(kind)
    if predictor.is_fitted:  # it needs no labels
        assert predictor.targets == ("target",)
        assert np.isfinite(predictor.predict(asked)).all()
        return
    assert predictor.targets == ()
    assert predictor.metadata["targets"] is predictor.metadata["scope"] is None
    for call in (
        lambda: predictor.predict(asked),
        lambda: predictor.judges(asked),
        lambda: predictor.update(asked, range(len(asked))),
        lambda: predictor.fast_approximation(),
        lambda: predictor.save(tmp_path / "p.safetensors"),
        lambda: predictor.identity,
        lambda: Predictor("tart-cell").fit(asked, range(len(asked)), init=predictor),
    ):
        with pytest.raises(PredictorError, match=r"not fitted yet|must be a fitted Predictor"):
            call()
    assert not list(tmp_path.iterdir())


def test_each_target_is_predicted_in_its_own_unit(fitted, labels, asked):
    _, targets = labels
    assert fitted.is_fitted
    assert fitted.targets == ("accuracy", "size")
    for name, values in targets.items():
        mean, std = fitted.predict(asked, return_std=True, target=name)
        assert mean.shape == std.shape == (len(asked),)
        assert mean.dtype == std.dtype == np.float64
        assert abs(mean.mean() - np.nanmean(values)) < 3 * np.nanstd(values)
        assert ((std > 0) | np.isnan(std)).all()
    assert np.array_equal(fitted.predict(asked), fitted.predict(asked, target="accuracy"))
    with pytest.raises(PredictorError, match="`target` must be one of accuracy, size, but got 'latency'"):
        fitted.predict(asked, target="latency")


def test_a_prediction_is_the_same_in_any_batch(fitted, asked):
    together = np.stack(fitted.predict(asked, return_std=True))
    assert _same(fitted.predict(asked, return_std=True), together)
    one_by_one = np.concatenate([np.stack(fitted.predict([one], return_std=True)) for one in asked], axis=1)
    backwards = np.stack(fitted.predict(asked[::-1], return_std=True))[:, ::-1]
    for other in (one_by_one, backwards, np.stack(fitted.predict(CellTokens.encode(asked), return_std=True))):
        np.testing.assert_allclose(other, together, rtol=0, atol=1e-5)
    assert [array.shape for array in fitted.predict([], return_std=True)] == [(0,), (0,)]


def test_the_same_seed_fits_the_same_predictor(fitted, labels, asked):
    again = _fit(fitted.kind, labels)
    assert again.identity == fitted.identity
    assert _same(again.predict(asked, return_std=True), fitted.predict(asked, return_std=True))
    if fitted.kind in NETWORKS:
        other = _fit(fitted.kind, labels, seed=4)
        assert other.identity != fitted.identity
        assert not np.allclose(other.predict(asked), fitted.predict(asked))


def test_what_is_outside_the_scope_is_not_judged(fitted, asked):
    batch = [asked[0], replace(asked[1], n_cells=40), asked[2]]
    if not fitted.judges([batch[1]])[0]:
        assert fitted.judges(batch).tolist() == [True, False, True]
        with pytest.raises(PredictorError, match="Architecture 1 is outside .*: n_cells 40"):
            fitted.predict(batch)
    mean, std = fitted.predict(batch, return_std=True, outside="nan")
    assert np.array_equal(np.isfinite(mean), fitted.judges(batch))
    assert np.isnan(std[~fitted.judges(batch)]).all()
    np.testing.assert_allclose(mean[[0, 2]], fitted.predict([asked[0], asked[2]]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("size", [{}, {"C": 6}], ids=["own size", "label size"])
def test_networks_of_other_forms(fitted, labels, asked, size):
    """What was fitted to architectures judges no graphs and no modules; what needs no labels judges what it reads."""
    predictor = _fit(fitted.kind, labels, label_size=size) if size else fitted
    graph = ComputationalGraph.from_architecture(asked[1])
    unlabelled = not predictor.metadata["scope"] and predictor.kind in GRAPH_KINDS and not size
    batch = [asked[0], graph, nn.Conv2d(3, 10, 32), asked[2]]
    expected = [True, unlabelled, unlabelled, True]
    assert predictor.judges(batch).tolist() == expected
    assert predictor.judges(batch[1:3]).tolist() == expected[1:3]
    mean, std = predictor.predict(batch, return_std=True, outside="nan")
    assert np.isfinite(mean).tolist() == expected
    assert np.isnan(std[~np.array(expected)]).all()
    np.testing.assert_allclose(mean[[0, 3]], predictor.predict([asked[0], asked[2]]), rtol=0, atol=1e-5)
    if not unlabelled:
        with pytest.raises(
            PredictorError, match=r"Network 1 is outside .*: a ComputationalGraph, which is no architec"
        ):
            predictor.predict(batch)
        with pytest.raises(PredictorError, match=r"Network 1 is outside"):
            copy.copy(predictor).update(batch, [1.0, 2.0, 3.0, 4.0], population=asked)
    with pytest.raises(PredictorError, match=r"is outside|needs architectures"):
        predictor.explain(graph)


def test_a_file_holds_all_of_it(fitted, asked, tmp_path):
    path = tmp_path / "predictor.safetensors"
    path.write_text("an older file")
    fitted.save(path)
    loaded = Predictor.load(path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert loaded.is_fitted
    assert loaded.metadata == fitted.metadata
    assert loaded.identity == fitted.identity
    for target in fitted.targets:
        ours, theirs = (p.predict(asked, return_std=True, target=target) for p in (loaded, fitted))
        assert _same(ours, theirs)
    arrays, metadata = read_checkpoint(path)
    name = sorted(arrays)[0]
    for changed in (
        {k: v for k, v in arrays.items() if k != name},
        arrays | {"more": np.zeros(3)},
        arrays | {name: np.zeros((7, 7))},
    ):
        write_checkpoint(path, changed, metadata)
        with pytest.raises(CheckpointError, match=r"other (arrays|shapes)"):
            Predictor.load(path)


def test_a_fit_that_fails_changes_nothing(fitted, labels, asked):
    """One that is stopped half way, after its first target or epoch, and such as are refused."""
    predictor = copy.copy(fitted)
    predictor.notes = {"tau": 0.5}
    expected, metadata = fitted.predict(asked, return_std=True), predictor.metadata
    architectures, targets = labels

    def stop(share):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predictor.fit(architectures[::-1], targets, progress=stop)
    with pytest.raises(PredictorError, match="At least 4 labelled architectures of 'size'"):
        predictor.fit(architectures[:5], {name: values[:5] for name, values in targets.items()})
    with pytest.raises(PredictorError, match="must be a list of Architecture objects"):
        predictor.fit(architectures, targets, label_size={"C": 8}, extend_scope=["search"])
    assert predictor.is_fitted
    assert predictor.metadata == metadata
    assert predictor.identity == fitted.identity
    assert _same(predictor.predict(asked, return_std=True), expected)


def test_an_update_adds_labels_and_leaves_copies_alone(fitted, labelled, asked, tmp_path):
    identity = fitted.identity
    networks, values = labelled.architectures[100:108], labelled.targets[100:108]
    # By default 500 random networks, for which hypernetworks take minutes.
    population = labelled.architectures[200:220] if fitted.kind.startswith("ghn-") else None
    updated = copy.copy(fitted).update(networks[:5], values[:5], population=population)
    assert updated.kind == "refined"
    assert len(updated.targets) == 1
    expected = updated.predict(asked, return_std=True)
    assert np.isfinite(expected).all()
    assert not np.allclose(expected[0], fitted.predict(asked))
    assert fitted.identity == identity
    updated.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert loaded.identity == updated.identity
    for ours, theirs in zip(loaded.predict(asked, return_std=True), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-9)
    assert loaded.update(networks[5:], values[5:]).metadata["training"]["updated"]["n"] == 8


def test_progress_sums_to_one(labels):
    for kind in ("gp", "tart-cell", "ensemble"):
        shares: list[float] = []
        _fit(kind, labels, progress=shares.append)
        assert len(shares) >= 1
        assert sum(shares) == pytest.approx(1)
