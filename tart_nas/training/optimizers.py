"""The optimizers of a recipe."""

from collections.abc import Iterable

import torch
from torch import nn
from torch.optim import Optimizer

from tart_nas.training.recipe import TrainingRecipe

__all__ = ["build_optimizer", "set_learning_rate"]


def build_optimizer(recipe: TrainingRecipe, parameters: Iterable[nn.Parameter], device: torch.device) -> Optimizer:
    """The optimizer that a recipe names, in its fused implementation where there is one.

    Args:
        recipe: gives the optimizer, its learning rate, weight decay and, for SGD, momentum.
        parameters: on the device.
        device: theirs.
    """
    # One kernel for all parameters: hundreds of small tensors would each cost a launch, or a call on a CPU.
    fused = True if device.type in ("cpu", "cuda") else None
    lr, weight_decay = recipe.lr, recipe.weight_decay
    match recipe.optimizer:
        case "sgd":
            return torch.optim.SGD(parameters, lr, recipe.momentum, weight_decay=weight_decay, fused=fused)
        case "adamw":
            return torch.optim.AdamW(parameters, lr, weight_decay=weight_decay, fused=fused)
        case "adam":
            return torch.optim.Adam(parameters, lr, weight_decay=weight_decay, fused=fused)


def set_learning_rate(optimizer: Optimizer, lr: float) -> None:
    """Sets the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = lr
