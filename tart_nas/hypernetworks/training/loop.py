"""Training a graph hypernetwork: the loop."""

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tart_nas.checks import whole
from tart_nas.devices import forked_rng, resolve_device
from tart_nas.errors import DivergenceError, SettingError
from tart_nas.hypernetworks.ghn import GHN
from tart_nas.hypernetworks.training.checkpoint import TRAINING_FILE, EpochSums, GHNProgress
from tart_nas.hypernetworks.training.images import StepImages
from tart_nas.hypernetworks.training.meta_batch import MetaBatchResult, add_gradients
from tart_nas.hypernetworks.training.networks import (
    MetaBatches,
    NetworkSource,
    PreparedNetwork,
    Preparer,
    SampledNetworks,
)
from tart_nas.hypernetworks.training.recipe import GHNRecipe
from tart_nas.images import AnyImages
from tart_nas.training import TrainingRecipe
from tart_nas.training.checkpoint import restore, snapshot
from tart_nas.training.optimizers import build_optimizer, set_learning_rate
from tart_nas.training.processes import Processes

__all__ = ["train_ghn"]

_log = logging.getLogger(__name__)

# An epoch in which more networks than one in fifty are thrown away ends the training, as in the published code; a few
# say nothing, in short epochs too.
_DISCARDED_SHARE, _DISCARDED_LEAST = 1 / 50, 10


def train_ghn(
    ghn: GHN,
    images: AnyImages,
    recipe: GHNRecipe,
    *,
    networks: NetworkSource | None = None,
    seed: int = 0,
    workers: int = 0,
    device: torch.device | str | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_steps: int = 100,
    progress: Callable[[GHNProgress, int], None] | None = None,
) -> GHNProgress:
    """Trains a graph hypernetwork, in place.

    What is random depends on the seed and the step alone: on a CPU, the same hypernetwork, images, recipe, networks
    and seed give the same weights bit for bit, with the same number of threads, whether the training was interrupted
    or not and however many workers there are. torch's global random numbers are afterwards as they were.

    A network whose loss or gradients are not finite, or that does not fit into a GPU's memory, is thrown away and
    counted; if no network of a step is left, others are drawn for the same images.

    In the processes of a ``torch.distributed`` group, each of them calls this and takes its share of the networks of
    each step, with the same images. Gradients are averaged over all networks, so that the result is that of one process
    but for rounding.

    Args:
        ghn: the hypernetwork. It is left on the device.
        images: the train split is trained on.
        recipe: how.
        networks: the networks that it is trained on; None to draw them by the rules of DeepNets-1M.
        seed: at least 0.
        workers: number of processes that prepare networks ahead; 0 to prepare them in this one. With others, a script
            must guard what it runs by ``if __name__ == "__main__"``.
        device: None for a GPU when there is one.
        checkpoint: a file that is written now and then; if it is there, the training goes on from it.
        checkpoint_steps: steps between two writings of it, at least 1.
        progress: called after each step with what is done, and the number of all steps.

    Returns:
        What was done.

    Raises:
        SettingError: if there is no such device, an argument is out of range, the hypernetwork has another number of
            classes than the images, or no network is within the recipe's limits.
        CheckpointError: if the checkpoint is that of another training, or no checkpoint.
        DivergenceError: if too many networks had to be thrown away.
        MachineError: if a worker process was killed.
    """
    whole("seed", seed)
    whole("workers", workers)
    whole("checkpoint_steps", checkpoint_steps, 1)
    if ghn.config.num_classes != len(images.classes):
        raise SettingError(
            f"The hypernetwork has {ghn.config.num_classes} classes, but {images.name} has {len(images.classes)}."
        )
    place, processes = resolve_device(device), Processes.current()
    if recipe.meta_batch % processes.count:
        raise SettingError(
            f"`meta_batch` must be a multiple of the {processes.count} processes, but got {recipe.meta_batch}."
        )
    batches = StepImages(images, recipe, seed, place)
    source = SampledNetworks(recipe.networks, seed) if networks is None else networks
    preparer = Preparer(source, ghn.config, recipe, len(images.classes), images.image_size, seed)
    path = None if checkpoint is None else Path(checkpoint)
    identity: dict[str, Any] = {"recipe": recipe.to_dict(), "config": ghn.config.as_dict(), "seed": seed}
    identity |= {"source": dict(source.settings)}
    if path is not None:
        identity["images"] = images.fingerprint

    with forked_rng(place):
        ghn.to(place).train()
        settings = TrainingRecipe(optimizer=recipe.optimizer, lr=recipe.lr, weight_decay=recipe.weight_decay)
        optimizer = build_optimizer(settings, ghn.parameters(), place)
        done = GHNProgress()
        if path is not None and path.exists():
            tensors, done = TRAINING_FILE.read(path, identity)
            restore(tensors, ghn, optimizer)
            _log.info("going on after step %d of %d", done.step, recipe.epochs * batches.steps_per_epoch)
        processes.synchronized(ghn)  # the first rank's weights count
        steps = recipe.epochs * batches.steps_per_epoch
        groups = MetaBatches(preparer, recipe.meta_batch, recipe.max_nodes, done.next_draw, workers)
        with groups.running() as running:
            while done.step < steps:
                start, cpu_start = time.perf_counter(), time.process_time()
                epoch = done.step // batches.steps_per_epoch
                if epoch == len(done.epochs):
                    done = replace(done, epochs=(*done.epochs, EpochSums()))
                set_learning_rate(optimizer, recipe.lr_at(epoch))
                sums = _step(ghn, optimizer, running, batches(done.step), recipe, processes, done, seed)
                taken = EpochSums(seconds=time.perf_counter() - start, cpu_seconds=time.process_time() - cpu_start)
                done = GHNProgress(done.step + 1, groups.next, (*done.epochs[:-1], done.epochs[-1] + sums + taken))
                is_time = done.step % checkpoint_steps == 0 or done.step == steps
                if path is not None and processes.rank == 0 and is_time:
                    TRAINING_FILE.write(path, snapshot(ghn, optimizer), done, identity)
                if progress is not None:
                    progress(done, steps)
        ghn.eval()
    return done


