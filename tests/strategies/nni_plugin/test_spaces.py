from typing import Any

import pytest
import torch
from nni.nas.hub.pytorch import DARTS, ENAS, PNAS, NASNet
from nni.nas.hub.pytorch.nasnet import NDS
from nni.nas.space import SimplifiedModelSpace

import tart_nas
from tart_nas.errors import ArchitectureError, NniError
from tart_nas.networks import build_network, parameter_count
from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.nni_plugin import HubSpace

SOME_OF_PNAS = ["none", "sep_conv_3x3", "conv_7x1_1x7", "skip_connect", "avg_pool_3x3", "conv_1x1", "conv_3x3"]
SPACES = {
    "DARTS": lambda: DARTS(width=16, num_cells=8),
    "open DARTS": lambda: DARTS(width=(8, 12), num_cells=(3, 5, 6)),
    "ImageNet": lambda: DARTS(width=8, num_cells=5, dataset="imagenet"),
    "loose ends": lambda: ENAS(width=8, num_cells=4),
    "other operations": lambda: NDS(SOME_OF_PNAS, "loose_end", 5, width=6, num_cells=4, dataset="cifar"),
}


def drawn(space, n):
    samples: list[dict[str, Any]] = []
    while len(samples) < n:
        sample: dict[str, Any] = {}
        space.random(memo=sample)
        samples.append(sample)
    return samples


@pytest.mark.parametrize("name", SPACES)
def test_samples_and_architectures_are_the_same_networks(name):
    model_space = SPACES[name]()
    space = SimplifiedModelSpace.from_model(model_space)
    hub = HubSpace.of(space)
    assert hub == HubSpace.of(model_space)
    classes, size = (1000, 224) if name == "ImageNet" else (10, 32)
    made = 0
    for sample in drawn(space, 40):
        try:
            architecture = hub.architecture(sample)
        except ArchitectureError as error:  # a network of zeros is none of ours
            assert "none" in str(error)  # noqa: PT017
            continue
        assert hub.sample(architecture) == sample
        if made < 4:
            theirs = space.freeze(sample).executable_model()
            assert sum(p.numel() for p in theirs.parameters()) == parameter_count(architecture, classes, size)
            made += 1
    assert made == 4


def test_the_networks_compute_the_same():
    """With NNI's weights, ours gives NNI's logits: both list their parameters in the same order."""
    space = SimplifiedModelSpace.from_model(DARTS(width=8, num_cells=4))
    sample = drawn(space, 1)[0]
    theirs = space.freeze(sample).executable_model().eval()
    ours = build_network(HubSpace.of(space).architecture(sample), 10, 32).eval()
    ours.load_state_dict(dict(zip(ours.state_dict(), theirs.state_dict().values(), strict=True)))
    images = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(ours(images), theirs(images), rtol=1e-4, atol=1e-5)


def test_architectures_of_our_space_are_samples_of_theirs():
    model_space = SimplifiedModelSpace.from_model(DARTS(width=32, num_cells=8))
    hub = HubSpace.of(model_space)
    for architecture in DartsSpace().sample(20, seed=0):
        sample = hub.sample(architecture)
        assert model_space.contains(sample)
        assert hub.architecture(sample) == architecture


def test_the_architecture_must_belong_to_the_space():
    hub = HubSpace.of(DARTS(width=16, num_cells=8))
    for settings, message in (
        ({"C": 32}, r"`C` in \[16\], but the architecture 32"),
        ({"C": 16, "n_cells": 5}, r"`n_cells` in \[8\]"),
        ({"C": 16, "ks": 5}, "`ks` 3"),
    ):
        with pytest.raises(ArchitectureError, match=message):
            hub.sample(DartsSpace(**settings).sample(1, seed=0)[0])
    genotype = DartsSpace().sample(1, seed=0)[0].genotype
    partly = tart_nas.Genotype(genotype.normal, [4, 5], genotype.reduce, [2, 3, 4, 5])
    with pytest.raises(ArchitectureError, match="concatenates all nodes, but the normal cell"):
        hub.sample(tart_nas.Architecture(partly, 8, 16))


def test_bad_samples():
    space = SimplifiedModelSpace.from_model(DARTS(width=16, num_cells=8))
    hub = HubSpace.of(space)
    sample = drawn(space, 1)[0]
    with pytest.raises(ArchitectureError, match="lacks 'normal/op_2_0'"):
        hub.architecture({label: value for label, value in sample.items() if label != "normal/op_2_0"})
    with pytest.raises(ArchitectureError, match="'reduce/op_3_1' must be one of max_pool_3x3"):
        hub.architecture({**sample, "reduce/op_3_1": "conv_9x9"})
    with pytest.raises(ArchitectureError, match="input"):
        hub.architecture({**sample, "normal/input_2_0": [2]})
    assert hub.architecture({**sample, "lr": 0.1}) == hub.architecture(sample)


def test_spaces_that_cannot_be_read():
    with pytest.raises(NniError, match=r"conv_3x1_1x3, max_pool_5x5, max_pool_7x7, sep_conv_7x7.*NDS\(\['skip"):
        HubSpace.of(NASNet())
    with pytest.raises(NniError, match="sep_conv_7x7"):
        HubSpace.of(PNAS())
    with pytest.raises(NniError, match="Linear is not one of NNI's NASNet-series spaces: give `convert`"):
        HubSpace.of(torch.nn.Linear(1, 1))
