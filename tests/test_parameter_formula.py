from dataclasses import replace

import numpy as np

from tart_nas.architecture import Architecture
from tart_nas.networks import parameter_count
from tart_nas.parameter_formula import parameter_formula
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace


def test_equals_the_counts_that_deepnets1m_states(generator_nets):
    for nets in generator_nets.values():
        for net in nets:
            architecture = Architecture.from_dict(net)
            for name, size in (("cifar10", 32), ("imagenet", 224)):
                assert parameter_formula(architecture, image_size=size) == net["num_params"][name]


def test_equals_the_counts_of_the_modules():
    rng = np.random.default_rng(0)
    drawn = [a for split in ("val", "search", "deep", "dense", "bnfree") for a in DeepNets1MSpace(split).sample(200, 0)]
    for architecture in drawn + DartsSpace().sample(100, 0):
        wider = replace(
            architecture, C=int(rng.choice([8, 12, 17, 32, 45, 64])), fc_layers=int(rng.integers(1, 4)), fc_dim=24
        )
        classes, size = int(rng.integers(1, 200)), int(rng.choice([8, 17, 32, 64, 127, 128, 150, 224]))
        assert parameter_formula(wider, classes, size) == parameter_count(wider, classes, size), (wider, classes, size)
