import subprocess
import sys
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.architecture import Architecture
from tart_nas.errors import CheckpointError, PredictorError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.predictors import KINDS, Predictor
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint


def test_ranks_architectures_it_has_not_seen(fitted, held_out):
    scores, std = fitted.predict(held_out.architectures, return_std=True)
    assert scores.shape == std.shape == (118,)
    assert scores.dtype == std.dtype == np.float64
    assert kendalltau(scores, held_out.targets).statistic > 0.6
    assert abs(scores.mean() - held_out.targets.mean()) < 0.2  # percent points: in the targets' unit
    assert (std > 0).all()


def test_predictions_do_not_depend_on_the_number_of_architectures(fitted, held_out):
    together, many = (fitted.predict(held_out.architectures * times) for times in (1, 20))
    np.testing.assert_allclose(many, np.tile(together, 20), rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 3])
def test_predictions_do_not_depend_on_threads(fitted, held_out, threads):
    import torch

    expected = fitted.predict(held_out.architectures * 9)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        assert np.array_equal(fitted.predict(held_out.architectures * 9), expected)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)


def test_the_order_of_a_nodes_operations_has_no_effect(fitted, held_out):
    def swapped(pairs):
        return tuple(pair for k in range(0, len(pairs), 2) for pair in (pairs[k + 1], pairs[k]))

    genotypes = [a.genotype for a in held_out.architectures]
    turned = [replace(g, normal=swapped(g.normal), reduce=swapped(g.reduce)) for g in genotypes]
    others = [replace(a, genotype=g) for a, g in zip(held_out.architectures, turned, strict=True)]
    expected = fitted.predict(held_out.architectures)
    np.testing.assert_allclose(fitted.predict(others), expected, rtol=0, atol=1e-5)


def test_fit_does_not_disturb_other_random_numbers(labelled, small_settings):
    import torch

    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    Predictor("tart-cell", **small_settings | {"epochs": 1}).fit(labelled.architectures[:20], labelled.targets[:20])
    assert torch.equal(torch.rand(3), expected)


def test_learns_from_the_fewest_labels(labelled, small_settings):
    for predictor in (Predictor("ridge"), Predictor("tart-cell", **small_settings)):
        predictor.fit(labelled.architectures[:4], labelled.targets[:4])
        assert np.isfinite(predictor.predict(labelled.architectures[:4])).all()


def test_auxiliary_targets(labelled, held_out, small_settings):
    def fit(auxiliary):
        predictor = Predictor("tart-cell", **small_settings | {"epochs": 3})
        return predictor.fit(labelled.architectures[:80], labelled.targets[:80], auxiliary=auxiliary)

    random = np.random.default_rng(0).normal(size=(80, 3))
    random[::2, 1] = np.nan
    random[:, 2] = np.nan
    with_them, without, monotone = fit(random), fit(None), fit(np.exp(random))
    assert with_them.metadata["training"]["auxiliary"] == 3
    expected = with_them.predict(held_out.architectures)
    assert np.isfinite(expected).all()
    assert not np.allclose(expected, without.predict(held_out.architectures))
    assert np.array_equal(expected, monotone.predict(held_out.architectures))  # only their ranks count


@pytest.mark.parametrize(
    ("auxiliary", "said"),
    [
        (np.zeros(5), r"\(5, K\), but got \(5,\)"),
        (np.zeros((4, 2)), r"\(5, K\), but got \(4, 2\)"),
        ([["a"]] * 5, "numbers"),
    ],
)
def test_bad_auxiliary_targets(labelled, auxiliary, said):
    with pytest.raises(PredictorError, match=said):
        Predictor("ridge").fit(labelled.architectures[:5], labelled.targets[:5], auxiliary=auxiliary)


