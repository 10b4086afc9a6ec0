"""The interval of a gain covers the truth as often as it says: networks and images drawn again and again."""

import json

import numpy as np
import pytest
from scipy.stats import ttest_ind

from tart_nas.errors import SettingError
from tart_nas.runs import Gain

IMAGES, TRIALS = 300, 1500


def simulated(rng, n_top, n_random, between, hardness):
    """Searches with the same gain: intervals, the true difference of the populations, and that of the very networks.

    A network classifies an image with the probability sigmoid(ability - hardness of the image); all networks of a
    search see the same images, and each search has others.
    """
    populations = [rng.normal(mean, between, size=200) for mean in (0.4, 0.0)]
    nodes, weights = np.polynomial.hermite_e.hermegauss(40)

    def accuracy(ability):
        return (1 / (1 + np.exp(hardness * nodes - np.asarray(ability)[..., None]))) @ weights / weights.sum()

    truth = accuracy(populations[0]).mean() - accuracy(populations[1]).mean()
    for _ in range(TRIALS):
        sides = [rng.choice(p, n) for p, n in zip(populations, (n_top, n_random), strict=True)]
        images = rng.normal(0, hardness, size=IMAGES)
        found = [(rng.random((len(s), IMAGES)) < 1 / (1 + np.exp(images - s[:, None]))).mean(1) for s in sides]
        own = accuracy(sides[0]).mean() - accuracy(sides[1]).mean()
        yield Gain.between(found[0].tolist(), found[1].tolist(), IMAGES), truth, own


@pytest.mark.parametrize("between", [0.0, 0.05, 0.4])  # networks alike, almost alike, further apart than tests tell
@pytest.mark.parametrize(("n_top", "n_random"), [(3, 3), (2, 6)])
def test_the_interval_covers_the_populations_difference(between, n_top, n_random):
    rng = np.random.default_rng(0)
    covered = np.mean([g.low <= truth <= g.high for g, truth, _ in simulated(rng, n_top, n_random, between, 1.0)])
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / TRIALS)
    if between == 0.4:  # where the spread decides it is exact, not only safe
        assert covered <= 0.975


@pytest.mark.parametrize("hardness", [0.0, 2.0])  # errors of networks on the same images: independent, correlated
@pytest.mark.parametrize(("n_top", "n_random"), [(1, 1), (1, 4)])
def test_with_one_network_it_covers_the_difference_of_these_networks(hardness, n_top, n_random):
    rng = np.random.default_rng(1)
    gains = list(simulated(rng, n_top, n_random, 0.4, hardness))
    covered = np.mean([gain.low <= own <= gain.high for gain, _, own in gains])
    assert covered >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / TRIALS)
    assert not any(gain.of_networks for gain, _, _ in gains)
    if hardness == 0.0:
        assert covered <= 0.965


def test_where_the_spread_is_wide_it_is_welchs_interval():
    top, random = [0.41, 0.47, 0.39, 0.52], [0.36, 0.22, 0.31]
    gain = Gain.between(top, random, 2000)
    interval = ttest_ind(top, random, equal_var=False).confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx((interval.low, interval.high))
    assert (gain.low + gain.high) / 2 == pytest.approx(gain.difference)


def test_networks_that_happen_to_be_alike_are_no_surer_than_their_test_images():
    top, random = [0.412, 0.4125, 0.412], [0.40, 0.4005, 0.40]
    gain = Gain.between(top, random, 2000)
    assert ttest_ind(top, random, equal_var=False).confidence_interval(0.95).low > 0
    assert not gain.is_shown
    assert Gain.between(top, random, 2_000_000).is_shown


def test_it_is_said_in_words():
    gain = Gain.between([0.40, 0.412, 0.424], [0.35, 0.36, 0.37], 2000)
    assert gain.sentence() == (
        "The 3 picked networks reached 41.2 % and the 3 random ones 36.0 % of 2,000 test images on average: "
        f"+5.2 points (95 % interval {100 * gain.low:+.1f} to {100 * gain.high:+.1f})."
    )
    assert 0 < gain.low < gain.difference < gain.high
    assert Gain.between([0.36, 0.42], [0.35, 0.40], 2000).sentence().endswith("): no difference shown.")
    worse = Gain.between([0.35, 0.36, 0.37], [0.40, 0.412, 0.424], 2000)
    assert worse.is_shown
    assert "-5.2 points" in worse.sentence()
    assert worse.sentence().endswith(").")
    one = Gain.between([0.41], [0.40], 2000)
    assert one.sentence() == (
        "The picked network reached 41.0 % and the random one 40.0 % of 2,000 test images: +1.0 points (95 % interval "
        "-2.0 to +4.0, of the test images' error alone: one network on a side has no spread): no difference shown."
    )
    values = json.loads(json.dumps(gain.to_dict(), allow_nan=False))
    assert (values["n_top"], values["test_images"], values["sentence"]) == (3, 2000, gain.sentence())


def test_networks_that_are_always_right_have_an_interval_too():
    gain = Gain.between([1.0, 1.0], [1.0, 1.0], 297)
    assert (gain.low, gain.difference, gain.high) == (0, 0, 0)
    assert not gain.is_shown


@pytest.mark.parametrize("arguments", [([], [0.5], 10), ([0.5], [], 10), ([0.5], [0.5], 0)])
def test_a_gain_of_nothing_is_refused(arguments):
    with pytest.raises(SettingError, match="at least one network on each side and one test image"):
        Gain.between(*arguments)
