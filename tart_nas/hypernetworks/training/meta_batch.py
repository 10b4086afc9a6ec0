"""A step of a hypernetwork's training: gradients through predicted parameters of several networks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from tart_nas.devices import is_out_of_memory, mixed_precision, seed_rng
from tart_nas.hypernetworks.ghn import GHN
from tart_nas.hypernetworks.training.networks import PreparedNetwork
from tart_nas.hypernetworks.training.recipe import GHNRecipe
from tart_nas.networks import Network, build_network

__all__ = ["MetaBatchResult", "add_gradients"]


@dataclass(frozen=True)
class MetaBatchResult:
    """What the networks of a step did.

    Args:
        losses: of those that count, the cross-entropy with label smoothing, without the penalty of norms.
        correct: shares of the images that these classified correctly, in [0, 1].
        discarded: the draws of those whose loss or gradients were not finite, or that did not fit into memory.
    """

    losses: list[float]
    correct: list[float]
    discarded: list[int]


def add_gradients(
    ghn: GHN, group: Sequence[PreparedNetwork], images: Tensor, labels: Tensor, recipe: GHNRecipe, seed: int
) -> MetaBatchResult:
    """Adds to a hypernetwork's gradients those of the sum of the networks' losses.

    Gradients with respect to the predicted parameters are computed network by network, so that the intermediate results
    of one network at a time are in memory. They then go through the hypernetwork together.

    Args:
        ghn: on the images' device.
        group: the networks.
        images: (B, 3, H, W), augmented and normalised.
        labels: (B,).
        recipe: tells the loss.
        seed: of what is random in networks, such as dropped features.
    """
    classes, image_size = ghn.config.num_classes, images.shape[-1]
    networks = [_built(member, classes, image_size) for member in group]
    # For all networks at once: the hypernetwork's operations are small, and fewer larger ones are quicker.
    predictions = ghn.predict_many(networks, graphs=[member.inputs for member in group], keep_grads=True)
    outputs: list[Tensor] = []
    gradients: list[Tensor] = []
    result = MetaBatchResult([], [], [])
    for member, network, predicted in zip(group, networks, predictions, strict=True):
        # By the draw, not the place in the group, which depends on the number of processes.
        seed_rng(images.device, int(np.random.SeedSequence([seed, member.draw]).generate_state(1)[0]))
        try:
            loss, correct, found = _gradients_of(network, predicted, images, labels, recipe)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            loss, correct, found = float("nan"), 0.0, {}
            if images.device.type == "cuda":
                torch.cuda.empty_cache()
        if not np.isfinite(loss):
            result.discarded.append(member.draw)
            continue
        result.losses.append(loss)
        result.correct.append(correct)
        outputs += [predicted[name] for name in found]
        gradients += found.values()
    if outputs:
        torch.autograd.backward(outputs, gradients)
    return result


def _built(member: PreparedNetwork, num_classes: int, image_size: int) -> Network:
    network = build_network(member.architecture, num_classes, image_size, track_running_stats=False)
    if member.stem_stride is not None:
        convolution = network.stem.get_submodule("0")  # a simple stem's
        assert isinstance(convolution, nn.Conv2d)
        convolution.stride = (member.stem_stride, member.stem_stride)
    return network


def _gradients_of(
    network: Network, predicted: dict[str, Tensor], images: Tensor, labels: Tensor, recipe: GHNRecipe
) -> tuple[float, float, dict[str, Tensor]]:
    """Loss and accuracy of a network with predicted parameters, and the loss's gradients with respect to these.

    The loss is NaN where it or a gradient is not finite.
    """
    leaves = {name: _leaf(value) for name, value in predicted.items()}
    with mixed_precision(images.device):
        logits: Tensor = functional_call(network, leaves, (images,))
    # Outside of mixed precision: bfloat16 is too coarse for a loss.
    loss = cross_entropy(logits.float(), labels, label_smoothing=recipe.label_smoothing)
    objective = loss
    if recipe.norm_penalty:
        objective = loss + recipe.norm_penalty * torch.stack([leaf.norm() for leaf in leaves.values()]).sum()
    found = torch.autograd.grad(objective, list(leaves.values()), allow_unused=True)
    gradients = {name: value for name, value in zip(leaves, found, strict=True) if value is not None}
    correct = (logits.argmax(1) == labels).float().mean()
    # One number to look at, since each look makes a GPU wait: not finite if any part of it is not.
    total = torch.stack([loss.detach(), *(value.sum().float() for value in gradients.values())]).sum()
    is_finite = bool(total.isfinite())
    return float(loss.detach()) if is_finite else float("nan"), float(correct), gradients


def _leaf(value: Tensor) -> Tensor:
    """A predicted tensor without its history; convolutions are faster with images and weights channels last."""
    value = value.detach()
    if value.dim() == 4:
        value = value.contiguous(memory_format=torch.channels_last)
    return value.requires_grad_()
