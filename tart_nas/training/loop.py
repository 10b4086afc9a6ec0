"""Training one network: the loop."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tart_nas.checks import whole
from tart_nas.devices import forked_rng, on_device, resolve_device
from tart_nas.errors import ImageDataError, SettingError
from tart_nas.images import AnyImages
from tart_nas.training.bar import TrainingBar
from tart_nas.training.batches import EpochBatches
from tart_nas.training.checkpoint import Progress, read_checkpoint, restore, snapshot, write_checkpoint
from tart_nas.training.evaluation import accuracy
from tart_nas.training.gradients import gradients_of
from tart_nas.training.initial_weights import InitialWeights, digest, read_initial_weights, set_initial_weights
from tart_nas.training.memory import BatchParts
from tart_nas.training.meter import EpochMeter
from tart_nas.training.metrics import EpochMetrics, TrainingResult
from tart_nas.training.optimizers import build_optimizer, set_learning_rate
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
    initial_weights: InitialWeights | None = None,
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
    are added up: the same step, but that batch normalisation sees the parts one by one. The log says so.

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
        recipe: how, the optimizer included.
        seed: at least 0.
        initial_weights: what the training begins with instead of the weights that the network has: tensors by their
            names in its ``state_dict``, such as predicted ones, a safetensors file of these, or the folder of a trained
            network. What is missing in them stays as the network has it.
        device: None for a GPU when there is one.
        checkpoint: a file that is written after each epoch; if it is there, the training goes on from it, and whatever
            weights the network has are replaced.
        compile: on a GPU, True to compile the network, which takes minutes; False to call it operation by operation;
            None to capture a CUDA graph of it where that is faster, which the log tells. On CPUs networks are never
            compiled: measured there, it makes DARTS networks slower.
        on_epoch: called after each epoch; what it raises ends the training.
        progress: whether to show a progress bar on a terminal.

    Raises:
        SettingError: if the seed is no whole number of at least 0, there is no such device, nothing to train, or the
            network lacks the auxiliary head that the recipe needs.
        ImageDataError: if there is only one image to train on, or fewer than processes need.
        CheckpointError: if the checkpoint is that of another training, or no checkpoint; if the initial weights cannot
            be read or are of another network.
        DivergenceError: if the loss, or the trained network's output, is not finite.
        InsufficientMemoryError: if memory does not suffice for two images.
    """
    seed = whole("seed", seed, 0)  # as JSON can hold it
    place = resolve_device(device)
    processes = Processes.current()
    _check_trainable(network, images, processes)
    split, validation = images.train.to(place), images.validation.to(place)
    augmentation = images.augmentation(recipe.crop, recipe.flip, recipe.cutout)
    path = None if checkpoint is None else Path(checkpoint)
    identity: dict[str, Any] = {"recipe": recipe.to_dict(), "seed": seed, "processes": processes.count}
    if path is not None:
        # Only for a checkpoint: the fingerprint takes a pass over all images.
        identity["images"] = images.fingerprint
    if initial_weights is not None:
        given = read_initial_weights(initial_weights)
        set_initial_weights(network, given)
        identity["initial_weights"] = digest(given)  # only if given: checkpoints of the version before have no such key

    with forked_rng(place), on_device(network, place), TrainingBar(recipe.epochs, progress) as bar:
        optimizer = build_optimizer(recipe, network.parameters(), place)
        done = Progress()
        if path is not None and path.exists():
            tensors, done = read_checkpoint(path, identity)
            restore(tensors, network, optimizer)
            _log.info("going on after epoch %d of %d", len(done.epochs), recipe.epochs)
        processes.synchronized(network)  # the first rank's weights count
        done, compile = done.with_arithmetic(compile, place)
        gradients = gradients_of(
            network.train(), recipe, images.image_size, place, compile, len(split), processes=processes
        )
        batch_parts = BatchParts(done.parts, min(recipe.batch_size, len(split)))

        for epoch in range(len(done.epochs), recipe.epochs):
            start = time.perf_counter()
            # On the CPU, which has room where a GPU does not.
            undo = partial(restore, snapshot(network, optimizer), network, optimizer)
            for attempt in batch_parts.attempts(undo if processes.count == 1 else None):
                with attempt:
                    batches = EpochBatches(split, augmentation, recipe.batch_size, seed, epoch, processes, place)
                    meter = EpochMeter(batches, epoch, recipe, place)
                    network.train()
                    if hasattr(network, "drop_path_prob"):
                        network.drop_path_prob = recipe.drop_path_at(epoch)  # type: ignore[assignment]
                    for step, batch in enumerate(batches):
                        set_learning_rate(optimizer, recipe.lr_at((epoch + step / len(batches)) / recipe.epochs))
                        optimizer.zero_grad()
                        for part in batch.parts(batch_parts.count):
                            logits, loss = gradients(part.images, part.labels, part.weight)
                            meter.add(step, part, logits, loss)
                        if recipe.gradient_clip:
                            nn.utils.clip_grad_norm_(network.parameters(), recipe.gradient_clip)
                        optimizer.step()
                        meter.check_finite(step)
                        bar.step(epoch, step, len(batches))
            train_loss, train_accuracy = meter.totals(processes)
            training_seconds = time.perf_counter() - start  # totals() has waited for the device

            metrics = EpochMetrics(
                epoch=epoch + 1,
                train_loss=train_loss,
                train_accuracy=train_accuracy,
                validation_accuracy=processes.of_first(lambda: accuracy(network, validation, images, None, place)),
                lr=recipe.lr_at(epoch / recipe.epochs),
                seconds=time.perf_counter() - start,
            )
            done = done.after(metrics, training_seconds, batch_parts.count)
            if path is not None and processes.rank == 0:
                # Before `on_epoch`, which may end the training by an error: the epoch is kept.
                write_checkpoint(path, snapshot(network, optimizer), done, identity)
            bar.epoch(metrics)
            if on_epoch is not None:
                on_epoch(metrics)
        processes.synchronized(network)
        network.eval()
    return TrainingResult(done.epochs, recipe.epochs * len(split) / done.training_seconds)


def _check_trainable(network: nn.Module, images: AnyImages, processes: Processes) -> None:
    """Makes sure that there is something to train, and on enough images for batch normalisation.

    Raises:
        ImageDataError: if a process would have fewer than two images.
        SettingError: if the network has no parameters.
    """
    n, least = len(images.train), 2 * processes.count
    if n < least:
        few = "one image is" if n == 1 else f"{n} images are"
        raise ImageDataError(f"{images.source}: {few} too few to train on, expected at least {least}.")
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise SettingError("The network has no parameters to train.")
