"""Predictors on a device, and what they read: architectures or their tokens."""

from typing import Any

import numpy as np
import pytest

from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace
from tart_nas.tokens import CellTokens

GRAPH_KINDS: dict[str, dict[str, Any]] = {
    "neural-predictor": {"width": 16, "epochs": 2},
    "pure-transformer": {"width": 16, "layers": 2, "epochs": 2, "dropout": 0.0},
    "tart-graph": {"width": 16, "layers": 2, "epochs": 2, "dropout": 0.0},
}


def test_tokens_are_judged_as_the_architectures_are(fitted):
    architectures = DartsSpace().sample(50, seed=7)
    tokens = CellTokens.encode(architectures)
    expected = fitted.predict(architectures, return_std=True)
    for got, wanted in zip(fitted.predict(tokens, return_std=True), expected, strict=True):
        np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("kind", ["params", "flops"])
def test_counts_judge_tokens_of_any_space(kind):
    architectures = [net for split in ("search", "bnfree") for net in DeepNets1MSpace(split).sample(20, seed=3)]
    tokens = CellTokens.encode(architectures)
    np.testing.assert_array_equal(Predictor(kind).predict(tokens), Predictor(kind).predict(architectures))


def test_tokens_are_read_at_the_size_of_the_labels(labelled):
    predictor = Predictor("ridge").fit(labelled.architectures[:50], labelled.targets[:50], label_size={"C": 8})
    architectures = labelled.architectures[50:60]
    np.testing.assert_array_equal(predictor.predict(CellTokens.encode(architectures)), predictor.predict(architectures))


def test_tokens_outside_the_scope_are_named(labelled):
    predictor = Predictor("ridge").fit(labelled.architectures[:50], labelled.targets[:50])
    tokens = CellTokens.encode([*labelled.architectures[:3], *DartsSpace(C=16).sample(1, seed=0)])
    with pytest.raises(PredictorError, match="Architecture 3 is outside .* C 16"):
        predictor.predict(tokens)


def test_a_device_that_is_not_there(labelled):
    predictor = Predictor("tart-cell")
    for device in ("cuda:77", "nowhere"):
        with pytest.raises(SettingError, match="`device` must be one that this machine has"):
            predictor.to(device)
    assert predictor.to("cpu") is predictor


def test_the_cpu_by_name_changes_nothing(fitted, labelled):
    before = fitted.predict(labelled.architectures[600:650])
    fitted.to("cpu")
    np.testing.assert_array_equal(fitted.predict(labelled.architectures[600:650]), before)


@pytest.mark.gpu
def test_a_gpu_predicts_the_same(fitted, labelled):
    architectures = labelled.architectures[550:]
    expected = fitted.predict(architectures, return_std=True)
    identity = fitted.identity
    fitted.to("cuda")
    try:
        found = fitted.predict(architectures, return_std=True)
        assert fitted.identity == identity
        alone = np.concatenate([fitted.predict([architecture]) for architecture in architectures[:20]])
    finally:
        fitted.to("cpu")
    scale = labelled.targets.std()
    for got, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(got, wanted, atol=1e-5 * scale)
    np.testing.assert_allclose(alone, expected[0][:20], atol=1e-5 * scale)
    np.testing.assert_array_equal(fitted.predict(architectures), expected[0])


@pytest.mark.gpu
@pytest.mark.parametrize("kind", GRAPH_KINDS)
def test_a_gpu_fits_graph_kinds_as_a_cpu_does(kind, labelled):
    few, targets, others = labelled.architectures[:40], labelled.targets[:40], labelled.architectures[600:640]
    settings = GRAPH_KINDS[kind]
    cpu, gpu = (Predictor(kind, **settings).to(device).fit(few, targets, seed=1) for device in ("cpu", "cuda"))
    np.testing.assert_allclose(gpu.predict(others), cpu.predict(others), atol=1e-2 * targets.std())
    saved = gpu.to("cpu").predict(others)
    np.testing.assert_allclose(saved, gpu.to("cuda").predict(others), atol=1e-5 * targets.std())


@pytest.mark.gpu
def test_a_gpu_fits_cell_transformers(labelled):
    settings = {"ensemble": 2, "width": 16, "epochs": 5, "dropout": 0.0, "pretraining": 64}
    few, targets, others = labelled.architectures[:60], labelled.targets[:60], labelled.architectures[600:]
    cpu, gpu = (Predictor("tart-cell", **settings).to(d).fit(few, targets, seed=1) for d in ("cpu", "cuda"))
    np.testing.assert_allclose(gpu.predict(others), cpu.predict(others), atol=1e-2 * targets.std())


@pytest.mark.gpu
def test_updates_on_a_gpu(labelled):
    few, targets = labelled.architectures[:40], labelled.targets[:40]
    others = labelled.architectures[600:640]
    cpu, gpu = (Predictor("gp").to(device).fit(few, targets) for device in ("cpu", "cuda"))
    for predictor in (cpu, gpu):
        predictor.update(labelled.architectures[40:60], labelled.targets[40:60])
    np.testing.assert_allclose(gpu.predict(others), cpu.predict(others), atol=1e-5 * targets.std())