def test_learns_from_nets_of_all_sizes(generator_nets, small_settings):
    described = [net for split, nets in generator_nets.items() if split != "search" for net in nets]
    nets = [Architecture.from_dict(net) for net in described]
    targets = np.log([net["num_params"]["cifar10"] for net in described])
    held_out = range(0, len(nets), 3)
    rest = [i for i in range(len(nets)) if i not in held_out]
    predictor = Predictor("tart-cell", **small_settings | {"ensemble": 1, "epochs": 30})
    predictor.fit([nets[i] for i in rest], targets[rest])
    low, high = predictor.metadata["scope"]["ranges"]["n_cells"]
    known = [i for i in held_out if _known(predictor, nets[i])]
    assert (low, high) == (4, max(nets[i].n_cells for i in rest))
    assert len(known) > 50
    scores = predictor.predict([nets[i] for i in known])
    assert kendalltau(scores, targets[known]).statistic > 0.4
    alone = predictor.predict([nets[known[0]]])  # in the batch above it was padded
    np.testing.assert_allclose(alone, scores[:1], rtol=0, atol=1e-5)


def _known(predictor, net):
    try:
        predictor.predict([net])
    except PredictorError:
        return False
    return True


def test_notes_are_saved(labelled, tmp_path):
    predictor = Predictor("ridge").fit(labelled.architectures[:50], labelled.targets[:50])
    predictor.notes["tau"] = 0.5
    predictor.save(tmp_path / "p.safetensors")
    loaded = Predictor.load(tmp_path / "p.safetensors")
    assert loaded.notes == {"tau": 0.5}
    assert loaded.metadata["notes"] == {"tau": 0.5}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"n_cells": 20}, r"n_cells 20 \(seen: 8\)"),
        ({"C": 16}, r"C 16 \(seen: 32\)"),
        ({"norm": None}, r"norm 0 \(seen: 1\)"),
        ({"op": "conv_7x7"}, r"operation conv_7x7 \(seen: max_pool_3x3, "),
        ({"op": "none"}, r"operation none"),
        ({"nodes": 3}, r"normal nodes 3 \(seen: 4\)"),
        ({"concat": (2, 3, 4)}, r"normal nodes not concatenated 1 \(seen: 0\)"),
        ({"op": "cse", "C": 8}, r"operation cse .*; C 8"),
    ],
)
def test_outside_its_scope(fitted, held_out, change, said):
    known = held_out.architectures[0]
    normal = known.genotype.normal
    if "op" in change:
        normal = (*normal[:-1], (change["op"], 0))
    normal = normal[: 2 * change.get("nodes", 4)]
    concat = change.get("concat", tuple(range(2, len(normal) // 2 + 2)))
    genotype = Genotype(normal, concat, known.genotype.reduce, known.genotype.reduce_concat)
    settings = {name: value for name, value in change.items() if name not in ("op", "nodes", "concat")}
    unknown = replace(known, genotype=genotype, **settings)
    with pytest.raises(PredictorError, match=rf"Architecture 3 is outside .*{said}") as caught:
        fitted.predict([known] * 3 + [unknown, known])
    assert "\n" not in str(caught.value)


def test_outside_its_scope_behind_the_first_pass(fitted, held_out):
    """Predictions are made 8,192 at a time; the place that is told is that among all."""
    known = held_out.architectures[0]
    with pytest.raises(PredictorError, match=r"Architecture 8200 is outside .*C 16"):
        fitted.predict([known] * 8200 + [replace(known, C=16), known])


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        ([1.0, 2.0, 3.0, 4.0], r"shape \(5,\), but got \(4,\)"),
        ([[1.0]] * 5, r"shape \(5,\), but got \(5, 1\)"),
        ([1.0, 2.0, float("nan"), 4.0, 5.0], "target 2 is nan"),
        ([1.0, 2.0, 3.0, 4.0, float("inf")], "target 4 is inf"),
        ([0.1] * 5, "all 5 are 0.1"),
        ([1e200, 2e200, 3e200, 4e200, 5e200], r"numbers up to 5e\+200: give them in another unit"),
        ([1e-200, 2e-200, 3e-200, 4e-200, 5e-200], "numbers up to 5e-200: give them in another unit"),
        (["a"] * 5, "must be numbers"),
    ],
)
def test_bad_targets(labelled, targets, said):
    with pytest.raises(PredictorError, match=said):
        Predictor("ridge").fit(labelled.architectures[:5], targets)


@pytest.mark.parametrize("kind", ["svr", "boosting"])
def test_labels_of_one_network(kind, labelled):
    with pytest.raises(PredictorError, match="must differ to be learned from, but all 5 are the same network"):
        Predictor(kind).fit(labelled.architectures[:1] * 5, labelled.targets[:5])


def test_too_few_labels(labelled):
    with pytest.raises(PredictorError, match="At least 4 labelled architectures are needed to fit, but got 3"):
        Predictor("ridge").fit(labelled.architectures[:3], labelled.targets[:3])


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        ("oracle", {}, "`kind` must be one of .*, but got 'oracle'"),
        (["ridge"], {}, r"`kind` must be one of .*, but got \['ridge'\]"),
        ("ridge", {"width": 3}, "The kind `ridge` has no setting 'width': expected one of strength"),
        ("ridge", {"strength": 0}, "`strength` must be a number above 0, but got 0"),
        ("ridge", {"strength": "1"}, "`strength` must be a number above 0, but got '1'"),
        ("gp", {"bad": 1}, "The kind `gp` has no setting 'bad': expected one of without"),
        ("params", {"bad": 1}, "The kind `params` has no setting 'bad': it has none"),
        ("ensemble", {"members": [{"kind": "gp", "bad": 1}]}, "The kind `gp` has no setting 'bad'"),
        ("refined", {}, "The kind `refined` needs the setting 'base'"),
        ("tart-cell", {"wdith": 3}, "The kind `tart-cell` has no setting 'wdith': expected one of ensemble"),
        ("tart-cell", {"ensemble": 0}, "`ensemble` must be a whole number of at least 1, but got 0"),
        ("tart-cell", {"width": 30, "heads": 4}, "`width` must be a multiple of `heads`, but got 30 and 4"),
        ("tart-cell", {"dropout": 1.0}, r"`dropout` must be a number in \[0, 1\), but got 1.0"),
        ("tart-cell", {"learning_rate": float("nan")}, "`learning_rate`"),
        ("tart-cell", {"batch": True}, "`batch`"),
        ("tart-cell", {"calibration": 6}, "`calibration` must be a whole number in .0, 5., but got 6"),
    ],
)
def test_bad_settings(kind, settings, said):
    with pytest.raises(SettingError, match=said):
        Predictor(kind, **settings)


