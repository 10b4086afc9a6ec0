"""The forward and backward pass of a batch: operation by operation, as one CUDA graph, or compiled.

The networks of a search are many small operations, whose launches take longer than the GPU's work. A CUDA graph
launches all of them at once; capturing it takes a few seconds. Compiling a network takes a minute or more, which is
longer than many trainings of a search, so that it is never done unasked.
"""

import logging
import time
import warnings
from collections.abc import Callable
from statistics import median
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tart_nas.devices import is_out_of_memory, mixed_precision, renew_generator
from tart_nas.errors import SettingError, first_line
from tart_nas.training.processes import Processes
from tart_nas.training.recipe import TrainingRecipe

__all__ = ["EagerGradients", "Gradients", "gradients_of"]

_log = logging.getLogger(__name__)

_ALONE = Processes()  # one, which needs no group
# Passes before a capture, in which libraries choose their algorithms: PyTorch's own examples make 3. The median of ten
# steps is not moved by a slow one.
_WARM_UP, _STEPS = 3, 10
_FEW_STEPS = 200  # a training of fewer is over before a capture has paid


class Gradients(Protocol):
    """Computes what a step needs."""

    def __call__(self, images: Tensor, labels: Tensor, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        """Adds the gradients of a weighted loss to those of the parameters.

        Args:
            images: (B, 3, H, W), augmented.
            labels: (B,).
            weight: of the loss.

        Returns:
            Logits (B, classes) and loss, which are overwritten by the next call.
        """
        ...


class EagerGradients:
    """Operation by operation, in mixed precision on GPUs.

    Args:
        forward: the network as it is called: itself, compiled, or distributed.
        recipe: tells the loss.
    """

    def __init__(self, forward: Callable[[Tensor], Any], recipe: TrainingRecipe) -> None:
        self._forward, self._recipe = forward, recipe

    def __call__(self, images: Tensor, labels: Tensor, weight: float = 1.0) -> tuple[Tensor, Tensor]:  # noqa: D102
        with mixed_precision(images.device):
            logits, loss = _logits_and_loss(self._forward(images), labels, self._recipe)
        (loss if weight == 1 else loss * weight).backward()  # type: ignore[no-untyped-call]
        return logits.detach(), loss.detach()


class Captured:
    """One CUDA graph for all whole batches; other ones are computed operation by operation.

    Args:
        network: on a GPU, in training mode. Its statistics change.
        recipe: tells the loss.
        images: (B, 3, H, W), any of the size of a whole batch.
        labels: (B,).

    Raises:
        RuntimeError: if the network does what a graph cannot hold, such as to wait for the GPU.
    """

    def __init__(self, network: nn.Module, recipe: TrainingRecipe, images: Tensor, labels: Tensor) -> None:
        self._network, self._recipe = network, recipe
        self._others = EagerGradients(network, recipe)
        self._parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
        # A graph reads and writes at fixed addresses: each batch is copied into these tensors.
        self._images, self._labels = images.clone(), labels.clone()
        # Warmed up on a stream of its own, as PyTorch's notes on CUDA graphs prescribe.
        stream = torch.cuda.Stream(images.device)  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream(images.device))
        with torch.cuda.stream(stream):
            for _ in range(_WARM_UP):
                self._computed()
        torch.cuda.current_stream(images.device).wait_stream(stream)
        self._graph = torch.cuda.CUDAGraph()
        with warnings.catch_warnings(), torch.cuda.graph(self._graph):
            warnings.simplefilter("ignore")  # of streams that do not matter here
            self._logits, self._loss, self._gradients = self._computed()

    def _computed(self) -> tuple[Tensor, Tensor, list[Tensor | None]]:
        with mixed_precision(self._images.device, cached=False):
            logits, loss = _logits_and_loss(self._network(self._images), self._labels, self._recipe)
        # Not `backward`, which would add to what `grad` holds at each replay. Operations that do not reach the output
        # give None.
        found = torch.autograd.grad(loss, self._parameters, allow_unused=True)
        # In the parameter's memory layout, in which `backward` would have left it in `grad`.
        laid_out: list[Tensor | None] = [
            gradient if gradient is None or gradient.stride() == own.stride() else torch.empty_like(own).copy_(gradient)
            for gradient, own in zip(found, self._parameters, strict=True)
        ]
        return logits.detach(), loss.detach(), laid_out

    def __call__(self, images: Tensor, labels: Tensor, weight: float = 1.0) -> tuple[Tensor, Tensor]:
        if images.shape != self._images.shape or weight != 1:
            return self._others(images, labels, weight)
        self._images.copy_(images)
        self._labels.copy_(labels)
        self._graph.replay()
        # The graph writes gradients into tensors of its own: no copies, no accumulation.
        for parameter, gradient in zip(self._parameters, self._gradients, strict=True):
            parameter.grad = gradient
        return self._logits, self._loss


