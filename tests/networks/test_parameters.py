import json

import pytest
import torch

from tart_nas.architecture import Architecture, Genotype
from tart_nas.errors import SettingError
from tart_nas.networks import build_network, count_parameters, parameter_count


def test_every_net_of_deepnets1m_has_the_parameters_its_file_states(nets):
    assert len(nets) == 300
    for _, net in nets:
        architecture = Architecture.from_dict(net)
        counts = {"cifar10": parameter_count(architecture), "imagenet": parameter_count(architecture, image_size=224)}
        assert counts == net["num_params"]


def test_the_718_darts_cells_have_the_parameters_that_nasbench301_states(shared):
    # Its normalisation layers have no parameters but for a constant part: 2,762 with the classifier's ten biases.
    entries = json.loads((shared / "nasbench301/darts_train.json").read_text())
    assert len(entries) == 718
    differences = set()
    for entry in entries:
        # Without normalisation, only the weights of convolutions and the linear layer and its biases are left.
        architecture = Architecture(Genotype.from_dict(entry), n_cells=8, C=32, C_mult=2, stem_type=0, norm=None)
        weights = parameter_count(architecture) - 10
        differences.add(round(entry["proxies"]["params"] * 1e6) - weights)
    assert differences == {2762}


@pytest.mark.parametrize(
    ("settings", "classes", "size", "expected"),
    [
        ({"n_cells": 20, "C": 36}, 10, 32, 3_349_342),  # "param size = 3.349342MB" in DARTS's logs, CIFAR-10
        ({"n_cells": 14, "C": 48, "stem_type": 1}, 1000, 224, 4_718_752),  # the same cells on ImageNet
    ],
)
def test_the_published_darts_networks(darts_v2, settings, classes, size, expected):
    architecture = Architecture(darts_v2, **settings)
    assert parameter_count(architecture, classes, size) == expected
    with torch.device("meta"):
        network = build_network(architecture, classes, size, auxiliary=True)
    assert count_parameters(network) == expected
    assert count_parameters(network, auxiliary=True) > expected


def test_counting_equals_counting_the_made_network(spread):
    for _, architecture in spread:
        for classes, size in ((10, 32), (7, 47), (100, 160)):
            with torch.device("meta"):
                network = build_network(architecture, classes, size)
            assert parameter_count(architecture, classes, size) == count_parameters(network)


def test_counting_checks_its_arguments(darts_v2):
    with pytest.raises(SettingError, match="`num_classes` must be a whole number of at least 1, but got 0"):
        parameter_count(Architecture(darts_v2, n_cells=8), num_classes=0)
