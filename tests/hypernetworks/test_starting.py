"""Trainings that begin with predicted parameters."""

import json
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import tart_nas
from tart_nas import build_network
from tart_nas.errors import CheckpointError, SettingError
from tart_nas.hypernetworks import GHN, GHNConfig, PredictedStart, reinitialise
from tart_nas.images import load_images
from tart_nas.networks import NetworkDescription, load
from tart_nas.published import DARTS, VIT
from tart_nas.runs.retraining import retrain
from tart_nas.training import TrainingRecipe

ARCHITECTURE = DARTS.resized(n_cells=3, C=4)
STILL = TrainingRecipe(epochs=1, batch_size=20, lr=1e-12, auxiliary=0.4)  # a training that moves nothing


def written(path, seed=0, classes=10):
    torch.manual_seed(seed)
    GHN.from_config(GHNConfig(max_shape=(8, 8, 5, 5), num_classes=classes, hid=8)).save(path)
    return str(path)


@pytest.fixture(scope="module")
def ghn(tmp_path_factory):
    return written(tmp_path_factory.mktemp("ghn") / "ghn.safetensors")


def test_weights_are_the_predicted_ones(ghn):
    network = build_network(ARCHITECTURE)
    expected = GHN.load(ghn).predict(network)
    weights = PredictedStart(ghn=ghn).weights(network)
    assert weights.keys() == expected.keys()
    assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert network.eval()(torch.randn(1, 3, 32, 32)).isfinite().all(), "it tracks statistics still"


def test_orthogonal_weights_from_a_layer_on(ghn):
    plain = PredictedStart(ghn=ghn).weights(build_network(ARCHITECTURE))
    start = PredictedStart(ghn=ghn, orthogonal=True, noise=1e-3, from_layer=3)
    weights = start.weights(build_network(ARCHITECTURE), seed=1)
    again = start.weights(build_network(ARCHITECTURE), seed=1)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    matrices = [name for name in weights if weights[name].dim() > 1]
    assert [torch.equal(plain[name], weights[name]) for name in matrices[:3]] == [True, True, False]
    assert torch.equal(plain["classifier.0.weight"], weights["classifier.0.weight"])
    matrix = weights[matrices[5]].flatten(1)
    gram = matrix @ matrix.T if matrix.shape[0] <= matrix.shape[1] else matrix.T @ matrix
    assert torch.allclose(gram, torch.eye(len(gram)), atol=1e-5)


def test_noise_leaves_weights_without_correlations_alone(ghn):
    """Of one output, as a table of positions, or with rows that do not vary: their deviation is NaN, and memory the
    square of their numbers."""
    network = build_network(VIT.resized(n_cells=2, C=8))
    plain = {name: value.clone() for name, value in PredictedStart(ghn=ghn).weights(network).items()}
    noisy = PredictedStart(ghn=ghn, noise=1e-2).weights(build_network(VIT.resized(n_cells=2, C=8)))
    assert all(value.isfinite().all() for value in noisy.values())
    kept = {name for name in plain if plain[name].dim() > 1 and torch.equal(plain[name], noisy[name])}
    assert kept == {"pos_enc.weight", "classifier.0.weight"}
    wide = torch.nn.Sequential(torch.nn.Conv2d(2048, 1, 31), torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    with torch.no_grad():
        wide.get_parameter("1.weight")[:, 2] = 1.0  # the matrix is transposed: one row is constant
    reinitialise(wide, noise=1e-2)
    assert all(parameter.isfinite().all() for parameter in wide.parameters())


def test_the_layer_of_other_classes_keeps_its_values(ghn):
    network = build_network(ARCHITECTURE, num_classes=4)
    before = network.get_parameter("classifier.0.weight").detach().clone()
    weights = PredictedStart(ghn=ghn).weights(network)
    assert torch.equal(weights["classifier.0.weight"], before)


def test_the_identity_tells_other_weights(tmp_path):
    path = written(tmp_path / "ghn.safetensors")
    identity = json.loads(json.dumps(PredictedStart(ghn=path, noise=3e-5).identity()))
    assert PredictedStart.identified(identity) == PredictedStart(ghn=path, noise=3e-5)
    written(path, seed=1)
    with pytest.raises(CheckpointError, match="has other weights than the run began with"):
        PredictedStart.identified(identity)
    with pytest.raises(CheckpointError, match="tell no start"):
        PredictedStart.identified({**identity, "warmth": 1})
    with pytest.raises(SettingError, match="`init_from_layer` needs"):
        PredictedStart(ghn=path, from_layer=3)
    with pytest.raises(SettingError, match="`init_noise` must be"):
        PredictedStart(ghn=path, noise=-1)


def test_a_network_is_retrained_from_there(ghn, tmp_path):
    images = load_images("digits", train_images=40, validation_images=20)
    description = NetworkDescription(ARCHITECTURE, None, 10, 32)
    retrain(description, images, STILL, out=tmp_path, start=PredictedStart(ghn=ghn), device="cpu")
    trained = load_file(tmp_path / "weights.safetensors")
    for name, value in GHN.load(ghn).predict(build_network(ARCHITECTURE)).items():
        torch.testing.assert_close(trained[name], value)
    assert json.loads((tmp_path / "result.json").read_text())["init"]["ghn"] == ghn


def test_a_search_begins_there(ghn, tmp_path, undrawn):
    settings: dict[str, Any] = {
        "candidates": [ARCHITECTURE.resized(n_cells=2)],
        "top_k": 1,
        "dataset": "digits",
        "predictor": "params",
    }
    settings |= {"budget": tart_nas.TrainingBudget(train_images=40), "device": "cpu", "out": tmp_path, "init": ghn}
    tart_nas.search(recipe=TrainingRecipe(epochs=1, batch_size=20, lr=1e-12), **settings)
    trained = load(tmp_path / "weights/top-1")
    expected = GHN.load(ghn).predict(trained)
    for name, value in expected.items():
        torch.testing.assert_close(trained.get_parameter(name).detach(), value)
    assert f"predicted by {ghn}" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--init-noise", "0.1"], "`--init-noise`, `--init-orthogonal` and `--init-from-layer` need `--init`."),
        (["--init", "{ghn}", "--initial-weights", "{ghn}"], "`--init` and `--initial-weights` exclude each other"),
        (["--init", "{ghn}", "--init-from-layer", "2"], "`--init-from-layer` needs `--init-noise` or"),
        (["--init", "nobody"], "There is no hypernetwork 'nobody'"),
    ],
)
def test_wrong_options_of_retrain(options, said, ghn, tmp_path, command):
    options = [option.format(ghn=ghn) for option in options]
    status, _, errors = command("retrain", "darts", *options, "--dataset", "digits", "--out", tmp_path / "out")
    assert (status, errors.count("\n")) == (2, 1)
    assert said in errors
    assert not (tmp_path / "out/settings.json").exists()