def gradients_of(
    network: nn.Module,
    recipe: TrainingRecipe,
    image_size: int,
    device: torch.device,
    compile: bool | None,
    images_of_an_epoch: int,
    processes: Processes = _ALONE,
) -> Gradients:
    """How a network's gradients are computed.

    Networks whose ``drop_path_prob`` changes are computed operation by operation, since a graph is always the same; so
    are all on CPUs, where compiling made the training of a DARTS network slower (1.5 against 1.1 s a step).

    Args:
        network: on the device, in training mode; its weights and statistics stay as they are.
        recipe: how it is trained.
        image_size: height and width of the images.
        device: where.
        compile: True to compile the network, False to do nothing of the kind, None to capture a CUDA graph and use it
            if it is faster.
        images_of_an_epoch: tells, with the recipe, the number of steps, of which few are not worth a capture.
        processes: that train the network together, operation by operation.
    """
    if processes.count > 1:
        return EagerGradients(processes.distributed(network), recipe)
    one_by_one = EagerGradients(network, recipe)
    steps = recipe.epochs * (images_of_an_epoch // recipe.batch_size)
    if compile is False or device.type != "cuda" or recipe.drop_path or (compile is None and steps < _FEW_STEPS):
        return one_by_one
    if compile:
        # The mode that launches the compiled kernels as a CUDA graph.
        fast = torch.compile(network, mode="reduce-overhead")
        size = recipe.batch_size  # for another it would be compiled anew
        return EagerGradients(lambda images: (fast if len(images) == size else network)(images), recipe)
    images = torch.randn(recipe.batch_size, 3, image_size, image_size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(len(images), dtype=torch.int64, device=device)
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    try:
        plain = _step_seconds(one_by_one, network, images, labels)
        captured = Captured(network, recipe, images, labels)
        seconds = _step_seconds(captured, network, images, labels)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            _log.info("no CUDA graph can be captured of the network: %s", first_line(error))
        renew_generator(device)
        return one_by_one
    finally:
        network.zero_grad()
        for name, buffer in network.named_buffers():
            buffer.copy_(buffers[name])
    taken = "CUDA graph" if seconds < plain else "no CUDA graph"
    _log.info("a step takes %.2f ms as it is and %.2f ms as a CUDA graph: %s", 1e3 * plain, 1e3 * seconds, taken)
    return captured if seconds < plain else one_by_one


def _step_seconds(gradients: Gradients, network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Median time of forward and backward pass."""
    seconds = []
    for _ in range(_WARM_UP + _STEPS):
        network.zero_grad()
        torch.cuda.synchronize(images.device)
        start = time.perf_counter()
        gradients(images, labels)
        torch.cuda.synchronize(images.device)
        seconds.append(time.perf_counter() - start)
    return median(seconds[_WARM_UP:])


def _logits_and_loss(
    output: Tensor | tuple[Tensor, Tensor], labels: Tensor, recipe: TrainingRecipe
) -> tuple[Tensor, Tensor]:
    """The logits of the main head, and the loss of both heads."""
    logits, *auxiliary = (output,) if isinstance(output, Tensor) else output
    loss = cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    if recipe.auxiliary:
        if not auxiliary:
            raise SettingError(
                f"The recipe gives the auxiliary head a weight of {recipe.auxiliary}, but the network has none."
            )
        loss = loss + recipe.auxiliary * cross_entropy(auxiliary[0], labels, label_smoothing=recipe.label_smoothing)
    return logits, loss
