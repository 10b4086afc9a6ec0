import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.errors import CheckpointError, PredictorError
from tart_nas.experiments.deepnets1m_predictor import METHODS as DEEPNETS_METHODS
from tart_nas.experiments.measure_labels import LABELS
from tart_nas.measurements import read_labelled_data
from tart_nas.predictors import Predictor, pretrained
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens import TOKEN_SCHEME


@pytest.fixture(scope="module")
def predictor():
    return Predictor.from_pretrained("darts-cifar10")


def test_each_is_found_by_its_name():
    assert pretrained.names() == ("darts-cifar10", "darts-small", "deepnets1m-cifar10", "deepnets1m-cifar10-graph")
    for name in pretrained.names():
        assert Predictor.load(pretrained.path(name)).identity == Predictor.from_pretrained(name).identity
    with pytest.raises(CheckpointError, match="no pretrained predictor 'nowhere': expected one of darts-cifar10, "):
        pretrained.path("nowhere")


def test_run_folders_know_them_by_these_identities():
    """A run that was begun with one goes on only while its identity stays; one that is made anew has another."""
    assert {name: Predictor.from_pretrained(name).identity for name in pretrained.names()} == {
        "darts-cifar10": "ensemble 8d8290d6cf6e0360",
        "darts-small": "refined 892cc65bf0b0b98f",
        "deepnets1m-cifar10": "ensemble ac4a53f71d9928ad",
        "deepnets1m-cifar10-graph": "tart-graph 3d4af6c16db25cdb",
    }


def test_metadata_says_what_made_it(predictor):
    metadata = predictor.metadata
    assert json.loads(json.dumps(metadata)) == metadata
    assert metadata["kind"] == "ensemble"
    assert metadata["token_scheme"] == TOKEN_SCHEME  # both members read cell tokens
    assert metadata["targets"]["target"]["mean"] == pytest.approx(93.12, abs=0.01)
    assert metadata["targets"]["target"]["scale"] == pytest.approx(0.556, abs=0.001)
    assert metadata["training"]["n"] == metadata["notes"]["data"]["n"] == 718
    assert metadata["training"]["date"].startswith("20")
    assert metadata["notes"]["data"]["data"] == "darts_train.json"
    assert "tart-nas fit" in metadata["notes"]["made_by"]
    assert metadata["scope"]["ranges"]["n_cells"] == [8, 8]


def test_cross_validated_tau_is_above_the_floor(predictor):
    validation = predictor.metadata["notes"]["cross_validation"]
    assert validation["folds"] == len(validation["taus"]) == 5
    assert validation["tau"] == pytest.approx(np.mean(validation["taus"]))
    assert validation["tau"] >= 0.855


def test_the_small_budget_s_knows_its_labels_and_was_judged_beside_its_base(predictor):
    small = Predictor.from_pretrained("darts-small")
    found = small.notes["cross_validation"]
    assert small.notes["updated"] == predictor.identity
    assert found["updated"]["tau"] > found["as it was"]["tau"] + 0.1
    assert small.notes["label_size"] == {"n_cells": 5, "C": 8}
    labels = read_labelled_data(LABELS / "darts/labels.json")
    scores = small.predict(labels.architectures)
    assert scores.mean() == pytest.approx(labels.targets["accuracy"].mean(), abs=0.5)  # per cent of that budget
    assert kendalltau(scores, labels.targets["accuracy"]).statistic > found["updated"]["tau"]


def test_file_is_small():
    assert pretrained.path("darts-cifar10").stat().st_size <= 5_000_000


def test_has_learned_its_training_set(predictor, labelled):
    scores = predictor.predict(labelled.architectures)
    assert kendalltau(scores, labelled.targets).statistic > 0.87


def test_judges_the_darts_space(predictor):
    candidates = DartsSpace().sample(500, seed=3)
    scores, std = predictor.predict(candidates, return_std=True)
    assert len(np.unique(scores)) == 500
    assert 90 < scores.min() < scores.max() < 95.5
    assert (std > 0).all()
    few = predictor.predict(candidates[:7])
    np.testing.assert_allclose(few, scores[:7], rtol=0, atol=1e-5)


def test_open_by_name(predictor):
    assert Predictor.open("darts-cifar10").identity == predictor.identity


@pytest.fixture(scope="module")
def of_deepnets():
    return Predictor.from_pretrained("deepnets1m-cifar10")


