"""The recipe: its learning rates against PyTorch's schedulers, which the reference script combines."""

import pytest
import torch
from torch.optim import SGD
from torch.optim.lr_scheduler import LinearLR, StepLR

from tart_nas.detection import DetectionRecipe
from tart_nas.errors import SettingError


@pytest.mark.parametrize("steps", [1, 2, 60, 1100])
def test_learning_rates_are_those_of_the_reference_script(steps):
    recipe = DetectionRecipe(epochs=4)  # one decay
    optimizer = SGD([torch.zeros(1, requires_grad=True)], lr=0.005)
    decay = StepLR(optimizer, step_size=3, gamma=0.1)
    for epoch in range(recipe.epochs):
        warmup = LinearLR(optimizer, 1e-3, total_iters=min(1000, steps - 1)) if epoch == 0 and steps > 1 else None
        for step in range(steps):
            assert recipe.lr_at(epoch, step, steps) == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-9)
            optimizer.step()
            if warmup is not None:
                warmup.step()
        decay.step()


def test_the_published_recipe_and_others():
    recipe = DetectionRecipe()
    assert recipe.to_dict() == {
        "epochs": 10, "batch_size": 2, "lr": 0.005, "lr_step": 3, "lr_factor": 0.1, "momentum": 0.9,
        "weight_decay": 5e-4, "flip": True, "regions": 512,
    }  # fmt: skip
    other = recipe.adjusted(epochs=3, lr=None)
    assert (other.epochs, other.lr) == (3, 0.005)
    assert DetectionRecipe.from_dict({"epochs": 3}) == other


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": 0}, "`epochs` must be a whole number of at least 1, but got 0"),
        ({"lr": 0.0}, "`lr` must be a number above 0"),
        ({"lr": float("nan")}, "`lr` must be"),
        ({"momentum": 1.0}, "`momentum` must be"),
        ({"flip": 1}, "`flip` must be true or false"),
        ({"warmth": 1}, "Unknown setting 'warmth'"),
    ],
)
def test_wrong_settings(values, said):
    with pytest.raises(SettingError, match=said):
        DetectionRecipe.from_dict(values)
