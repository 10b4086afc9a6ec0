import math

import numpy as np
import pytest
from nni.assessor import AssessResult

from tart_nas.errors import SettingError
from tart_nas.strategies.nni_plugin import TartAssessor


def curve(quality, rng, epochs=5, noise=0.01):
    """Accuracies that rise to the quality, noisy."""
    return [quality * (1 - 0.5**epoch) + noise * rng.normal() for epoch in range(1, epochs + 1)]


def finished(assessor, qualities, rng, predicted=False):
    for i, quality in enumerate(qualities):
        values = curve(quality, rng)
        reports = [{"default": value, "predicted": quality} for value in values] if predicted else values
        for epoch in range(1, len(reports) + 1):
            assert assessor.assess_trial(f"t{i}", reports[:epoch]) in (AssessResult.Good, AssessResult.Bad)
        assessor.trial_end(f"t{i}", True)


@pytest.mark.parametrize("predicted", [False, True])
def test_beaten_trials_are_stopped_and_good_ones_are_not(predicted):
    rng = np.random.default_rng(0)
    assessor = TartAssessor(warmup=10)
    finished(assessor, rng.uniform(0.5, 0.9, 20), rng, predicted)
    stopped = {}
    for name, quality in (("bad", 0.5), ("good", 0.95)):
        reports = [{"default": v, "predicted": quality} if predicted else v for v in curve(quality, rng)]
        verdicts = [assessor.assess_trial(name, reports[:epoch]) for epoch in range(1, 6)]
        stopped[name] = [verdict is AssessResult.Bad for verdict in verdicts]
    assert any(stopped["bad"])
    assert not any(stopped["good"])


def test_the_predicted_score_sharpens_the_estimate():
    """The same trials, in whose noisy beginnings one sees little: with predictions, the bound is lower."""
    bounds = []
    for predicted in (False, True):
        rng = np.random.default_rng(1)
        assessor = TartAssessor(warmup=10)
        for i, quality in enumerate(rng.uniform(0.5, 0.9, 30)):
            values = [*(0.3 + 0.05 * rng.normal(size=2)), quality]
            assessor.assess_trial(
                f"t{i}", [{"default": v, "predicted": quality if predicted else None} for v in values]
            )
            assessor.trial_end(f"t{i}", True)
        bounds.append(assessor.highest_final([(0.3, 0.5 if predicted else math.nan)]))
    assert bounds[1] < 0.6 < 0.85 < bounds[0]


def test_the_bound_is_that_of_a_linear_model():
    """On data of a known line, the bound is the textbook's prediction interval."""
    rng = np.random.default_rng(2)
    first = rng.uniform(0, 1, 12)
    final = 0.2 + 0.7 * first + 0.05 * rng.normal(size=12)
    assessor = TartAssessor(warmup=5, margin=1.5)
    for i, curve_of_two in enumerate(zip(first, final, strict=True)):
        assessor.assess_trial(f"t{i}", list(curve_of_two))
        assessor.trial_end(f"t{i}", True)
    slope, intercept = np.polyfit(first, final, 1)
    residuals = final - slope * first - intercept
    s = math.sqrt((residuals**2).sum() / 10)
    leverage = 1 + 1 / 12 + (0.4 - first.mean()) ** 2 / ((first - first.mean()) ** 2).sum()
    expected = slope * 0.4 + intercept + 1.5 * s * math.sqrt(leverage)
    assert assessor.highest_final([(0.4, math.nan)]) == pytest.approx(expected, rel=1e-6)


def test_a_bound_that_is_not_a_number_stops_nothing():
    """Metrics so large that sums of them are infinite: nothing can be told of a trial beside them."""
    assessor = TartAssessor(warmup=5)
    with np.errstate(all="ignore"):
        for i in range(6):
            assessor.assess_trial(f"t{i}", [1e308, 1.7e308 * (-1) ** (i // 2)])
            assessor.trial_end(f"t{i}", True)
        assert math.isnan(assessor.highest_final([(1e308, math.nan)]))
        assert assessor.assess_trial("x", [1e308]) is AssessResult.Good


def test_nothing_is_stopped_before_there_is_something_to_go_by():
    rng = np.random.default_rng(0)
    assessor = TartAssessor(warmup=6, start=3)
    finished(assessor, [0.9] * 5, rng)
    assert assessor.assess_trial("x", [0.0] * 5) is AssessResult.Good
    assessor.trial_end("x", False)
    assert assessor.assess_trial("x", [0.0] * 5) is AssessResult.Good  # one that failed tells nothing
    finished(assessor, [0.8], rng)
    assert assessor.assess_trial("x", [0.0] * 2) is AssessResult.Good
    assert assessor.assess_trial("x", [0.0] * 3) is AssessResult.Bad
    assert assessor.assess_trial("y", [{"loss": 1}]) is AssessResult.Good


def test_small_may_be_good():
    rng = np.random.default_rng(0)
    assessor = TartAssessor(warmup=5, optimize_mode="minimize")
    finished(assessor, rng.uniform(0.1, 0.2, 10), rng)
    assert assessor.assess_trial("worse", curve(0.9, rng)) is AssessResult.Bad
    assert assessor.assess_trial("better", curve(0.01, rng)) is AssessResult.Good


def test_bad_arguments():
    for settings, message in (
        ({"warmup": 4}, "`warmup` must be a whole number of at least 5, but got 4"),
        ({"start": 0}, "`start`"),
        ({"margin": -1}, "`margin` must be a number of at least 0"),
        ({"optimize_mode": "up"}, "`optimize_mode`"),
        ({"patience": 3}, "TartAssessor has no argument 'patience'"),
    ):
        with pytest.raises(SettingError, match=message):
            TartAssessor(**settings)
