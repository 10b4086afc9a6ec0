"""Labels of one's own beside a fitted predictor: cross-validated updates, and several files of labels as one."""

import numpy as np
import pytest

from tart_nas.errors import PredictorError
from tart_nas.predictors import LabelledData, Predictor, update_and_validate
from tart_nas.predictors.targets import ONLY


@pytest.fixture(scope="module")
def base(labelled):
    return Predictor("gp").fit(labelled.architectures[:60], labelled.targets[:60])


@pytest.fixture(scope="module")
def mine(labelled):
    """In another unit, one of them unknown."""
    values = 0.1 * labelled.targets[60:121] + 40
    values[7] = np.nan
    return LabelledData(labelled.architectures[60:121], {"mine": values}, {"data": "mine.json"})


def test_an_update_is_judged_beside_the_predictor_as_it_was(base, mine, labelled):
    before, notes = base.identity, dict(base.notes)
    told = []
    updated, found = update_and_validate(base, mine, folds=3, report=lambda fold, taus: told.append((fold, taus)))
    assert (base.identity, base.notes) == (before, notes)
    assert [fold for fold, _ in told] == [0, 1, 2]
    assert [taus["updated"] for _, taus in told] == list(found["updated"].taus)
    known = [i for i in range(61) if i != 7]
    np.testing.assert_array_equal(found["as it was"].predictions, base.predict([mine.architectures[i] for i in known]))
    # What more labels of the same kind do: 0.05 to 0.08 in five draws of these.
    assert found["updated"].tau > found["as it was"].tau
    rest = labelled.architectures[121:300]
    again = Predictor("gp").fit(labelled.architectures[:60], labelled.targets[:60])
    again.update([mine.architectures[i] for i in known], mine.targets["mine"][known])
    np.testing.assert_allclose(updated.predict(rest), again.predict(rest))
    assert updated.predict(rest).mean() == pytest.approx(0.1 * np.mean(labelled.targets[121:300]) + 40, abs=0.05)
    assert updated.notes["updated"] == before
    assert updated.notes["data"] == {"data": "mine.json", "target": "mine"}
    assert updated.notes["cross_validation"]["as it was"] == found["as it was"].to_dict()
    assert updated.notes["before"] == notes


def test_a_fold_is_predicted_without_its_labels(base, labelled):
    """Labels that are noise: what has seen them would rank them."""
    noise = np.random.default_rng(0).normal(size=60)
    of_noise = LabelledData(labelled.architectures[60:120], {"noise": noise})
    _, found = update_and_validate(base, of_noise, folds=4)
    assert abs(found["updated"].tau) < 0.35


def test_labels_that_it_has_learned_judge_nothing(base, labelled):
    """A second update with a file that has grown: a fold would be ranked by labels that the first one learned."""
    noise = np.random.default_rng(0).normal(size=60)
    of_noise = LabelledData(labelled.architectures[60:120], {"noise": noise})
    once, _ = update_and_validate(base, of_noise.take(np.arange(20)), folds=4)
    with pytest.raises(PredictorError, match="has learned labels of 20 of the 60 networks.*`folds` 0"):
        update_and_validate(once, of_noise, folds=4)
    fitted = LabelledData(labelled.architectures[:60], {"accuracy": labelled.targets[:60]})
    with pytest.raises(PredictorError, match="labels of 60 of the 60 networks"):
        update_and_validate(base, fitted, folds=4)
    of_another_training = LabelledData(labelled.architectures[:60], {"accuracy": noise})
    assert update_and_validate(base, of_another_training, folds=4)[1].keys() == {"updated", "as it was"}
    twice, found = update_and_validate(once, of_noise, folds=0)
    assert found == {}
    at_once, _ = update_and_validate(base, of_noise, folds=0)
    rest = labelled.architectures[120:200]
    np.testing.assert_allclose(twice.predict(rest), at_once.predict(rest), atol=1e-6)
    assert twice.metadata["training"]["updated"]["n"] == 60  # the twenty do not count twice


def test_labels_of_one_network_are_in_one_fold(base, labelled):
    noise = np.random.default_rng(0).normal(size=40)
    twice = LabelledData([*labelled.architectures[60:100]] * 2, {"mine": np.concatenate([noise, noise])})
    _, found = update_and_validate(base, twice, folds=4)
    predictions = found["updated"].predictions
    np.testing.assert_array_equal(predictions[:40], predictions[40:])


def test_without_folds_nothing_is_measured(base, mine, tmp_path):
    updated, found = update_and_validate(base, mine, folds=0)
    assert found == {}
    assert "cross_validation" not in updated.notes
    updated.save(tmp_path / "mine.safetensors")
    assert Predictor.load(tmp_path / "mine.safetensors").notes == updated.notes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": "accuracy"}, "`target` must be one of mine, but got 'accuracy'"),
        ({"folds": 1}, "`folds` must be at least 2"),
        ({"folds": 31}, "each with 2 of the 60 labels"),
    ],
)
def test_what_cannot_be(given, message, base, mine):
    with pytest.raises(PredictorError, match=message):
        update_and_validate(base, mine, **given)


def test_an_unfitted_predictor_is_refused(mine):
    with pytest.raises(PredictorError, match="not fitted"):
        update_and_validate(Predictor("gp"), mine)


def test_labels_of_several_files(labelled):
    a, b, c = labelled.architectures[:3]
    told = [{"data": str(i), "settings": {"epochs": 5, "seed": i}} for i in (1, 2)]
    first = LabelledData([a, b], {ONLY: np.array([1.0, 2.0]), "other": np.array([5.0, np.nan])}, told[0])
    second = LabelledData([b, c], {"other": np.array([3.0, np.nan]), ONLY: np.array([4.0, 8.0])}, told[1])
    joined = LabelledData.joined([first, second])
    assert joined.architectures == [a, b, c]
    np.testing.assert_array_equal(joined.targets[ONLY], [1, 3, 8])
    np.testing.assert_array_equal(joined.targets["other"], [5, 3, np.nan])
    assert joined.description == {"settings": {"epochs": 5}, "n": 3, "of": told}
    with pytest.raises(PredictorError, match="a target in common, but got target, other; mine"):
        LabelledData.joined([first, LabelledData([c], {"mine": np.array([1.0])})])
    with pytest.raises(PredictorError, match=r"of one size, but got {} and {'C': 8}"):
        LabelledData.joined([first, LabelledData([c], {ONLY: np.array([1.0])}, label_size={"C": 8})])
