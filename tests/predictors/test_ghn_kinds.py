"""Predictors that ask a graph hypernetwork."""

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau

from tart_nas import build_network, evaluate
from tart_nas.errors import ArchitectureError, CheckpointError, SettingError
from tart_nas.hypernetworks import GHN, GHNConfig
from tart_nas.images import load_images
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DeepNets1MSpace


@pytest.fixture(scope="module")
def architectures():
    return DeepNets1MSpace("search").sample(24, seed=0)


@pytest.fixture
def ghn(tmp_path):
    path = tmp_path / "ghn.safetensors"
    GHN.from_config(GHNConfig(max_shape=(8, 8, 5, 5), num_classes=10, hid=8)).save(path)
    return str(path)


def test_the_accuracy_is_that_of_predicted_parameters(architectures):
    predictor = Predictor("ghn-accuracy", images=64)
    scores, std = predictor.predict(architectures[:3], return_std=True)
    images = load_images("cifar10-sample", image_size=16, train_images=1000, validation_images=64)
    ghn = GHN.load("ghn2-cifar10-small")
    for architecture, score in zip(architectures, scores, strict=False):
        network = ghn(build_network(architecture.resized(C=8), 10, 16, track_running_stats=False))
        assert evaluate(network, images.validation, images, device="cpu") == score
    assert np.isnan(std).all()


def test_embeddings_tell_how_large_networks_are():
    architectures = DeepNets1MSpace("search").sample(60, seed=0)
    sizes = Predictor("params").predict(architectures)
    predictor = Predictor("ghn-embedding").fit(architectures[:40], sizes[:40])
    assert kendalltau(predictor.predict(architectures[40:]), sizes[40:]).statistic > 0.4
    assert predictor.judges(architectures).all()


def test_channels_are_those_asked_for(ghn, architectures):
    """Also many; only where a network cannot have them, the next multiple that it can have."""
    from tart_nas.hypernetworks.scoring import GHNScores

    def channels(asked, architecture):
        return GHNScores(ghn, 16, asked, "digits", None, 1)._sized(architecture).C

    plain = next(architecture for architecture in architectures if not architecture.is_vit)
    vit = next(architecture for architecture in architectures if architecture.is_vit)
    assert [channels(asked, plain) for asked in (2, 256, 300, 1024, None)] == [2, 256, 300, 1024, 32]
    assert [channels(asked, vit) for asked in (2, 3, 512)] == [8, 12, 512]
    with pytest.raises(ArchitectureError, match="`C` must be at most 100,000, but got 100001"):
        channels(100_001, plain)


def test_another_hypernetwork_is_noticed(ghn, architectures, tmp_path):
    """Its name alone does not tell that it was trained anew."""
    targets = np.arange(8.0)
    for kind in ("ghn-embedding", "ghn-accuracy"):
        settings = {"ghn": ghn} | ({"images": 16} if kind == "ghn-accuracy" else {})
        Predictor(kind, **settings).fit(architectures[:8], targets).save(tmp_path / f"{kind}.safetensors")
    other = tmp_path / "other.safetensors"
    torch.manual_seed(1)
    GHN.from_config(GHN.load(ghn).config).save(other)
    from tart_nas.hypernetworks.scoring import ghn_scores

    ghn_scores.cache_clear()  # as in another process
    other.replace(ghn)
    for kind in ("ghn-embedding", "ghn-accuracy"):
        with pytest.raises(CheckpointError, match="made with a hypernetwork of other weights"):
            Predictor.load(tmp_path / f"{kind}.safetensors")


def test_wrong_settings(architectures):
    with pytest.raises(CheckpointError, match="There is no hypernetwork 'nobody'"):
        Predictor("ghn-accuracy", ghn="nobody").predict(architectures[:1])
    with pytest.raises(SettingError, match="`channels` must be a whole number of at least 2, but got 1"):
        Predictor("ghn-embedding", channels=1)
    with pytest.raises(SettingError, match="`dataset` must be one of"):
        Predictor("ghn-accuracy", dataset="mnist")