def test_deepnets_metadata(of_deepnets):
    metadata = of_deepnets.metadata
    assert json.loads(json.dumps(metadata)) == metadata
    assert [*metadata["targets"]] == ["accuracy", "noisy_accuracy", "inference_speed", "convergence_speed"]
    assert 20 < metadata["targets"]["accuracy"]["mean"] < 40  # per cent, after four short epochs
    assert metadata["trained_at"] == {"C": 8}
    assert TOKEN_SCHEME in metadata["token_scheme"]
    assert metadata["training"]["n"] == metadata["notes"]["data"]["n"] > 100
    assert metadata["training"]["date"].startswith("20")
    files = [part["data"] for part in metadata["notes"]["data"]["of"]]
    assert files == ["deepnets1m-val/labels.json", "deepnets1m-val-more/labels.json"]
    assert metadata["notes"]["data"]["settings"]["train_images"] == 2500
    assert "tart-nas fit" in metadata["notes"]["made_by"]
    validation = metadata["notes"]["cross_validation"]
    for name in metadata["targets"]:
        assert validation[name]["tau"] == pytest.approx(np.mean(validation[name]["taus"]))
    assert validation["accuracy"]["tau"] > 0.65
    assert validation["inference_speed"]["tau"] > 0.84


def test_deepnets_file_is_small():
    assert pretrained.path("deepnets1m-cifar10").stat().st_size <= 10_000_000


@pytest.mark.parametrize("split", ["train", "val", "test", "search", "wide", "bnfree"])
def test_deepnets_of_any_width_are_judged(split, of_deepnets):
    candidates = DeepNets1MSpace(split).sample(200, seed=5)
    for name in of_deepnets.targets:
        scores, std = of_deepnets.predict(candidates, return_std=True, target=name)
        assert np.isfinite(scores).all()
        assert (std > 0).all()
    wider = [replace(architecture, C=8 * (1 + i % 16)) for i, architecture in enumerate(candidates)]
    assert np.array_equal(of_deepnets.predict(wider), of_deepnets.predict(candidates))


def test_deepnets_too_large_are_declined(of_deepnets):
    with pytest.raises(PredictorError, match="is outside what the predictor was trained on"):
        of_deepnets.predict(DeepNets1MSpace("deep").sample(50, seed=0))


def test_deepnets_predictor_has_learned_its_training_set(of_deepnets):
    data = read_labelled_data(LABELS / "deepnets1m-val/labels.json")
    for name, least in {"accuracy": 0.6, "inference_speed": 0.75}.items():
        assert kendalltau(of_deepnets.predict(data.architectures, target=name), data.targets[name]).statistic > least


@pytest.fixture(scope="module")
def of_graphs():
    return Predictor.from_pretrained("deepnets1m-cifar10-graph")


def test_the_graph_predictor_is_three_of_the_table(of_graphs):
    metadata = of_graphs.metadata
    method = {**DEEPNETS_METHODS["TART, graph"], "ensemble": 3, "calibration": 1}
    expected = Predictor(**method).metadata
    assert {name: metadata[name] for name in ("kind", "settings")} == {
        name: expected[name] for name in ("kind", "settings")
    }
    assert metadata["training"]["n"] == 300
    assert metadata["notes"]["data"]["data"] == "deepnets1m-val/labels.json"
    assert pretrained.path("deepnets1m-cifar10-graph").stat().st_size <= 1_000_000


def test_the_graph_predictor_has_learned_inference_speed(of_graphs, of_deepnets):
    data = read_labelled_data(LABELS / "deepnets1m-val/labels.json").take(np.arange(40))
    scores, std = of_graphs.predict(data.architectures, return_std=True, target="inference_speed")
    assert kendalltau(scores, data.targets["inference_speed"]).statistic > 0.85
    assert (std > 0).all()
    unseen = DeepNets1MSpace("search").sample(40, seed=7)
    both = [one.predict(unseen, target="inference_speed") for one in (of_graphs, of_deepnets)]
    assert kendalltau(*both).statistic > 0.5


def test_a_quicker_one_finds_the_best_among_its_own_first(predictor, labelled, tmp_path):
    """Also after an update, which puts the study's labels on top."""
    quicker = predictor.fast_approximation()
    quicker.save(tmp_path / "quicker.safetensors")
    assert (tmp_path / "quicker.safetensors").stat().st_size < pretrained.path("darts-cifar10").stat().st_size / 4
    updated = Predictor.from_pretrained("darts-cifar10").update(labelled.architectures[:40], -labelled.targets[:40])
    for full in (predictor, updated):
        for seed in range(3):
            candidates = DartsSpace().sample(1000, seed)
            scores, rough = full.predict(candidates), full.fast_approximation().predict(candidates)
            assert (rough > rough[scores.argmax()]).sum() < 50
            assert kendalltau(scores, rough).statistic > 0.8
    of_cells = Predictor.from_pretrained("deepnets1m-cifar10").fast_approximation()
    assert [member["kind"] for member in of_cells.metadata["settings"]["members"]] == ["gp"]  # scores ten times as many
    gaussian = Predictor("gp").fit(labelled.architectures[:20], labelled.targets[:20])
    assert gaussian.fast_approximation() is gaussian
    with pytest.raises(PredictorError, match="not fitted yet"):
        Predictor("tart-cell").fast_approximation()
