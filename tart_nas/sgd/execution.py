"""How a network is called in training on a GPU: operation by operation, as CUDA graphs, or compiled.

The networks of a search are many small operations, whose launches take longer than the GPU's work. CUDA graphs launch
all of a forward or a backward pass at once. To capture them takes seconds, to compile the network a minute or more.
"""

import logging
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn

from tart_nas.devices import is_out_of_memory, mixed_precision
from tart_nas.sgd.recipe import TrainingRecipe

__all__ = ["training_forward"]

_log = logging.getLogger(__name__)

_WARM_UP, _STEPS = 3, 10
_FEW_STEPS = 200  # a training of fewer is over before a capture has paid

Forward = Callable[[Tensor], Any]


def training_forward(
    network: nn.Module,
    recipe: TrainingRecipe,
    image_size: int,
    device: torch.device,
    compile: bool | None,
    images_of_an_epoch: int,
) -> Forward:
    """The network as it is called in training.

    Networks whose ``drop_path_prob`` changes are called as they are, since a graph is always the same; so are all on
    CPUs, where compiling made the training of a DARTS network slower (1.5 against 1.1 s a step). Batches of another
    size than the recipe's are given to the network itself.

    Args:
        network: on the device, in training mode; its weights and statistics stay as they are.
        recipe: how it is trained.
        image_size: height and width of the images.
        device: where.
        compile: True to compile it, False to call it as it is, None to capture CUDA graphs and take what is faster.
        images_of_an_epoch: tells, with the recipe, the number of steps, of which few are not worth a capture.
    """
    steps = recipe.epochs * (images_of_an_epoch // recipe.batch_size)
    if compile is False or device.type != "cuda" or recipe.drop_path or (compile is None and steps < _FEW_STEPS):
        return network
    if compile:
        return _for_whole_batches(torch.compile(network, mode="reduce-overhead"), network, recipe)
    images = torch.randn(recipe.batch_size, 3, image_size, image_size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        plain = _step_seconds(network, network, images)
        captured = _captured(network, images)
        fast = _step_seconds(captured, network, images)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            _log.info("CUDA graphs cannot be captured of the network: %s", str(error).splitlines()[0])
        return network
    finally:
        network.zero_grad()
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
    taken = "CUDA graphs" if fast < plain else "no CUDA graphs"
    _log.info("a step takes %.2f ms as it is and %.2f ms as CUDA graphs: %s", 1e3 * plain, 1e3 * fast, taken)
    return _for_whole_batches(captured, network, recipe) if fast < plain else network


class _Uncached(nn.Module):
    """The network in mixed precision, without the cache of casted weights, which graphs must not share."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Any:
        with mixed_precision(images.device, cached=False):
            return self.network(images)


def _captured(network: nn.Module, images: Tensor) -> Forward:
    with warnings.catch_warnings():  # of streams that do not matter here
        warnings.simplefilter("ignore")
        graphs: Forward = torch.cuda.make_graphed_callables(_Uncached(network), (images,))
    return graphs


def _for_whole_batches(fast: Forward, network: nn.Module, recipe: TrainingRecipe) -> Forward:
    return lambda images: (fast if len(images) == recipe.batch_size else network)(images)


def _step_seconds(forward: Forward, network: nn.Module, images: Tensor) -> float:
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
