import dataclasses

import pytest
import torch

from tart_nas.deepnets1m import LABELS
from tart_nas.errors import SettingError
from tart_nas.measurements import MeasuringSettings, convergence, measure_network
from tart_nas.networks import build_network, parameter_count
from tart_nas.training import EpochMetrics, train
from tests.measurements.conftest import SETTINGS


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ([0.5], (0.475 - 0.1) / 0.4),  # 95 % of 0.5, on the line from chance
        ([0.5, 0.8, 1.0, 1.0], 2.75 / 4),
        ([1.0, 1.0], (0.95 - 0.1) / 0.9 / 2),
        ([0.96, 0.2, 1.0], (0.95 - 0.1) / 0.86 / 3),  # the first time, even if it gets worse again
        ([0.05, 0.04], 0.0),  # worse than chance
    ],
)
def test_convergence(accuracies, expected):
    assert convergence(accuracies, 0.1) == pytest.approx(expected)


def test_convergence_of_nothing():
    with pytest.raises(SettingError, match="at least one epoch"):
        convergence([], 0.1)


def test_a_network_is_measured(networks, images):
    seen: list[EpochMetrics] = []
    measured = measure_network(networks[0], images, SETTINGS, device="cpu", on_epoch=seen.append)
    values = measured.to_dict()
    assert values["test_acc"] == round(100 * measured.test_accuracy, 4)  # the files' unit is per cent
    with pytest.warns(DeprecationWarning, match="use Measurement.test_accuracy, a fraction"):
        assert getattr(measured, "test_acc") == 100 * measured.test_accuracy  # noqa: B009  # type checkers know it no more
    assert set(LABELS) - {"ghn1_test_acc", "ghn2_test_acc", "mlp_test_acc"} <= set(values)
    assert measured.params == parameter_count(networks[0])
    assert measured.trained_params == parameter_count(dataclasses.replace(networks[0], C=8), 10, 8)
    assert measured.validation_accuracy == seen[-1].validation_accuracy
    assert measured.curve["train_loss"] == [round(epoch.train_loss, 4) for epoch in seen]
    assert len(measured.curve["train_accuracy"]) == 2
    assert 0 <= measured.converge_time <= 1
    assert measured.device == "cpu"

    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = build_network(dataclasses.replace(networks[0], C=8), 10, 8, track_running_stats=False)
    alone = train(network, images, SETTINGS.recipe, seed=0, device="cpu")
    assert measured.validation_accuracy == alone.validation_accuracy


def test_the_noise_counts(networks, images):
    quiet, loud = (
        measure_network(networks[0], images, dataclasses.replace(SETTINGS, noise=noise), device="cpu")
        for noise in (0.0, 5.0)
    )
    assert (quiet.noisy_validation_accuracy, quiet.noisy_test_accuracy) == (
        quiet.validation_accuracy,
        quiet.test_accuracy,
    )
    assert loud.validation_accuracy == quiet.validation_accuracy
    assert (loud.noisy_validation_accuracy, loud.noisy_test_accuracy) != (
        quiet.validation_accuracy,
        quiet.test_accuracy,
    )


def test_settings_round_trip():
    assert MeasuringSettings.from_dict(SETTINGS.to_dict()) == SETTINGS


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"C": 0}, "`C` must be a whole number of at least 1, but got 0"),
        ({"threads": None}, "`threads` must be"),
        ({"seed": -1}, "`seed` must be a whole number of at least 0"),
        ({"noise": -0.1}, "`noise` must be a number of at least 0"),
        ({"image_size": True}, "`image_size` must be"),
    ],
)
def test_settings_out_of_range(change, said):
    with pytest.raises(SettingError, match=said):
        dataclasses.replace(SETTINGS, **change)


def test_settings_that_are_none():
    with pytest.raises(SettingError, match="Not the settings of a measurement: recipes"):
        MeasuringSettings.from_dict({"recipes": {}})
