"""Fitting an ensemble of transformers to standardised targets: the loss, the schedule, the loop.

Small members are fitted together, as one network whose parameters have a member axis in front: on a CPU that takes half
the time of fitting them one after the other. Axes: M members, B batch, P targets, K auxiliary targets.
"""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from tart_nas.errors import TrainingError

__all__ = ["FittingRecipe", "Inputs", "fit_networks", "ranking_loss"]


@dataclass(frozen=True)
class FittingRecipe:
    """How networks are fitted: AdamW, a short warm-up, then cosine decay to zero.

    Args:
        epochs: passes over the training set.
        batch: architectures per step.
        learning_rate: the largest.
        weight_decay: of matrices and tables, not of biases and norms.
        ranking_weight: of the ranking loss, beside the squared error of the target.
        auxiliary_weight: of the squared error of auxiliary targets, beside that of the target itself.
    """

    epochs: int = 100
    batch: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    ranking_weight: float = 1.0
    auxiliary_weight: float = 1.0


class Inputs(Protocol):
    """What networks read, of any number of architectures; perhaps in a form that takes less space."""

    def take(self, rows: Tensor) -> Any:
        """What the networks are called with for some architectures (n,)."""
        ...


_WARM_UP = 0.05  # share of the steps
_CLIP = 1.0  # norm of a member's gradient


def ranking_loss(predictions: Tensor, targets: Tensor, seen: Tensor | None = None) -> Tensor:
    """Mean over all pairs of log(1 + exp(-d)), with d the prediction of the better minus that of the worse.

    Args:
        predictions: (..., B).
        targets: (B,), B >= 2. Equal ones say nothing of order: their pair adds a constant.
        seen: (..., B), False where a target does not count; None if all do.

    Returns:
        (...), 0 where no pair counts. RankNet's cross-entropy (Burges et al., ICML 2005).
    """
    first, second = torch.triu_indices(len(targets), len(targets), offset=1, device=targets.device)
    order = (targets[first] - targets[second]).sign()
    losses = functional.softplus(-order * (predictions[..., first] - predictions[..., second]))
    return losses.mean(dim=-1) if seen is None else _mean(losses, seen[..., first] & seen[..., second])


def _mean(values: Tensor, counts: Tensor) -> Tensor:
    """The mean over the last axis of the values that count; 0 where none does."""
    return (values * counts).sum(dim=-1) / counts.sum(dim=-1).clamp(min=1)


def fit_networks(
    networks: Sequence[nn.Module],
    inputs: Inputs,
    targets: Tensor,
    auxiliary: Tensor,
    recipe: FittingRecipe,
    generator: torch.Generator,
    advance: Callable[[float], None],
    together: bool = True,
    held_out: Tensor | None = None,
) -> None:
    """Fits networks in place: squared error plus :func:`ranking_loss`, plus the squared error of auxiliary targets.

    Of several targets the losses are added. What is not known, or is held out from a member, adds nothing to its loss.

    All see the same batches; they differ by their initial values and by what dropout draws for each.

    Args:
        networks: M of one shape, each from the inputs of B architectures to (B, P + K).
        inputs: of n architectures, n >= 2.
        targets: (n, P), standardised; NaN where unknown.
        auxiliary: (n, K), standardised; NaN where unknown. K may be 0.
        recipe: how.
        generator: of the order of the batches; what the networks draw comes from torch's global one.
        advance: called with each share of the steps done.
        together: whether one operation does the work of all members, which suits many small ones, or each member has
            operations of its own, which suits long sequences.
        held_out: (M, n), True where a member must not learn what is known of an architecture; None: nowhere.

    Raises:
        TrainingError: if the loss is no longer finite.
    """
    parameters, buffers = stack_module_state(list(networks))  # each (M, ...)
    template = copy.deepcopy(networks[0]).train()
    matrices = [parameter for parameter in parameters.values() if parameter.ndim > 2]
    vectors = [parameter for parameter in parameters.values() if parameter.ndim <= 2]
    groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate, betas=(0.9, 0.98), fused=True)
    n_batches = max(1, len(targets) // recipe.batch)  # all of nearly the same size, none tiny
    n_steps = recipe.epochs * n_batches

    def schedule(step: int) -> float:
        return min(1.0, (step + 1) / (_WARM_UP * n_steps)) * 0.5 * (1 + math.cos(math.pi * step / n_steps))

    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)
    for epoch in range(recipe.epochs):
        order = torch.randperm(len(targets), generator=generator)
        for rows in order.tensor_split(n_batches):
            batch = inputs.take(rows)
            forward = _together if together else _one_by_one
            outputs = forward(template, parameters, buffers, batch)  # (M, B, P + K)
            seen = None if held_out is None else ~held_out[:, rows]
            losses = _losses(outputs, targets[rows], auxiliary[rows], recipe, seen)
            optimizer.zero_grad()
            losses.sum().backward()  # type: ignore[no-untyped-call]
            _clip([parameter.grad for parameter in parameters.values() if parameter.grad is not None])
            optimizer.step()
            scheduler.step()
        if not losses.isfinite().all():
            raise TrainingError(f"The predictor's loss is not finite in epoch {epoch}: lower the learning rate.")
        advance(1 / recipe.epochs)
    with torch.no_grad():
        for member, network in enumerate(networks):
            for name, parameter in network.named_parameters():
                parameter.copy_(parameters[name][member])
            network.eval()


_Stacked = dict[str, Any]  # tensors (M, ...) by name


def _together(template: nn.Module, parameters: _Stacked, buffers: _Stacked, batch: Any) -> Tensor:
    forward = vmap(lambda p, b: functional_call(template, (p, b), (batch,)), randomness="different")
    with sdpa_kernel(SDPBackend.MATH):  # the others cannot be differentiated by the bias
        outputs: Tensor = forward(parameters, buffers)
    return outputs


def _one_by_one(template: nn.Module, parameters: _Stacked, buffers: _Stacked, batch: Any) -> Tensor:
    members = range(len(next(iter(parameters.values()))))
    by_member = [({k: v[m] for k, v in parameters.items()}, {k: v[m] for k, v in buffers.items()}) for m in members]
    return torch.stack([functional_call(template, tensors, (batch,)) for tensors in by_member])


def _losses(outputs: Tensor, targets: Tensor, auxiliary: Tensor, recipe: FittingRecipe, seen: Tensor | None) -> Tensor:
    """(M,) losses of outputs (M, B, P + K)."""
    losses = outputs.new_zeros(len(outputs))
    for p, target in enumerate(targets.unbind(dim=1)):
        predictions = outputs[..., p]
        is_labelled = target.isfinite()
        counted = is_labelled.expand_as(predictions) if seen is None else is_labelled & seen  # (M, B)
        target = target.nan_to_num()
        losses = losses + _mean((predictions - target).square(), counted)
        losses = losses + recipe.ranking_weight * ranking_loss(predictions, target, counted)
    if auxiliary.shape[1]:
        counted = auxiliary.isfinite() if seen is None else auxiliary.isfinite() & seen[..., None]
        errors = (outputs[..., targets.shape[1] :] - auxiliary.nan_to_num()).square() * counted
        losses = losses + recipe.auxiliary_weight * errors.mean(dim=(-2, -1))
    return losses


def _clip(gradients: list[Tensor]) -> None:
    """Scales each member's gradients, (M, ...) each, to a common norm of at most _CLIP."""
    norms = torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).sqrt()
    factors = (_CLIP / (norms + 1e-6)).clamp(max=1.0)  # (M,)
    for gradient in gradients:
        gradient.mul_(factors.view(-1, *[1] * (gradient.ndim - 1)))