@pytest.mark.parametrize("kind", KINDS)
def test_settings_of_wrong_types(kind):
    for name in Predictor(kind).metadata["settings"]:
        for value in (
            None,
            "x",
            -1,
            [],
            {},
            float("nan"),
            [1],
            {"kind": 1},
            [{"kind": ["gp"]}],
            [{"kind": "gp", 3: 1}],
        ):
            with suppress(SettingError):  # and nothing else; some are legal
                Predictor(kind, **{name: value})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"seed": "x"}, r"`seed` must be a whole number in \[0, 4294967295\], but got 'x'"),
        ({"seed": -1}, r"`seed` must be a whole number in \[0, 4294967295\], but got -1"),
        ({"seed": 2**32}, r"`seed` must be a whole number in \[0, 4294967295\], but got 4294967296"),
        ({"seed": True}, "`seed` must be a whole number"),
        ({"init": "gp"}, "`init` must be a fitted Predictor, but got 'gp'"),
        ({"label_size": 8}, "told by n_cells and C, not by 8"),
        ({"extend_scope": "search"}, "must be a list of Architecture objects .*, but got 'search'"),
        ({"targets": None}, r"shape \(9,\), but got \(\)"),
        ({"targets": {1: range(9)}}, "The name of a target must be a text, but got 1"),
        ({"targets": {"a": "bcdefghij"}}, "Targets of 'a' must be numbers"),
        ({"auxiliary": "x"}, "Auxiliary targets must be numbers"),
        ({"auxiliary": {"a": [1, 2]}}, r"Auxiliary targets must have one row per architecture, \(9, K\)"),
    ],
)
def test_wrong_arguments_of_a_fit(arguments, said, labelled):
    given = {"targets": labelled.targets[:9], **arguments}
    with pytest.raises((PredictorError, SettingError), match=said):
        Predictor("ridge").fit(labelled.architectures[:9], **given)


