import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy.stats import kendalltau
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.svm import SVR

from tart_nas.architecture import CELL_OPS
from tart_nas.errors import CheckpointError, PredictorError, SettingError
from tart_nas.networks import parameter_count
from tart_nas.predictors import Predictor, boosting, gaussian_process, svr
from tart_nas.predictors.cell_features import (
    ATTRIBUTES,
    BLOCKS,
    CELLS,
    COLUMNS,
    block_scales,
    cell_features,
    feature_chunks,
    operation_counts,
)
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.predictors.ensemble import Ensemble
from tart_nas.predictors.inputs import PredictorInputs
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.tokens import CellTokens

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


@pytest.fixture(scope="module")
def nets():
    """Architectures of all sizes, operations and settings."""
    return [
        net for split in ("search", "bnfree", "dense", "wide", "deep") for net in DeepNets1MSpace(split).sample(30, 2)
    ]


# what is read


def features_of(nets):
    return cell_features(CellTokens.encode(nets), PredictorInputs(nets).sizes)


def paths_by_hand(pairs, concat):
    """Every path from an input to the output, as its operations, and the number of paths from each node on."""
    nodes = {node: pairs[2 * node - 4 : 2 * node - 2] for node in range(2, len(pairs) // 2 + 2)}

    def to(node):
        if node < 2:
            return [()]
        return [(*path, op) for op, source in nodes[node] if op != "none" for path in to(source)]

    def onwards(node):
        feeds = [k for k, edges in nodes.items() for op, source in edges if source == node and op != "none"]
        return (node in concat) + sum(map(onwards, feeds))

    return [path for node in concat for path in to(node)], {node: onwards(node) for node in nodes}


def pairs_by_hand(pairs):
    """(2 + 15, 15): how often each operation follows each input and each other operation."""
    found = np.zeros((17, 15))
    for op, source in pairs:
        feeders = [source] if source < 2 else [2 + CELL_OPS.index(o) for o, _ in pairs[2 * source - 4 : 2 * source - 2]]
        for feeder in feeders:
            found[feeder, CELL_OPS.index(op)] += 1
    return found


def test_features_by_hand(nets):
    nets = [net for net in nets if len(net.genotype.normal) <= 12][:40]
    features = features_of(nets)
    assert features.shape == (40, COLUMNS)
    unweighted = {"none", "skip_connect", "max_pool_3x3", "avg_pool_3x3"}
    for row, net in zip(features, nets, strict=True):
        for cell in CELLS:
            pairs, concat = getattr(net.genotype, cell), getattr(net.genotype, f"{cell}_concat")
            paths, onwards = paths_by_hand(pairs, concat)
            counts, flow = np.zeros((2, 2, 15)), np.zeros((2, 11))
            for k, (op, source) in enumerate(pairs):
                counts[:, int(source >= 2), CELL_OPS.index(op)] += 1, onwards[k // 2 + 2]
            for path in paths:
                flow[0, len(path)] += 1
                flow[1, sum(op not in unweighted for op in path)] += 1
            if net.n_cells == 1 and cell == "reduce":  # it is not part of the network
                counts[:], flow[:] = 0, 0
            assert np.array_equal(row[BLOCKS[f"{cell} counts"]], counts[0].ravel())
            assert np.array_equal(row[BLOCKS[f"{cell} flow"]], counts[1].ravel())
            assert np.array_equal(row[BLOCKS[f"{cell} paths"]], flow.ravel())
            assert row[BLOCKS[f"{cell} edges"]].sum() == counts[0].sum()
            by_source = counts[0] @ np.stack(list(ATTRIBUTES.values()), axis=1)
            expected = np.concatenate([by_source.ravel(), by_source.sum(axis=0)])
            assert np.array_equal(row[BLOCKS[f"{cell} attributes"]], expected)
            pairs_found = row[BLOCKS[f"{cell} pairs"]].reshape(17, 15)
            assert np.array_equal(pairs_found, pairs_by_hand(pairs) * (counts.sum() > 0))
        assert row[BLOCKS["size"]] == np.log2(parameter_count(net))


def test_edges_tell_cells_apart(nets):
    features = features_of(nets)
    assert np.isfinite(features).all()
    assert len(np.unique(features, axis=0)) == len(nets)
    ends = [0, *(block.stop for block in BLOCKS.values())]
    assert [(block.start, block.stop) for block in BLOCKS.values()] == list(pairwise(ends))
    assert ends[-1] == COLUMNS


def test_features_do_not_depend_on_the_batch(nets):
    tokens = CellTokens.encode(nets)
    features = features_of(nets)
    alone = np.concatenate([features_of([net]) for net in nets])
    assert np.array_equal(features, alone)
    assert np.array_equal(features[:, :60], operation_counts(tokens))
    assert np.array_equal(np.concatenate(list(feature_chunks(PredictorInputs(nets * 4)))), np.tile(features, (4, 1)))
    assert [chunk.shape for chunk in feature_chunks(PredictorInputs([]))] == [(0, COLUMNS)]


def test_scaled_blocks_have_variance_one(nets):
    features = features_of(nets)
    scaled = features / block_scales(features)
    for block in BLOCKS.values():
        assert scaled[:, block].var(axis=0).sum() == pytest.approx(1)
    assert np.array_equal(block_scales(features[:1]), np.ones(COLUMNS))


# what all kinds must do


def test_ranks_and_says_how_sure_it_is(baseline, held_out):
    mean, std = baseline.predict(held_out.architectures, return_std=True)
    floor = {"gp": 0.78, "svr": 0.76, "boosting": 0.7, "ensemble": 0.75}[baseline.kind]
    assert kendalltau(mean, held_out.targets).statistic > floor
    assert (std > 0).all()
    within = np.abs(held_out.targets - mean) < 1.645 * std
    assert 0.8 < within.mean() < 0.98  # 90 % of normally distributed errors


def test_save_and_load(baseline, held_out, tmp_path):
    baseline.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert loaded.metadata == baseline.metadata
    assert loaded.identity == baseline.identity
    assert json.loads(json.dumps(loaded.metadata["settings"])) == loaded.metadata["settings"]
    expected = baseline.predict(held_out.architectures, return_std=True)
    for ours, theirs in zip(loaded.predict(held_out.architectures, return_std=True), expected, strict=True):
        assert np.array_equal(ours, theirs)
    assert (tmp_path / "p.safetensors").stat().st_size < 3_000_000


def test_each_prediction_is_its_own(baseline, held_out):
    together = baseline.predict(held_out.architectures, return_std=True)
    alone = np.array([baseline.predict([a], return_std=True) for a in held_out.architectures[:10]])[:, :, 0].T
    many = baseline.predict(held_out.architectures * 6, return_std=True)
    for one, few, all_ in zip(alone, together, many, strict=True):
        np.testing.assert_allclose(one, few[:10], rtol=0, atol=1e-9)
        np.testing.assert_allclose(all_, np.tile(few, 6), rtol=0, atol=1e-9)
    assert [array.shape for array in baseline.predict([], return_std=True)] == [(0,), (0,)]


@pytest.mark.parametrize("kind", SETTINGS)
def test_fit_is_reproducible(kind, labelled, held_out):
    fits = [
        Predictor(kind, **SETTINGS[kind]).fit(labelled.architectures[:60], labelled.targets[:60], seed=5) for _ in "ab"
    ]
    assert fits[0].identity == fits[1].identity
    first, again = (predictor.predict(held_out.architectures) for predictor in fits)
    assert np.array_equal(first, again)


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
        ("svr", {"C": 0}, "`C` must be a finite number above 0, but got 0"),
        ("svr", {"epsilon": -1}, "`epsilon` must be a finite number at least 0, but got -1"),
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


def test_gradient_of_the_marginal_likelihood(labelled):
    features = features_of(labelled.architectures[:30])
    targets = labelled.targets[:30] - labelled.targets[:30].mean()
    base = np.random.default_rng(0).normal(size=(30, 1))
    for rows in (features, np.concatenate([features, base], axis=1)):
        kernel = gaussian_process._Kernel(rows)
        pairs = kernel.pairs()
        here = kernel.prior + np.random.default_rng(1).normal(size=kernel.prior.shape)
        _, gradient = kernel.objective(here, pairs, targets)
        steps = 1e-5 * np.eye(len(here))
        numeric = [
            (kernel.objective(here + h, pairs, targets)[0] - kernel.objective(here - h, pairs, targets)[0]) / 2e-5
            for h in steps
        ]
        np.testing.assert_allclose(gradient, numeric, rtol=1e-4, atol=1e-5)


def test_covariance_of_new_rows_is_that_of_training_rows(labelled):
    features = features_of(labelled.architectures[:30])
    kernel = gaussian_process._Kernel(features)
    parameters = kernel.prior + np.random.default_rng(1).normal(size=kernel.prior.shape)
    expected = np.sum(kernel.parts(parameters, kernel.pairs()), axis=0)
    covariance, variances = kernel.against_training(parameters)(features)
    np.testing.assert_allclose(covariance, expected, atol=1e-9)
    np.testing.assert_allclose(variances, np.diag(expected) + kernel.split(parameters)[2])


def test_process_knows_what_it_has_seen(labelled):
    predictor = Predictor("gp").fit(labelled.architectures[:100], labelled.targets[:100])
    near, far = (
        predictor.predict(labelled.architectures[rows], return_std=True)[1] for rows in (slice(100), slice(100, 200))
    )
    assert near.mean() < far.mean()
    assert far.max() < 1.2 * labelled.targets[:100].std()


def test_process_declines_too_many_labels(labelled, monkeypatch):
    monkeypatch.setattr(gaussian_process, "MAX_POINTS", 10)
    with pytest.raises(PredictorError, match="at most 10 labelled architectures, but got 11"):
        Predictor("gp").fit(labelled.architectures[:11], labelled.targets[:11])


def capture(monkeypatch, module, cls):
    """The models of scikit-learn that a module makes from now on."""
    made = []

    def make(**settings):
        made.append(cls(**settings))
        return made[-1]

    monkeypatch.setattr(module, cls.__name__, make)
    return made


@pytest.mark.parametrize(
    ("kind", "module", "cls"), [("svr", svr, SVR), ("boosting", boosting, GradientBoostingRegressor)]
)
def test_predicts_what_scikit_learn_predicts(kind, module, cls, nets, monkeypatch):
    made = capture(monkeypatch, module, cls)
    targets = np.random.default_rng(3).normal(size=len(nets))
    predictor = Predictor(kind, **SETTINGS[kind]).fit(nets[::2], targets[::2])
    regressor = predictor._models[0]
    features = features_of(nets)
    rows = features[:, np.flatnonzero(features[::2].var(axis=0))]
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
    assert isinstance(predictor._models[0], Ensemble)
    first, second, _ = predictor._models[0]._members
    inputs = PredictorInputs(labelled.architectures[:9])
    assert not np.allclose(first.predict(inputs)[0], second.predict(inputs)[0])
    assert predictor.metadata["token_scheme"] == "cell/1, parameters/1"
    predictor.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert np.array_equal(loaded.predict(inputs.architectures), predictor.predict(inputs.architectures))
