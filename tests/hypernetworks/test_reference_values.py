"""What the published code computed, against what is computed here: see tests/data/README.md."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tart_nas.experiments.ghn_reference_values import ReferenceValues, relative_error
from tart_nas.hypernetworks import reinitialise
from tart_nas.hypernetworks.reinitialisation import correlation_deviation

FOLDER = Path(__file__).parents[1] / "data/ghn"
VALUES = ReferenceValues(FOLDER)
CASES = [(checkpoint, network) for checkpoint in VALUES.checkpoints() for network in VALUES.networks(checkpoint)]
BY_OUR_GRAPHS = ("val60", "test41", "dense1", "squeezenet1_0", "vit_b_32", "convnext_tiny")
TOLERANCE = 1e-5  # ten times what is measured, a tenth of what float32 on another machine may need


@pytest.fixture(scope="module")
def ghns():
    return {checkpoint: VALUES.ghn(checkpoint) for checkpoint in VALUES.checkpoints()}


@pytest.mark.parametrize(("checkpoint", "network"), CASES)
def test_predictions(ghns, checkpoint, network):
    errors = VALUES.errors(ghns[checkpoint], checkpoint, network)
    assert {name: error for name, error in errors.items() if not error < TOLERANCE} == {}


@pytest.mark.parametrize(
    ("checkpoint", "network"),
    [case for case in CASES if case[1] in BY_OUR_GRAPHS],
)
def test_predictions_by_our_own_graphs(ghns, checkpoint, network):
    error = VALUES.own_graph_error(ghns[checkpoint], checkpoint, network)
    assert error is not None
    assert error < TOLERANCE


# A gradient through dense1, 9 cells of ReLUs with a batch of 16, differs between float32 and float64 by as much as
# between two ways to compute it in float32: the sign of a single activation decides.
GRADIENT_TOLERANCE = {"ghn1_tiny": 1e-4, "ghn2_tiny": 3e-3, "mlp_tiny": 1e-4, "ghn3_tiny": 1e-4}


@pytest.mark.parametrize(
    ("checkpoint", "steps"), [("ghn1_tiny", 5), ("ghn2_tiny", 1), ("mlp_tiny", 1), ("ghn3_tiny", 5)]
)
def test_training_steps(checkpoint, steps):
    errors = VALUES.training_errors(VALUES.ghn(checkpoint), checkpoint, steps)
    assert errors["losses"] < TOLERANCE
    assert errors.get("weights", 0) < 1e-4  # Adam makes as large a step of rounding as of a gradient
    assert errors["gradients"] < GRADIENT_TOLERANCE[checkpoint]


@pytest.fixture
def small_network():
    layers = (nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 6, 1, bias=False), nn.Conv2d(6, 6, 3, groups=6))
    network = nn.Sequential(*layers, nn.Conv2d(6, 40, 1), nn.Flatten(), nn.Linear(40, 24), nn.Linear(24, 10))
    with np.load(FOLDER / "training/post_processing.npz") as arrays:
        values = {name: torch.from_numpy(arrays[name]) for name in arrays}
    network.load_state_dict({name[7:]: value for name, value in values.items() if name[:7] == "before/"}, strict=False)
    return network, values


@pytest.mark.parametrize(
    ("expected", "settings"),
    [
        ("orth", {"orthogonal_weights": True}),
        ("orth_layer3", {"orthogonal_weights": True, "from_layer": 3}),
        ("orth_max_sz7", {"orthogonal_weights": True, "above": 7}),
        ("noise_seed9_beta0.1", {"noise": 0.1}),
        ("noise_orth_seed9_beta0.1_layer2", {"noise": 0.1, "orthogonal_weights": True, "from_layer": 2}),
    ],
)
def test_reinitialisation(small_network, expected, settings):
    network, values = small_network
    reinitialise(network, generator=torch.Generator().manual_seed(9), **settings)
    for name, parameter in network.named_parameters():
        assert relative_error(parameter.detach(), values[f"{expected}/{name}"]) < TOLERANCE, name


def test_deviation_of_correlations(small_network):
    network, values = small_network
    names = [name[9:] for name in values if name.startswith("corr_std/")]
    assert len(names) == 6
    for name in names:
        expected = float(values[f"corr_std/{name}"])
        assert float(correlation_deviation(network.get_parameter(name).detach())) == pytest.approx(expected, rel=1e-6)


def test_the_values_kept_here_are_of_every_kind():
    assert {name.partition("_")[0] for name, _ in CASES} == {"ghn1", "ghn2", "ghn3", "mlp"}
    configs = [json.loads(path.read_text())["config"] for path in FOLDER.glob("checkpoints/*.json")]
    assert {config["decoder"] for config in configs} == {"conv", "mlp"}
