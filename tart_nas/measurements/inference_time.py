"""How long a network takes to classify a batch, measured so that a busy machine changes it little.

On a CPU, what counts is the processor time of the one thread that computes: it stands still while other processes have
the core. Caches and memory are shared all the same, so a reference network is timed in turns with the network: their
ratio compares networks that were timed at different moments or on different machines of a kind.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from statistics import median

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from tart_nas.checks import whole
from tart_nas.devices import evaluating, forked_rng, mixed_precision, on_device, resolve_device

__all__ = ["InferenceTime", "inference_time", "threads"]

_WARM_UP = 3  # passes, in which caches fill and libraries choose their algorithms


@dataclass(frozen=True)
class InferenceTime:
    """Medians of several passes.

    Args:
        milliseconds: of the network, for a batch.
        reference: milliseconds of the reference network, for a batch of the same images, timed in turns with it.
        relative: of the passes of both, each pair's ratio. Other work on the machine changes it less than it changes
            the ratio of the two medians, since it slows down neighbouring passes alike.
    """

    milliseconds: float
    reference: float
    relative: float


def inference_time(
    network: nn.Module,
    image_size: int,
    *,
    batch_size: int = 64,
    passes: int = 15,
    device: torch.device | str | None = None,
) -> InferenceTime:
    """Measures the time of a forward pass in evaluation mode, after passes that are not counted.

    Args:
        network: maps images (B, 3, image_size, image_size) to logits. It is moved to the device; each of its modules
            is left in the mode that it was in, and so are torch's global random numbers.
        image_size: height and width, in pixels.
        batch_size: images at once, at least 1.
        passes: how many are timed, at least 1.
        device: None for a GPU when there is one. On a CPU one thread computes, and its processor time counts.

    Raises:
        SettingError: if an argument is out of range, or there is no such device.
    """
    for name, value in (("image_size", image_size), ("batch_size", batch_size), ("passes", passes)):
        whole(name, value, 1)
    place = resolve_device(device)
    reference = _reference().to(place)
    with forked_rng(place):
        images = torch.rand(batch_size, 3, image_size, image_size, device=place)
        images = images.contiguous(memory_format=torch.channels_last)
        if any(map(is_lazy, network.parameters())):  # which has no parameters before its first run
            with evaluating(network), torch.no_grad():
                network.to(place)(images)
        # One thread, since the clock below counts the time of the calling thread alone.
        with evaluating(network), threads(1), on_device(network, place), torch.inference_mode(), mixed_precision(place):
            for _ in range(_WARM_UP):
                network(images)
                reference(images)
            # In turns: what slows the machine down for a while then slows both.
            seconds = [(_seconds(network, images), _seconds(reference, images)) for _ in range(passes)]
    own, others = (1000 * median(column) for column in zip(*seconds, strict=True))
    return InferenceTime(own, others, median(own / other for own, other in seconds))


@contextmanager
def threads(count: int) -> Iterator[None]:
    """Inside, torch computes with so many threads of the CPU."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _seconds(network: nn.Module, images: torch.Tensor) -> float:
    if images.device.type != "cpu":
        synchronize = torch.get_device_module(images.device).synchronize
        # A GPU computes behind Python's back: both moments are those at which it has nothing left to do.
        synchronize()
        start = time.perf_counter()
        network(images)
        synchronize()
        return time.perf_counter() - start
    start = time.thread_time()
    network(images)
    return time.thread_time() - start


@cache
def _reference() -> nn.Module:
    """Four convolutions of 16 channels, always with the same weights."""
    layers: list[nn.Module] = []
    with forked_rng(torch.device("cpu")):
        torch.manual_seed(0)
        for channels in (3, 16, 16, 16):
            layers += [nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU()]
        network = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    return network.eval().requires_grad_(False)
