import json

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.errors import PredictorError, SettingError
from tart_nas.predictors import (
    LabelledData,
    Predictor,
    cross_validate,
    cross_validate_targets,
    fit_and_validate,
    read_auxiliary,
    read_labelled,
    update_and_validate,
)
from tart_nas.search_spaces import DeepNets1MSpace


def ridge():
    return Predictor("ridge")


@pytest.mark.parametrize("kind", ["svr", "boosting", "ensemble"])
def test_the_largest_seed(kind, labelled):
    """Folds and members of an ensemble add to it, and scikit-learn takes no larger one."""
    settings = {"members": [{"kind": "ridge"}, {"kind": "svr"}]} if kind == "ensemble" else {}
    few = slice(0, 20)
    found = cross_validate(
        lambda: Predictor(kind, **settings), labelled.architectures[few], labelled.targets[few], folds=2, seed=2**32 - 1
    )
    assert np.isfinite(found.predictions).all()


def test_each_architecture_is_predicted_by_one_that_has_not_seen_it(labelled, monkeypatch):
    seen_by = []
    fit, predict = Predictor.fit, Predictor.predict

    def recording_fit(self, architectures, targets, **options):
        self.seen = set(map(id, architectures))
        return fit(self, architectures, targets, **options)

    def recording_predict(self, architectures, **options):
        seen_by.append((self.seen, set(map(id, architectures))))
        return predict(self, architectures, **options)

    monkeypatch.setattr(Predictor, "fit", recording_fit)
    monkeypatch.setattr(Predictor, "predict", recording_predict)
    cross_validate(ridge, labelled.architectures, labelled.targets)
    everything = set(map(id, labelled.architectures))
    assert len(seen_by) == 5
    assert all(not seen & asked and seen | asked == everything for seen, asked in seen_by)
    assert set.union(*(asked for _, asked in seen_by)) == everything


def test_ridge_on_darts(labelled):
    reported = []
    result = cross_validate(
        ridge, labelled.architectures, labelled.targets, report=lambda fold, tau: reported.append((fold, tau))
    )
    assert 0.74 < result.tau < 0.78  # about 0.76 in the literature of this benchmark
    assert reported == list(enumerate(result.taus))
    assert result.spread == pytest.approx(np.std(result.taus))
    assert kendalltau(result.predictions, labelled.targets).statistic == pytest.approx(result.tau, abs=0.02)
    assert result.to_dict() == {"folds": 5, "seed": 0, "tau": result.tau, "taus": list(result.taus)}


def test_seed_draws_the_folds(labelled):
    first, again, other = (
        cross_validate(ridge, labelled.architectures, labelled.targets, seed=seed) for seed in (0, 0, 1)
    )
    assert first.taus == again.taus != other.taus


def test_tells_nothing_from_noise(labelled):
    targets = np.random.default_rng(0).permutation(labelled.targets)
    assert abs(cross_validate(ridge, labelled.architectures, targets).tau) < 0.1


@pytest.mark.parametrize(
    ("n", "folds", "said"),
    [
        (20, 1, "`folds` must be at least 2, but got 1"),
        (9, 5, "9 labels are too few for 5 folds"),
        (6, 2, "6 labels are too few for 2 folds"),
        (3, 5, "At least 4 labelled"),
    ],
)
def test_too_few_labels(labelled, n, folds, said):
    with pytest.raises(PredictorError, match=said):
        cross_validate(ridge, labelled.architectures[:n], labelled.targets[:n], folds=folds)


@pytest.mark.parametrize(("name", "value"), [("folds", 2.5), ("folds", "5"), ("seed", -1), ("seed", "x")])
def test_what_is_no_whole_number(name, value, labelled):
    data = LabelledData(labelled.architectures[:20], {"target": labelled.targets[:20]})
    for validate in (
        lambda **given: cross_validate_targets(ridge, data, **given),
        lambda **given: update_and_validate(Predictor("params"), data, **given),
    ):
        with pytest.raises(SettingError, match=f"`{name}` must be a whole number"):
            validate(**{"folds": 2, name: value})


