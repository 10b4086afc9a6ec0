"""Training one network with SGD."""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tart_nas.devices import forked_rng, is_out_of_memory, on_device, resolve_device, seed_rng
from tart_nas.errors import ImageDataError, InsufficientMemoryError, SettingError
from tart_nas.images import AnyImages
from tart_nas.training.bar import TrainingBar
from tart_nas.training.checkpoint import Progress, read_checkpoint, restore, snapshot, write_checkpoint
from tart_nas.training.epoch import EpochLoop
from tart_nas.training.evaluation import accuracy
from tart_nas.training.gradients import EagerGradients, Gradients, gradients_of
from tart_nas.training.metrics import EpochMetrics, TrainingResult
from tart_nas.training.processes import Processes
from tart_nas.training.recipe import TrainingRecipe

__all__ = ["train"]

_log = logging.getLogger(__name__)


def train(
    network: nn.Module,
    images: AnyImages,
    recipe: TrainingRecipe,
    *,
    seed: int = 0,
    device: torch.device | str | None = None,
    checkpoint: Path | str | None = None,
    compile: bool | None = None,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
    progress: bool = False,
) -> TrainingResult:
    """Trains a network, in place.

    What is random (the order of the images, their augmentation, dropped paths and features) depends on the seed and the
    epoch alone: on a CPU, the same network, images, recipe and seed give the same weights bit for bit, with the same
    number of threads, whether the training was interrupted or not. torch's global random numbers are afterwards as they
    were.

    An epoch that does not fit into memory is begun again with each batch in two parts (in four, ...) whose gradients
    are added up: the same step of SGD, but that batch normalisation sees the parts one by one. The log says so.

    In the processes of a ``torch.distributed`` group, each of them calls this and trains on its part of every batch,
    with gradients averaged by DistributedDataParallel; batch normalisation takes the statistics of the part.

    Example:
        >>> from tart_nas.images import load_images
        >>> network = nn.Sequential(nn.AvgPool2d(4), nn.Flatten(), nn.Linear(192, 10))
        >>> result = train(network, load_images("digits"), TrainingRecipe(epochs=2), device="cpu")
        >>> len(result.epochs)
        2

    Args:
        network: maps normalised images (B, 3, H, W) to logits (B, classes); in training mode it may give a pair, these
            and the logits of an auxiliary head. An attribute ``drop_path_prob`` is set before each epoch. It is left
            on the device, in evaluation mode.
        images: the train split is trained on, the validation split is measured after each epoch.
        recipe: how.
        seed: at least 0.
        device: None for a GPU when there is one.
        checkpoint: a file that is written after each epoch; if it is there, the training goes on from it. The network
            must then have the initial weights, or any: they are replaced.
        compile: on a GPU, True to compile the network, which takes minutes; False to call it operation by operation;
            None to capture a CUDA graph of it where that is faster, which the log tells. On CPUs networks are never
            compiled: measured there, it makes DARTS networks slower.
        on_epoch: called after each epoch; what it raises ends the training.
        progress: whether to show a progress bar on a terminal.

    Raises:
        SettingError: if there is no such device, nothing to train, or the network lacks the auxiliary head that the
            recipe needs.
        ImageDataError: if there is only one image to train on, or fewer than processes need.
        CheckpointError: if the checkpoint is that of another training, or no checkpoint.
        DivergenceError: if the loss, or the trained network's output, is not finite.
        InsufficientMemoryError: if memory does not suffice for two images.
    """
    place = resolve_device(device)
    processes = Processes.current()
    if len(images.train) < 2 * processes.count:
        few = "one image is" if len(images.train) == 1 else f"{len(images.train)} images are"
        raise ImageDataError(f"{images.source}: {few} too few to train on, expected at least {2 * processes.count}.")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise SettingError("The network has no parameters to train.")
    split, validation = images.train.to(place), images.validation.to(place)
    augmentation = images.augmentation(recipe.crop, recipe.flip, recipe.cutout)
    path = None if checkpoint is None else Path(checkpoint)
    identity: dict[str, Any] = {"recipe": recipe.to_dict(), "seed": seed, "processes": processes.count}
    if path is not None:
        identity["images"] = images.fingerprint
    with forked_rng(place), on_device(network, place), TrainingBar(recipe.epochs, progress) as bar:
        optimizer = torch.optim.SGD(
            network.parameters(),
            recipe.lr,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            fused=True if place.type in ("cpu", "cuda") else None,
        )
        done = Progress()
        if path is not None and path.exists():
            tensors, done = read_checkpoint(path, identity)
            restore(tensors, network, optimizer)
            _log.info("going on after epoch %d of %d", len(done.epochs), recipe.epochs)
        processes.synchronized(network)
        if done.epochs and bool(compile) != done.compiled:  # another arithmetic than it began with
            compile = done.compiled or None
        done = replace(done, compiled=bool(compile) and place.type == "cuda")
        gradients: Gradients
        if processes.count > 1:
            gradients = EagerGradients(processes.distributed(network.train()), recipe)
        else:
            gradients = gradients_of(network.train(), recipe, images.image_size, place, compile, len(split))
        loop = EpochLoop(network, gradients, split, augmentation, optimizer, recipe, processes)
        for epoch in range(len(done.epochs), recipe.epochs):
            start = time.perf_counter()
            before = snapshot(network, optimizer)
            while True:
                order, own, reading = _seeded(place, seed, epoch, processes)
                if hasattr(network, "drop_path_prob"):
                    network.drop_path_prob = recipe.drop_path_at(epoch)  # type: ignore[assignment]
                network.train()
                try:
                    loss, train_accuracy = loop.run(epoch, order, own, reading, done.parts, bar)
                    break
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error) or processes.count > 1:
                        raise
                done = _in_more_parts(done, recipe, len(split))
                optimizer.zero_grad()
                restore(before, network, optimizer)
            seconds = time.perf_counter() - start
            validated = processes.of_first(lambda: accuracy(network, validation, images, None, place))
            metrics = EpochMetrics(
                epoch=epoch + 1,
                train_loss=loss,
                train_accuracy=train_accuracy,
                validation_accuracy=validated,
                lr=recipe.lr_at(epoch / recipe.epochs),
                seconds=time.perf_counter() - start,
            )
            done = done.after(metrics, seconds)
            if path is not None and processes.rank == 0:
                write_checkpoint(path, snapshot(network, optimizer), done, identity)
            bar.epoch(metrics)
            if on_epoch is not None:
                on_epoch(metrics)
        processes.synchronized(network)
        network.eval()
    return TrainingResult(done.epochs, recipe.epochs * len(split) / done.training_seconds)


