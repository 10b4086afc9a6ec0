import math
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import nn

from tart_nas.errors import TrainingError
from tart_nas.predictors.models.training import FittingRecipe, fit_networks, ranking_loss


def test_ranking_loss_by_hand():
    loss = ranking_loss(torch.tensor([1.0, 0.0, 3.0]), torch.tensor([2.0, 1.0, 1.0]))
    expected = (math.log1p(math.exp(-1)) + math.log1p(math.exp(2)) + math.log(2)) / 3
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_ranking_loss_is_lowest_in_the_right_order():
    targets = torch.tensor([0.1, -1.0, 2.0, 0.5])
    in_order, reversed_order = ranking_loss(torch.stack([targets, -targets]), targets)
    assert in_order < math.log(2) < reversed_order


@dataclass(frozen=True)
class Numbers:
    """Inputs that are rows of numbers."""

    values: torch.Tensor

    def take(self, rows):
        return Numbers(self.values[rows])


class Linear(nn.Module):
    def __init__(self, outputs=1):
        super().__init__()
        self.layer = nn.Linear(8, outputs)

    def forward(self, inputs):
        return self.layer(inputs.values)


@pytest.fixture
def problem():
    values = torch.randn(200, 8, generator=torch.Generator().manual_seed(0))
    return Numbers(values), values[:, 3] / 2


def fit(networks, problem, recipe, auxiliary=None, held_out=None):
    auxiliary = torch.zeros(200, 0) if auxiliary is None else auxiliary
    shares: list[float] = []
    inputs, targets = problem
    generator = torch.Generator().manual_seed(0)
    targets = targets if targets.ndim > 1 else targets[:, None]
    fit_networks(networks, inputs, targets, auxiliary, recipe, generator, shares.append, held_out=held_out)
    return shares


def test_members_fitted_together_are_those_fitted_alone(problem):
    together, alone = [Linear(), Linear()], [Linear(), Linear()]
    for one, other in zip(together, alone, strict=True):
        other.load_state_dict(one.state_dict())
    recipe = FittingRecipe(epochs=3, learning_rate=0.05)
    fit(together, problem, recipe)
    for network in alone:
        fit([network], problem, recipe)
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one.layer.weight, other.layer.weight)
    assert not torch.allclose(together[0].layer.weight, together[1].layer.weight)


def test_learns_a_linear_function(problem):
    inputs, targets = problem
    network = Linear()
    shares = fit([network], problem, FittingRecipe(epochs=60, learning_rate=0.05, weight_decay=0.0))
    assert sum(shares) == pytest.approx(1)
    assert np.corrcoef(network(inputs).detach()[:, 0], targets)[0, 1] > 0.99


def test_learns_what_is_known_of_auxiliary_targets(problem):
    inputs, targets = problem
    other = inputs.values[:, 5:6].clone()
    other[::2] = math.nan
    network = Linear(outputs=2)
    fit([network], problem, FittingRecipe(epochs=60, learning_rate=0.05, weight_decay=0.0), other)
    outputs = network(inputs).detach()
    assert np.corrcoef(outputs[:, 0], targets)[0, 1] > 0.99
    assert np.corrcoef(outputs[::2, 1], inputs.values[::2, 5])[0, 1] > 0.99


def test_stops_when_the_loss_is_not_finite(problem):
    network = Linear()
    with torch.no_grad():
        network.layer.weight.fill_(math.inf)
    with pytest.raises(TrainingError, match="loss is not finite in epoch 0"):
        fit([network], problem, FittingRecipe(epochs=3))


def test_learns_what_is_known_of_several_targets(problem):
    inputs, targets = problem
    other = inputs.values[:, 5].clone()
    other[::2] = math.nan
    network = Linear(outputs=2)
    both = (inputs, torch.stack([other, targets], dim=1))
    fit([network], both, FittingRecipe(epochs=60, learning_rate=0.05, weight_decay=0.0))
    outputs = network(inputs).detach()
    assert np.corrcoef(outputs[::2, 0], inputs.values[::2, 5])[0, 1] > 0.99
    assert np.corrcoef(outputs[:, 1], targets)[0, 1] > 0.99


def test_a_member_learns_nothing_from_what_is_held_out_from_it(problem):
    inputs, targets = problem
    held_out = torch.zeros(2, 200, dtype=torch.bool)
    held_out[1, :150] = True
    auxiliary = inputs.values[:, 5:6].clone()
    weights = []
    for changed in (targets, torch.where(held_out[1], torch.randn(200), targets)):
        torch.manual_seed(0)
        networks = [Linear(outputs=2), Linear(outputs=2)]
        hidden = torch.where(held_out[1][:, None] & (changed != targets)[:, None], -auxiliary, auxiliary)
        fit(networks, (inputs, changed), FittingRecipe(epochs=3, learning_rate=0.05), hidden, held_out)
        weights.append([network.layer.weight.detach() for network in networks])
    torch.testing.assert_close(weights[0][1], weights[1][1])
    assert not torch.allclose(weights[0][0], weights[1][0])