def _step(
    ghn: GHN,
    optimizer: torch.optim.Optimizer,
    groups: Iterator[list[PreparedNetwork]],
    batch: tuple[Tensor, Tensor],
    recipe: GHNRecipe,
    processes: Processes,
    done: GHNProgress,
    seed: int,
) -> EpochSums:
    """One step of the optimizer, on the first meta-batch that gives finite gradients."""
    step_seed = int(np.random.SeedSequence([seed, done.step]).generate_state(1)[0])
    sums = EpochSums()
    limit = max(_DISCARDED_LEAST, _DISCARDED_SHARE * done.epochs[-1].networks)
    while True:
        # Largest first and dealt out, so that processes have about as many nodes each.
        group = sorted(next(groups), key=lambda member: -member.inputs.num_nodes)
        optimizer.zero_grad()
        result = add_gradients(ghn, group[processes.rank :: processes.count], *batch, recipe, step_seed)
        found = _reduced(ghn, result, processes)
        if found.networks:
            norm = nn.utils.clip_grad_norm_(ghn.parameters(), recipe.gradient_clip or float("inf"))
            if norm.isfinite():
                optimizer.step()
                return sums + found
            found = EpochSums(discarded=found.discarded + found.networks)
        sums = sums + found
        _check_discarded(done, sums, limit)


def _check_discarded(done: GHNProgress, sums: EpochSums, limit: float) -> None:
    discarded = done.epochs[-1].discarded + sums.discarded
    if discarded > limit:
        raise DivergenceError(
            f"The training diverged: {discarded} networks of epoch {len(done.epochs)} gave numbers that are not finite "
            "or did not fit into memory. A lower learning rate, or another seed, may help."
        )


def _reduced(ghn: GHN, result: MetaBatchResult, processes: Processes) -> EpochSums:
    """The sums over all processes, which are then the same in each; gradients are the mean over all networks."""
    parameters = list(ghn.parameters())
    for parameter in parameters:
        if parameter.grad is None:  # no network had a tensor of this kind
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    counts = [len(result.losses), sum(result.losses), sum(result.correct), len(result.discarded)]
    totals = processes.summed(torch.tensor(counts, dtype=torch.float64, device=gradients[0].device)).tolist()
    if processes.count > 1:
        flat = processes.summed(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = torch.split(flat, [gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
    if totals[0]:
        torch._foreach_div_(gradients, totals[0])
    return EpochSums(int(totals[0]), totals[1], totals[2], int(totals[3]))
