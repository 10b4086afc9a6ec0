import json
import math

import pytest
import torch

from tart_nas.errors import SettingError
from tart_nas.training import TrainingRecipe


def test_defaults_are_those_of_darts():
    recipe = TrainingRecipe()
    assert (recipe.batch_size, recipe.lr, recipe.momentum, recipe.weight_decay) == (96, 0.025, 0.9, 3e-4)
    assert recipe.gradient_clip == 5


def test_round_trip_through_json():
    recipe = TrainingRecipe(epochs=600, cutout=16, drop_path=0.2, auxiliary=0.4, flip=False, label_smoothing=0.1)
    assert TrainingRecipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe
    assert TrainingRecipe.from_dict({"epochs": 3}) == TrainingRecipe(epochs=3)


def test_unknown_setting():
    with pytest.raises(SettingError, match="Unknown setting 'learning_rate' of a recipe: expected some of epochs, "):
        TrainingRecipe.from_dict({"learning_rate": 0.1})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("epochs", 0, "a whole number of at least 1"),
        ("epochs", 2.0, "a whole number of at least 1"),
        ("epochs", True, "a whole number of at least 1"),
        ("batch_size", 1, "a whole number of at least 2"),
        ("batch_size", "96", "a whole number of at least 2"),
        ("lr", -0.1, r"a number in \[0, inf\)"),
        ("lr", math.nan, r"a number in \[0, inf\)"),
        ("lr", math.inf, r"a number in \[0, inf\)"),
        ("lr_min", -1, r"a number in \[0, inf\)"),
        ("momentum", 1.0, r"a number in \[0, 1\)"),
        ("weight_decay", -1e-4, r"a number in \[0, inf\)"),
        ("crop", -1, "a whole number of at least 0"),
        ("cutout", 1.5, "a whole number of at least 0"),
        ("flip", 1, "true or false"),
        ("drop_path", 1.0, r"a number in \[0, 1\)"),
        ("auxiliary", None, r"a number in \[0, inf\)"),
        ("label_smoothing", -0.1, r"a number in \[0, 1\)"),
        ("gradient_clip", -5.0, r"a number in \[0, inf\)"),
    ],
)
def test_out_of_range(name, value, expected):
    with pytest.raises(SettingError, match=rf"`{name}` must be {expected}, but got "):
        TrainingRecipe(**{name: value})


@pytest.mark.parametrize(("lr", "lr_min"), [(0.0, 0.0), (0.1, 0.2)])
def test_learning_rates(lr, lr_min):
    with pytest.raises(SettingError, match=f"`lr` must be above 0 and at least `lr_min`, but got {lr} and {lr_min}"):
        TrainingRecipe(lr=lr, lr_min=lr_min)


@pytest.mark.parametrize("lr_min", [0.0, 0.001])
def test_learning_rate_at_each_epoch_as_torch(lr_min):
    recipe = TrainingRecipe(epochs=30, lr_min=lr_min)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=recipe.lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=30, eta_min=lr_min)
    for epoch in range(31):
        assert recipe.lr_at(epoch / 30) == pytest.approx(schedule.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        schedule.step()


def test_drop_path_rises_linearly():
    recipe = TrainingRecipe(epochs=4, drop_path=0.2)
    assert [recipe.drop_path_at(epoch) for epoch in range(4)] == pytest.approx([0, 0.05, 0.1, 0.15])
