"""Whether a network is compiled into CUDA graphs: decided by measuring."""

import copy
import logging
import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from tart_nas.devices import mixed_precision
from tart_nas.sgd.recipe import TrainingRecipe

__all__ = ["compiled_if_faster"]

_log = logging.getLogger(__name__)

_WARM_UP, _STEPS = 5, 10


def compiled_if_faster(
    network: nn.Module, recipe: TrainingRecipe, image_size: int, device: torch.device, compile: bool | None
) -> tuple[Callable[[Tensor], Any], bool]:
    """The network as it is called in training, and whether that is compiled.

    Networks whose ``drop_path_prob`` changes are not compiled, since each change would compile them anew; neither are
    those on CPUs, where compiling made the training of a DARTS network slower (1.5 against 1.1 s a step).

    Args:
        network: on the device, in training mode; its weights and statistics stay as they are.
        recipe: how it is trained.
        image_size: height and width of the images.
        device: where.
        compile: True or False to decide, None to measure a step of both.
    """
    if compile is False or device.type != "cuda" or recipe.drop_path:
        return network, False
    compiled = torch.compile(network, mode="reduce-overhead")
    if compile is None:
        trial = copy.deepcopy(network)  # whose statistics the steps may change
        images = torch.randn(recipe.batch_size, 3, image_size, image_size, device=device)
        images = images.contiguous(memory_format=torch.channels_last)
        eager, fast = (
            _step_seconds(forward, trial, images) for forward in (trial, torch.compile(trial, mode="reduce-overhead"))
        )
        _log.info("a step takes %.2f ms eagerly and %.2f ms compiled: %s", 1e3 * eager, 1e3 * fast, _taken(eager, fast))
        compile = fast < eager
    return (compiled, True) if compile else (network, False)


def _taken(eager: float, fast: float) -> str:
    return "compiled" if fast < eager else "not compiled"


def _step_seconds(forward: Callable[[Tensor], Any], network: nn.Module, images: Tensor) -> float:
    """Median time of forward and backward pass."""
    seconds = []
    for _ in range(_WARM_UP + _STEPS):
        network.zero_grad()
        torch.cuda.synchronize(images.device)
        start = time.perf_counter()
        with mixed_precision(images.device):
            output = forward(images)
        heads = (output,) if isinstance(output, Tensor) else output
        torch.stack([head.float().square().mean() for head in heads]).sum().backward()  # type: ignore[no-untyped-call]
        torch.cuda.synchronize(images.device)
        seconds.append(time.perf_counter() - start)
    return median(seconds[_WARM_UP:])