def test_a_representation_says_what_it_is(labelled, small_settings):
    assert repr(Predictor("gp")) == "<Predictor gp, not fitted>"
    assert repr(Predictor("params")) == "<Predictor params, which needs no labels>"
    bundled = Predictor.from_pretrained("darts-cifar10")
    assert repr(bundled) == "<Predictor ensemble, fitted to 718 labels, cross-validated Kendall tau 0.862>"
    of_four = repr(Predictor.from_pretrained("deepnets1m-cifar10"))
    assert of_four == (
        "<Predictor ensemble of accuracy, noisy_accuracy, inference_speed, convergence_speed, fitted to 600 labels of "
        "networks with C 8, cross-validated Kendall tau 0.663, 0.656, 0.850, 0.099>"
    )
    small = Predictor("ridge").fit(*labelled)
    fitted = small.update(labelled.architectures[:9], labelled.targets[:9])
    assert repr(fitted) == "<Predictor refined, fitted to 718 labels, updated with 9>"
    fitted = Predictor("ridge").fit(labelled.architectures[:9], {"latency": labelled.targets[:9]})
    assert repr(fitted) == "<Predictor ridge of latency, fitted to 9 labels>"
    again = Predictor.from_pretrained("deepnets1m-cifar10").fit(labelled.architectures[:9], labelled.targets[:9])
    assert "tau" not in repr(again)  # which was that of another fit


def test_a_kind_is_imported_only_when_asked_for():
    code = "import sys, tart_nas.predictors; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def saved(labelled, tmp_path):
    path = tmp_path / "saved.safetensors"
    Predictor("ridge").fit(labelled.architectures[:50], labelled.targets[:50]).save(path)
    return path


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("token_scheme", "cell/2", "made for the tokens 'cell/2'; this TART-NAS makes 'cell/1'"),
        ("kind", "oracle", "oracle"),
        ("kind", ["ridge"], "not a predictor"),
        ("settings", {"strength": 1.0, "width": 3}, "width"),
        ("settings", None, "not a predictor"),
        ("scope", None, "not a predictor"),
        ("scope", {"ops": ["magic"], "ranges": {}}, "unknown operation"),
        ("targets", {"target": {"mean": 1.0}}, "scale"),
        ("targets", {"target": {"mean": 1.0, "scale": "nan"}}, "not finite"),
        ("targets", {}, "not finite"),
        ("targets", {"mean": 1.0, "scale": 1.0}, "not a predictor"),
        ("training", 3, "not a predictor"),
    ],
)
def test_foreign_metadata(saved, labelled, key, value, said):
    arrays, metadata = read_checkpoint(saved)
    write_checkpoint(saved, arrays, metadata | {key: value})
    with pytest.raises(CheckpointError, match=said) as caught:
        Predictor.load(saved)
    assert "\n" not in str(caught.value)


def test_open(saved, fitted):
    assert Predictor.open(saved).kind == "ridge"
    with pytest.raises(CheckpointError, match="There is no predictor at nowhere"):
        Predictor.open("nowhere")
    with pytest.raises(CheckpointError, match="pretrained predictor 'nowhere': .* darts-cifar10, darts-small, "):
        Predictor.from_pretrained("nowhere")
