"""Whether a run's predictions ranked its measurements, and what an active search makes of it."""

from dataclasses import replace

import numpy as np
import optuna
import pytest
from optuna.trial import create_trial
from scipy.stats import kendalltau

import tart_nas
from tart_nas.images import load_images
from tart_nas.predictors import Predictor
from tart_nas.runs import SearchSettings
from tart_nas.runs.agreement import Agreement
from tart_nas.runs.candidates import ScoredCandidates
from tart_nas.runs.picking import acquisition_of_round, agreement_of_round, explores, picks_of_round
from tart_nas.strategies import Surrogate, acquire
from tests.runs.conftest import SMALL, pick
from tests.runs.results import a_pick, a_result


def measured(said, accuracies, round=1, std=None):
    picks = [replace(pick(f"top-{i}"), predicted=value, round=round) for i, value in enumerate(said)]
    if std is not None:
        picks = [replace(p, expected=p.predicted, expected_std=std) for p in picks]
    return list(zip(picks, accuracies, strict=True))


def test_tau_is_that_of_the_round_alone():
    rng = np.random.default_rng(0)
    said, accuracies = rng.normal(size=8), rng.uniform(size=8)
    found = Agreement.of_round(1, measured(said, accuracies) + measured([1, 2, 3], [0.3, 0.2, 0.1], round=2))
    assert found.tau == pytest.approx(kendalltau(said, accuracies).statistic)
    assert (found.networks, found.with_interval) == (8, 0)
    assert f"8 networks with a Kendall tau of {found.tau:+.2f}" in found.sentence()


def test_intervals_are_counted_where_they_were_predicted():
    # 1.645 standard deviations to either side: 0.0823 of 0.05
    found = Agreement.of_round(2, measured([0.5, 0.6, 0.7], [0.58, 0.69, 0.70], round=2, std=0.05))
    assert (found.with_interval, found.inside) == (3, 2)
    assert "2 of 3 accuracies lie in their predicted 90 % intervals" in found.sentence()


@pytest.mark.parametrize(
    ("said", "accuracies"), [([1, 2], [0.1, 0.2]), ([1, 1, 1], [0.1, 0.2, 0.3]), ([1, 2, 3], [0.1] * 3), ([], [])]
)
def test_few_or_equal_networks_tell_nothing(said, accuracies):
    found = Agreement.of_round(1, measured(said, accuracies))
    assert found.tau is None
    assert not found.is_by_chance
    assert "too few different networks" in found.sentence()


@pytest.fixture(scope="module")
def images():
    return load_images("digits", train_images=40, validation_images=20, test_images=20)


@pytest.fixture(scope="module")
def predictor():
    architectures = tart_nas.DartsSpace().sample(60, seed=7)
    return Predictor("gp").fit(architectures, [tart_nas.networks.parameter_count(a) / 1e6 for a in architectures])


def begun(predictor, images, accuracy_of, **changes):
    """A search whose first round is measured: settings, candidates, study."""
    settings = SearchSettings(
        space={"name": "darts"},
        predictor=predictor.identity,
        candidates=60,
        top_k=4,
        random=4,
        dataset="digits",
        budget=SMALL["budget"],
        recipe=SMALL["recipe"],
        strategy="active",
        rounds=2,
    )
    settings = replace(settings, **changes)
    candidates = tart_nas.DartsSpace().sample(60, seed=0)
    scores = predictor.predict(candidates)
    scored = ScoredCandidates.ranked(candidates, np.argsort(-scores).tolist(), scores)
    study = optuna.create_study(direction="maximize")
    for p in picks_of_round(1, settings, scored, predictor, study, images):
        value = accuracy_of(p)
        attributes = {**p.to_attributes(), "curve": [{"epoch": 1, "validation_accuracy": value}]}
        study.add_trial(create_trial(value=value, user_attrs=attributes))
    return settings, scored, study


@pytest.mark.parametrize(("slope", "acquisition"), [(0.1, "expected-improvement"), (-0.1, "upper-bound")])
def test_a_round_that_was_ranked_by_chance_is_followed_by_exploration(slope, acquisition, predictor, images):
    settings, scored, study = begun(predictor, images, lambda p: 0.5 + slope * p.predicted)
    assert agreement_of_round(1, study).tau == pytest.approx(np.sign(slope))
    assert acquisition_of_round(2, settings, study) == acquisition
    picks = picks_of_round(2, settings, scored, predictor, study, images)

    candidates = [scored.architecture(place) for place in range(len(scored))]
    known = [p for p in picks_of_round(1, settings, scored, predictor, study, images)]
    surrogate = Surrogate(predictor, population=lambda: candidates)
    accuracies = np.array([trial.value for trial in study.trials])
    surrogate.fit([p.architecture for p in known], accuracies, settings.seed)
    mean, std = surrogate.predict(candidates)
    values = acquire(acquisition, mean, std, accuracies.max(), np.random.default_rng(0))
    values[[p.rank - 1 for p in known]] = -np.inf
    assert [p.rank - 1 for p in picks] == np.argsort(-values, kind="stable")[:4].tolist()
    assert [p.expected for p in picks] == pytest.approx(mean[[p.rank - 1 for p in picks]].tolist())
    assert [p.expected_std for p in picks] == pytest.approx(std[[p.rank - 1 for p in picks]].tolist())


@pytest.mark.parametrize(
    ("slope", "changes", "told"),
    [(0.1, {}, False), (-0.1, {}, True), (-0.1, {"top_k": 3, "random": 0}, False)],  # of three networks none learns
)
def test_a_round_is_said_to_explore_only_where_it_does(slope, changes, told, predictor, images):
    settings, scored, study = begun(predictor, images, lambda p: 0.5 + slope * p.predicted, **changes)
    picks = picks_of_round(2, settings, scored, predictor, study, images)
    assert explores(2, settings, study, picks) == told
    assert agreement_of_round(1, study).is_by_chance == (slope < 0)
    if changes:  # it goes on by the scores
        assert [p.rank for p in picks] == [4, 5, 6]


def test_other_strategies_do_not_explore(predictor, images):
    settings, _, study = begun(predictor, images, lambda p: 0.5 - 0.1 * p.predicted)
    assert acquisition_of_round(2, replace(settings, strategy="topk"), study) == "mean"


def test_the_result_tells_what_was_predicted_and_how_it_ranked():
    result = a_result()
    assert result.predicted_gain() == pytest.approx((94.5 + 94.49) / 2 - (94.43 + 94.41) / 2)
    assert "Their predictions differ by +0.08 on average (accuracy %)." in str(result)
    (agreement,) = result.agreements()
    assert agreement.sentence() in str(result)
    assert result.to_dict()["agreements"][0]["tau"] == agreement.tau
    assert a_result([a_pick("top-1", 0)]).predicted_gain() is None
