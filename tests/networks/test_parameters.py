import itertools

import pytest
import torch

from tart_nas.architecture import Architecture
from tart_nas.errors import SettingError
from tart_nas.layout import parameter_count
from tart_nas.networks import build_network, count_parameters
from tart_nas.published import DARTS, PDARTS


def test_every_net_of_deepnets1m_has_the_parameters_its_file_states(nets):
    assert len(nets) == 300
    for _, net in nets:
        architecture = Architecture.from_dict(net)
        counts = {"cifar10": parameter_count(architecture), "imagenet": parameter_count(architecture, image_size=224)}
        assert counts == net["num_params"]


@pytest.mark.parametrize(
    ("published", "settings", "classes", "size", "expected"),
    [
        (DARTS, {"n_cells": 20, "C": 36}, 10, 32, 3_349_342),  # "param size = 3.349342MB" in DARTS's logs, CIFAR-10
        (DARTS, {"n_cells": 14, "C": 48, "stem_type": 1}, 1000, 224, 4_718_752),  # the same cells on ImageNet
        (PDARTS, {"n_cells": 20, "C": 36}, 10, 32, 3_433_798),  # "3.4M" (Chen et al., ICCV 2019, table 1)
    ],
)
def test_the_published_networks(published, settings, classes, size, expected):
    architecture = Architecture(published.genotype, **settings)
    assert parameter_count(architecture, classes, size) == expected
    with torch.device("meta"):
        network = build_network(architecture, classes, size, auxiliary=True)
    assert count_parameters(network) == expected
    assert count_parameters(network, auxiliary=True) > expected


def test_counting_equals_counting_the_made_network(spread):
    sizes = itertools.cycle([(10, 32), (7, 47), (100, 160)])
    for (_, architecture), (classes, size) in zip(spread, sizes, strict=False):
        with torch.device("meta"):
            network = build_network(architecture, classes, size)
        assert parameter_count(architecture, classes, size) == count_parameters(network)


def test_counting_checks_its_arguments(darts_v2):
    with pytest.raises(SettingError, match="`num_classes` must be a whole number of at least 1, but got 0"):
        parameter_count(Architecture(darts_v2, n_cells=8), num_classes=0)
