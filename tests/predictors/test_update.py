import copy

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.architecture import Architecture
from tart_nas.errors import CheckpointError, PredictorError, SettingError
from tart_nas.predictors import KINDS, Predictor
from tart_nas.predictors.checkpoint import read_checkpoint, write_checkpoint
from tart_nas.search_spaces import DeepNets1MSpace


@pytest.fixture
def base(labelled):
    """A predictor of what is not quite the target: fitted to labels in another unit with much noise."""
    noisy = 10 * labelled.targets[:300] + np.random.default_rng(0).normal(scale=5, size=300)
    return Predictor("gp").fit(labelled.architectures[:300], noisy)


def tau(predictor, held_out):
    return kendalltau(predictor.predict(held_out.architectures), held_out.targets).statistic


def test_learns_on_top_of_what_it_knows(base, labelled, held_out):
    few, targets = labelled.architectures[300:340], labelled.targets[300:340] / 100
    before, alone = tau(base, held_out), tau(Predictor("gp").fit(few, targets), held_out)
    assert base.update(few, targets) is base
    assert base.kind == "refined"
    assert tau(base, held_out) > max(before, alone)
    mean, std = base.predict(held_out.architectures, return_std=True)
    assert abs(mean.mean() - held_out.targets.mean() / 100) < 0.002  # in the new labels' unit
    assert 0.75 < (np.abs(held_out.targets / 100 - mean) < 1.645 * std).mean() < 1


def test_updates_add_up(base, labelled, held_out):
    other = copy.copy(base)  # an update replaces what a predictor has learned
    for first in (300, 310, 320):
        base.update(labelled.architectures[first : first + 10], labelled.targets[first : first + 10])
    other.update(labelled.architectures[300:330], labelled.targets[300:330])
    assert base.metadata["training"]["updated"]["n"] == 30
    assert base.metadata["training"]["n"] == 300
    expected = other.predict(held_out.architectures)
    np.testing.assert_allclose(base.predict(held_out.architectures), expected, rtol=0, atol=1e-4)


def test_a_useless_base_is_forgotten(labelled, held_out):
    random = Predictor("ridge").fit(labelled.architectures[:50], np.random.default_rng(0).normal(size=50))
    few, targets = labelled.architectures[300:400], labelled.targets[300:400]
    alone = tau(Predictor("gp").fit(few, targets), held_out)
    assert tau(random.update(few, targets), held_out) > alone - 0.02


def test_networks_of_different_sizes_are_added(held_out):
    nets = [net for split in ("dense", "search", "deep") for net in DeepNets1MSpace(split).sample(6, seed=1)]
    predictor = Predictor("params")
    targets = np.random.default_rng(0).normal(size=18)
    for first in (0, 6, 12):
        predictor.update(nets[first : first + 6], targets[first : first + 6])
    assert np.isfinite(predictor.predict(nets)).all()


def test_a_refused_update_changes_nothing(base, labelled, held_out):
    identity = base.identity
    with pytest.raises(PredictorError, match="At least 4 labelled architectures are needed to fit, but got 2"):
        base.update(labelled.architectures[:2], [1.0, 2.0])
    with pytest.raises(PredictorError, match="target 1 is nan"):
        base.update(labelled.architectures[:5], [1.0, np.nan, 3.0, 4.0, 5.0])
    with pytest.raises(PredictorError, match=r"shape \(5,\), but got \(4,\)"):
        base.update(labelled.architectures[:5], [1.0] * 4)
    with pytest.raises(PredictorError, match="outside what the predictor was trained on"):
        base.update(DeepNets1MSpace("search").sample(5, seed=0), np.arange(5.0))
    assert base.identity == identity
    base.update(labelled.architectures[:5], labelled.targets[:5])
    identity = base.identity
    with pytest.raises(PredictorError, match="target 1 is inf"):
        base.update(labelled.architectures[5:7], [1.0, np.inf])
    with pytest.raises(PredictorError, match="judges none of the population's 5 architectures"):
        base.update(labelled.architectures[5:7], [1.0, 2.0], population=DeepNets1MSpace("search").sample(5, seed=0))
    with pytest.raises(PredictorError, match="judges none of the population's 0 architectures"):
        base.update(labelled.architectures[5:7], [1.0, 2.0], population=[])
    assert base.identity == identity
    base.update(labelled.architectures[5:6], labelled.targets[5:6])  # later ones may be few


def test_refined_is_no_kind_to_fit(labelled):
    assert "refined" not in KINDS
    with pytest.raises(PredictorError, match="comes from `update`"):
        Predictor("refined", base={"kind": "gp"}).fit(labelled.architectures[:9], labelled.targets[:9])
    with pytest.raises(SettingError, match="`base` must be"):
        Predictor("refined", base="gp")
    with pytest.raises(PredictorError, match="not fitted yet"):
        Predictor("gp").update(labelled.architectures[:9], labelled.targets[:9])


def test_an_updated_predictor_of_an_earlier_version_predicts_as_before(data):
    """The predictions of architectures are in the file, by the version that made it."""
    predictor = Predictor.load(data / "predictors" / "refined-of-before.safetensors")
    told = predictor.notes["predictions"]
    architectures = [Architecture.from_dict(entry["architecture"]) for entry in told]
    mean, std = predictor.predict(architectures, return_std=True)
    np.testing.assert_allclose(mean, [entry["mean"] for entry in told], rtol=1e-9)
    np.testing.assert_allclose(std, [entry["std"] for entry in told], rtol=1e-9)
    predictor.update(
        architectures[:3], mean[:3] + np.array([0.1, -0.1, 0.2])
    )  # which makes it one of today, of 15 labels
    assert predictor.metadata["training"]["updated"]["n"] == 15
    assert np.corrcoef(predictor.predict(architectures), mean)[0, 1] > 0.5


def test_damaged_file(base, labelled, tmp_path):
    base.update(labelled.architectures[:9], labelled.targets[:9])
    base.save(tmp_path / "p.safetensors")
    arrays, metadata = read_checkpoint(tmp_path / "p.safetensors")
    for name, array in (
        ("0/labels.base", np.full(9, np.nan)),
        ("0/labels.base", np.zeros(3)),
        ("0/labels.spread", np.full(9, -1.0)),
        ("0/labels.parameters", np.full(3, 50.0)),
        ("0/labels.own_unit", np.zeros(2, dtype=np.bool_)),
        ("0/labels.population.center", np.zeros(3)),
        ("0/labels.population.scales", -arrays["0/labels.population.scales"]),
        ("0/labels.population.spread", np.zeros(1)),
        ("0/other", np.zeros(1)),
    ):
        write_checkpoint(tmp_path / "p.safetensors", arrays | {name: array}, metadata)
        with pytest.raises(CheckpointError, match="other"):
            Predictor.load(tmp_path / "p.safetensors")
