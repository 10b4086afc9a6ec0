"""How accurate a network is."""

import logging

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tart_nas.checks import number, whole
from tart_nas.devices import evaluating, is_out_of_memory, mixed_precision, on_device, resolve_device
from tart_nas.errors import DivergenceError, InsufficientMemoryError
from tart_nas.images import AnyImages, AnySplit, normalize

__all__ = ["BATCH_STATISTICS_BATCH", "accuracy", "evaluate", "evaluation_batch", "takes_batch_statistics"]

BATCH_STATISTICS_BATCH = 64
"""Images at once for a network that normalises by the statistics of its batch, as Knyazev et al. (NeurIPS 2021) do."""

_BATCH = 256  # without gradients more images fit than in training; where they do not, half as many are taken

_log = logging.getLogger(__name__)


def takes_batch_statistics(network: nn.Module) -> bool:
    """Whether a normalisation layer of the network tracks no statistics, so that its output depends on the batch."""
    return any(isinstance(module, _BatchNorm) and module.running_mean is None for module in network.modules())


def evaluation_batch(network: nn.Module) -> int:
    """Images at once in an evaluation."""
    return BATCH_STATISTICS_BATCH if takes_batch_statistics(network) else _BATCH


def evaluate(
    network: nn.Module,
    split: AnySplit,
    images: AnyImages,
    *,
    batch_size: int | None = None,
    noise: float = 0.0,
    seed: int = 0,
    device: torch.device | str | None = None,
    fill_last_batch: bool = True,
) -> float:
    """The share of a split that a network classifies correctly.

    A network whose batch normalisation tracks no statistics takes those of each batch. By default all its batches are
    then full, so that every image is judged among as many others: the last batch goes back to images that were judged
    already, which are not counted again.

    Args:
        network: maps normalised images (B, 3, H, W) to logits (B, classes). It is moved to the device; each of its
            modules is left in the mode, training or evaluation, that it was in.
        split: the images to classify.
        images: the data set that the network was trained on, by whose mean and deviation they are normalised.
        batch_size: images at once, at least 1; None for 64 where the statistics are those of the batch, else 256. Half
            as many, which the log says, if memory does not suffice.
        noise: standard deviation of Gaussian noise that is added to the images in [0, 1], not clipped; at least 0.
        seed: of the noise: with the same batch size and device, the same noise for every network.
        device: None for a GPU when there is one.
        fill_last_batch: False leaves the last batch as small as it is, as in the evaluations of Knyazev et al.

    Returns:
        In [0, 1].

    Raises:
        SettingError: if there is no such device, or another argument is out of range.
        DivergenceError: if the network's output is not finite.
        InsufficientMemoryError: if memory does not suffice for one image, or for a batch where its statistics count.
    """
    place = resolve_device(device)
    if batch_size is not None:
        whole("batch_size", batch_size, 1)
    number("noise", noise, 0)
    with on_device(network, place):
        return accuracy(network, split, images, batch_size, place, noise, seed, fill_last_batch)


def accuracy(
    network: nn.Module,
    split: AnySplit,
    images: AnyImages,
    batch_size: int | None,
    device: torch.device,
    noise: float = 0.0,
    seed: int = 0,
    fill_last_batch: bool = True,
) -> float:
    """As :func:`evaluate`, for a network that is on the device already."""
    batch_size = min(batch_size or evaluation_batch(network), len(split))
    while True:
        try:
            return _accuracy(network, split, images, batch_size, device, noise, seed, fill_last_batch)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        # With batch statistics, smaller batches would be a different measurement, not only a slower one.
        if takes_batch_statistics(network) or batch_size == 1:
            raise InsufficientMemoryError(f"An evaluation with {batch_size} images at once does not fit into memory.")
        _log.warning("an evaluation with %d images at once does not fit into memory: half as many", batch_size)
        batch_size //= 2


def _accuracy(
    network: nn.Module,
    split: AnySplit,
    images: AnyImages,
    batch_size: int,
    device: torch.device,
    noise: float,
    seed: int,
    fill_last_batch: bool,
) -> float:
    goes_back = fill_last_batch and takes_batch_statistics(network)
    last = len(split) - batch_size if goes_back else len(split)
    generator = torch.Generator(device).manual_seed(seed)
    # Not inference_mode: what a network keeps of its forward pass could not be trained with any more.
    with evaluating(network), torch.no_grad(), mixed_precision(device):
        # Both are tensors on the device: to read a number after each batch would make a GPU wait.
        correct = torch.zeros((), dtype=torch.int64, device=device)
        finite = torch.ones((), dtype=torch.bool, device=device)
        judged = range(0, len(split), batch_size)
        # A last batch that is filled up begins earlier; its first `new - first` images were judged in the batch before.
        firsts = [min(first, last) for first in judged]
        batches = split.batches([slice(first, first + batch_size) for first in firsts])
        for new, first, batch in zip(judged, firsts, batches, strict=True):
            pixels, labels = (tensor.to(device, non_blocking=True) for tensor in batch)
            inputs = normalize(pixels, images.mean, images.std)
            if noise:
                inputs.add_(_noise(inputs, noise, images, generator))
            logits = network(inputs)[new - first :]
            correct += (logits.argmax(1) == labels[new - first :]).sum()
            finite &= logits.isfinite().all()
    if not finite:
        raise DivergenceError("The network's output is not finite: its accuracy would mean nothing.")
    return int(correct) / len(split)


def _noise(like: Tensor, deviation: float, images: AnyImages, generator: torch.Generator) -> Tensor:
    """Gaussian noise on images in [0, 1], as it is once they are normalised."""
    drawn = torch.randn(like.shape, generator=generator, device=like.device)
    # A channel that never varies is not divided by its deviation either, see `normalize`.
    return drawn * (deviation / like.new_tensor([std or 1 for std in images.std]))[:, None, None]
