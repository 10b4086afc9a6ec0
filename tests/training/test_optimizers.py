"""The optimizers of a recipe, compared with PyTorch's own."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tart_nas.errors import SettingError
from tart_nas.images import normalize
from tart_nas.training import TrainingRecipe, train
from tests.training.test_training import weights

PLAIN = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def linear():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(48, 10))


@pytest.mark.parametrize(("name", "options"), [("sgd", {"momentum": 0.9}), ("adam", {}), ("adamw", {})])
def test_steps_are_those_of_plain_pytorch(name, options, few):
    recipe = TrainingRecipe(2, batch_size=97, lr=0.01, weight_decay=0.1, crop=0, flip=False, optimizer=name)
    network, reference = linear(), linear()
    train(network, few, recipe, device="cpu")
    optimizer = PLAIN[name](reference.parameters(), lr=0.01, weight_decay=0.1, **options)
    for epoch in range(2):
        optimizer.param_groups[0]["lr"] = recipe.lr_at(epoch / 2)
        optimizer.zero_grad()
        cross_entropy(reference(normalize(few.train.images, few.mean, few.std)), few.train.labels).backward()
        optimizer.step()
    torch.testing.assert_close(weights(network), weights(reference), atol=1e-6, rtol=1e-4)


def test_another_optimizer_takes_its_learning_rate_along():
    recipe = TrainingRecipe(lr=0.1)
    assert recipe.adjusted(optimizer="adamw", epochs=None) == TrainingRecipe(lr=0.001, optimizer="adamw")
    assert recipe.adjusted(optimizer="adam", lr=0.01).lr == 0.01
    assert recipe.adjusted(optimizer="sgd", epochs=3) == TrainingRecipe(epochs=3, lr=0.1)
    tuned = TrainingRecipe(lr=0.003, optimizer="adamw")
    assert tuned.adjusted(optimizer="adam").lr == 0.003


def test_no_such_optimizer():
    with pytest.raises(SettingError, match="`optimizer` must be one of sgd, adamw, adam, but got 'lion'"):
        TrainingRecipe.from_dict({"optimizer": "lion"})