def _seeded(
    device: torch.device, seed: int, epoch: int, processes: Processes
) -> tuple[torch.Generator, torch.Generator, int]:
    """Seeds what is random in an epoch: of it, not of what was drawn before, so that it can be repeated on its own.

    Returns:
        What draws the order of the images, alike in all processes; what draws their augmentation; the seed of what is
        random in reading them.
    """
    global_seed, order_seed = np.random.SeedSequence([seed, epoch]).generate_state(2).tolist()
    order = torch.Generator(device).manual_seed(order_seed)
    if processes.count == 1:
        seed_rng(device, global_seed)
        return order, order, global_seed
    global_seed, own_seed = np.random.SeedSequence([seed, epoch, processes.rank]).generate_state(2).tolist()
    seed_rng(device, global_seed)
    return order, torch.Generator(device).manual_seed(own_seed), global_seed


def _in_more_parts(done: Progress, recipe: TrainingRecipe, images: int) -> Progress:
    """With twice as many parts of a batch, because it did not fit into memory.

    Raises:
        InsufficientMemoryError: if a part would be less than two images.
    """
    size = min(recipe.batch_size, images)
    parts = 2 * done.parts
    if size // parts < 2:
        raise InsufficientMemoryError(
            f"The network does not fit into memory, not even with {size // done.parts} images at once."
        )
    _log.warning("a batch of %d does not fit into memory: gradients are added up over %d parts", size, parts)
    return replace(done, parts=parts)