def test_fit_and_validate(labelled, darts_file, tmp_path):
    entries = json.loads(darts_file.read_text())[:60]
    (tmp_path / "some.json").write_text(json.dumps(entries))
    predictor, validations = fit_and_validate(tmp_path / "some.json", ridge, folds=3, seed=2)
    (validation,) = validations.values()
    architectures, targets, _ = read_labelled(tmp_path / "some.json")
    expected = Predictor("ridge").fit(architectures, targets)
    assert np.array_equal(predictor.predict(labelled.architectures), expected.predict(labelled.architectures))
    names, _ = read_auxiliary(darts_file)
    assert predictor.notes["data"] == {"data": "some.json", "n": 60, "target": "val_accuracy", "auxiliary": names}
    assert predictor.notes["cross_validation"] == validation.to_dict()
    assert len(validation.taus) == 3
    alone, none = fit_and_validate(tmp_path / "some.json", ridge, folds=0, seed=2)
    assert none == {}
    assert "cross_validation" not in alone.notes
    assert alone.notes["made_by"] == "tart-nas fit: a fit to all labels"
    assert np.array_equal(alone.predict(labelled.architectures), predictor.predict(labelled.architectures))


def test_folds_without_a_tau_are_left_out(labelled, tmp_path):
    """Where all labels of a fold are equal, no tau is defined; NaN is no JSON, and nothing was written."""
    architectures = labelled[0][:30]
    values = np.where(np.arange(30) < 6, np.arange(30.0), 90.0)
    predictor, validations = fit_and_validate(LabelledData(architectures, {"target": values}), ridge, folds=10)
    (validation,) = validations.values()
    undefined = np.isnan(validation.taus)
    assert 0 < undefined.sum() < 10
    assert validation.tau == pytest.approx(np.nanmean(validation.taus))
    path = tmp_path / "predictor.safetensors"
    predictor.save(path)
    stored = Predictor.load(path).metadata["notes"]["cross_validation"]
    assert [tau is None for tau in stored["taus"]] == undefined.tolist()
    assert stored["tau"] == validation.tau


def test_labels_of_one_network_are_in_one_fold(labelled):
    """A network that was trained with two seeds is there twice: in two folds, its first label tells the second one."""
    targets = np.random.default_rng(0).normal(size=40)
    twice, both = [*labelled.architectures[:40]] * 2, np.concatenate([targets, targets])
    found = cross_validate(ridge, twice, both, folds=4)
    np.testing.assert_array_equal(found.predictions[:40], found.predictions[40:])
    with pytest.raises(PredictorError, match="16 labels of 8 networks are too few for 5 folds"):
        cross_validate(ridge, twice[:8] * 2, both[:16], folds=5)


def test_several_targets_of_architectures_of_all_sizes():
    architectures = DeepNets1MSpace("val").sample(50, 1)  # whose ranges no four fifths of them have
    cells = np.array([-float(a.n_cells) for a in architectures])
    nodes = np.array([float(len(a.genotype.normal)) for a in architectures])
    nodes[::4] = np.nan
    data = LabelledData(architectures, {"cells": cells, "nodes": nodes}, {"data": "made up"}, label_size={"C": 8})
    reported = []
    found = cross_validate_targets(
        lambda: Predictor("gp"), data, folds=5, seed=3, report=lambda *args: reported.append(args)
    )
    assert [*found] == ["cells", "nodes"]
    assert reported == [(fold, {name: v.taus[fold] for name, v in found.items()}) for fold in range(5)]
    assert found["cells"].tau > 0.8
    known = np.isfinite(nodes)
    assert kendalltau(found["nodes"].predictions[known], nodes[known]).statistic > 0.5
    shares: list[float] = []
    predictor, validations = fit_and_validate(
        data, lambda: Predictor("gp"), folds=5, seed=3, progress=shares.append, extend_scope=architectures
    )
    assert len(shares) == 6 * 2  # fits, two targets each
    assert sum(shares) == pytest.approx(1)
    assert {name: v.taus for name, v in validations.items()} == {name: v.taus for name, v in found.items()}
    assert predictor.targets == ("cells", "nodes")
    assert predictor.notes["data"] == {"data": "made up"}
    assert predictor.notes["cross_validation"] == {name: v.to_dict() for name, v in found.items()}
    assert predictor.metadata["trained_at"] == {"C": 8}
