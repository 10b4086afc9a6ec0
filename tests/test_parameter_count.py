import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from tart_nas.architecture import Architecture
from tart_nas.layout import parameter_count
from tart_nas.networks import build_network, count_parameters
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace


def test_equals_the_counts_that_deepnets1m_states(generator_nets):
    for nets in generator_nets.values():
        for net in nets:
            architecture = Architecture.from_dict(net)
            for name, size in (("cifar10", 32), ("imagenet", 224)):
                assert parameter_count(architecture, image_size=size) == net["num_params"][name]


def test_equals_the_counts_of_the_modules():
    rng = np.random.default_rng(0)
    drawn = [a for split in ("val", "search", "deep", "dense", "bnfree") for a in DeepNets1MSpace(split).sample(8, 0)]
    for architecture in drawn + DartsSpace().sample(5, 0):
        wider = replace(
            architecture, C=int(rng.choice([8, 12, 17, 32, 45, 64])), fc_layers=int(rng.integers(1, 4)), fc_dim=24
        )
        classes, size = int(rng.integers(1, 200)), int(rng.choice([8, 17, 32, 64, 127, 128, 150, 224]))
        with torch.device("meta"):
            network = build_network(wider, classes, size)
        assert parameter_count(wider, classes, size) == count_parameters(network), (wider, classes, size)


def test_its_old_name():
    import tart_nas.parameter_formula as old

    with pytest.warns(DeprecationWarning, match="use tart_nas.layout.parameter_count"):
        assert old.parameter_formula is parameter_count


def test_it_needs_no_torch():
    code = "import sys, tart_nas.layout; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
