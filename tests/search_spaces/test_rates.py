"""Spaces over rates of what does nothing in evaluation, in which networks are traced."""

import numpy as np
import pytest
import torch
from torch import nn
from torchvision.ops import StochasticDepth

from tart_nas.search_spaces import TrialSpace


class Residual(nn.Module):
    """A block with a shortcut."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        return x + self.block(x)


class DropPath(nn.Module):
    """Stochastic depth as timm has it, which returns its input in evaluation."""

    def __init__(self, drop_prob):
        super().__init__()
        self.drop_prob = drop_prob

    def forward(self, x):
        if self.drop_prob == 0.0 or not self.training:
            return x
        return x * (torch.rand(len(x), 1, 1, 1) >= self.drop_prob)


@pytest.mark.parametrize("drop", [DropPath, lambda rate: StochasticDepth(rate, "row")])
def test_rates_of_stochastic_depth_make_networks(drop):
    """In evaluation these do the same; another training makes another candidate."""

    def build(trial):
        rate = trial.suggest_categorical("rate", [0.0, 0.1, 0.2])
        head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)]
        block = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), drop(rate))
        return nn.Sequential(nn.Conv2d(3, 8, 1), Residual(block), *head)

    space = TrialSpace(build, input_size=8)
    found = space.sample(9, seed=0)
    assert sorted(architecture.values["rate"] for architecture in found) == [0.0, 0.1, 0.2]
    assert space.mutate(found[0], np.random.default_rng(0)) in found[1:]
    assert all(architecture.graph == found[0].graph for architecture in found)
