"""Training a detector: the loop."""

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tart_nas.checks import whole
from tart_nas.detection.average_precision import (
    AveragePrecision,
    Detections,
    average_precision,
    require_boxes,
    require_pycocotools,
)
from tart_nas.detection.pedestrians import DetectionData, DetectionImage
from tart_nas.detection.recipe import DetectionRecipe
from tart_nas.devices import evaluating, forked_rng, resolve_device, seed_rng
from tart_nas.errors import DivergenceError
from tart_nas.training import TrainingRecipe
from tart_nas.training.checkpoint import restore, snapshot
from tart_nas.training.optimizers import build_optimizer, set_learning_rate
from tart_nas.training.state_file import StateFile

__all__ = ["TRAINING_FILE", "DetectionEpoch", "detect_objects", "train_detector"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class DetectionEpoch:
    """One epoch.

    Args:
        epoch: counted from 1.
        loss: mean of the sum of Faster R-CNN's four losses over the steps.
        precision: on the test images, after the epoch.
        lr: the learning rate of the last step.
        seconds: duration, the test included.
    """

    epoch: int
    loss: float
    precision: AveragePrecision
    lr: float
    seconds: float

    def to_dict(self) -> dict[str, float]:
        """JSON values, all at one level."""
        values = asdict(self)
        del values["precision"]
        return {**values, **self.precision.to_dict()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DetectionEpoch":
        """Reads what :meth:`to_dict` gives."""
        rest = {name: value for name, value in values.items() if name not in ("AP", "AP50", "AP75")}
        return cls(precision=AveragePrecision(values["AP"], values["AP50"], values["AP75"]), **rest)


_Epochs = tuple[DetectionEpoch, ...]

TRAINING_FILE: StateFile[_Epochs] = StateFile(
    "tart-nas detection training 1",
    "a detector's training",
    lambda epochs: [epoch.to_dict() for epoch in epochs],
    lambda values: tuple(DetectionEpoch.from_dict(epoch) for epoch in values),
)
"""The checkpoint of a detector's training."""


def train_detector(
    detector: nn.Module,
    data: DetectionData,
    recipe: DetectionRecipe,
    *,
    seed: int = 0,
    device: torch.device | str | None = None,
    checkpoint: Path | None = None,
    identity: Mapping[str, Any] | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[DetectionEpoch, ...]:
    """Trains a detector, in place, and measures its average precision after each epoch.

    What is random (the order of the images, which are mirrored, which regions are sampled, dropped features) depends on
    the seed and the epoch alone: on a CPU, the same detector, images, recipe and seed give the same weights bit for
    bit, with the same number of threads, whether the training was interrupted or not. torch's global random numbers are
    afterwards as they were.

    Args:
        detector: as :func:`build_detector` makes it. It is left on the device, in evaluation mode.
        data: the images.
        recipe: how.
        seed: at least 0.
        device: None for a GPU when there is one.
        checkpoint: a file that is written after each epoch; if it is there, the training goes on from it.
        identity: JSON values beside recipe, seed and images that decide the result, for the checkpoint.
        progress: called after each step with the steps that are done, all steps, and a note.

    Returns:
        What was measured of each epoch.

    Raises:
        SettingError: if there is no such device, pycocotools is not installed, or no test image has a box.
        CheckpointError: if the checkpoint is that of another training, or no checkpoint.
        DivergenceError: if the loss or a weight is not finite.
    """
    require_pycocotools()
    require_boxes([image.boxes for image in data.test])  # before an epoch is trained for nothing
    whole("seed", seed)
    place = resolve_device(device)
    decides = {"recipe": recipe.to_dict(), "seed": seed, "data": data.fingerprint, **(identity or {})}
    sgd = TrainingRecipe(optimizer="sgd", lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay)
    steps = -(-len(data.train) // recipe.batch_size)
    done: tuple[DetectionEpoch, ...] = ()
    with forked_rng(place):
        detector.to(place)
        optimizer = build_optimizer(sgd, detector.parameters(), place)
        if checkpoint is not None and checkpoint.exists():
            tensors, done = TRAINING_FILE.read(checkpoint, decides)
            restore(tensors, detector, optimizer)
            _log.info("going on after epoch %d of %d", len(done), recipe.epochs)
        for epoch in range(len(done), recipe.epochs):
            start = time.perf_counter()
            loss = 0.0
            for step, batch in enumerate(_batches(data.train, recipe, seed, epoch, place)):
                lr = recipe.lr_at(epoch, step, steps)
                set_learning_rate(optimizer, lr)
                optimizer.zero_grad()
                loss += _step(detector, batch, f"epoch {epoch + 1}, step {step + 1}")
                optimizer.step()
                if progress is not None:
                    progress(epoch * steps + step + 1, recipe.epochs * steps, f"loss {loss / (step + 1):.3f}")
            _check_finite(detector, epoch)
            found = detect_objects(detector, [image.pixels for image in data.test])
            precision = average_precision(found, [image.boxes for image in data.test])
            seconds = time.perf_counter() - start
            done = (*done, DetectionEpoch(epoch + 1, loss / steps, precision, lr, seconds))
            if checkpoint is not None:
                TRAINING_FILE.write(checkpoint, snapshot(detector, optimizer), done, decides)
            _log.info("epoch %d of %d: loss %.3f, AP50 %.3f", epoch + 1, recipe.epochs, done[-1].loss, precision.ap50)
        detector.eval()
    return done


def detect_objects(detector: nn.Module, images: Sequence[Tensor]) -> list[Detections]:
    """What a detector finds in images, one by one, so that no image is padded to the size of another.

    Args:
        detector: on any device; each of its modules keeps its mode.
        images: (3, H, W), uint8, of any sizes.

    Returns:
        Detections on the CPU, those with the highest scores first.
    """
    device = next(detector.parameters()).device
    found = []
    with evaluating(detector), torch.inference_mode():
        for pixels in images:
            (result,) = detector([pixels.to(device) / 255])
            found.append(Detections(result["boxes"].cpu(), result["scores"].cpu()))
    return found


_Batch = tuple[list[Tensor], list[dict[str, Tensor]]]  # images in [0, 1] and their targets, on the device


def _batches(
    images: Sequence[DetectionImage], recipe: DetectionRecipe, seed: int, epoch: int, device: torch.device
) -> Iterator[_Batch]:
    """The batches of an epoch; seeds torch's global generator, by which torchvision samples regions."""
    # Hashed together: with a sum, epoch 1 of seed 0 and epoch 0 of seed 1 would be the same.
    global_seed, order_seed = np.random.SeedSequence([seed, epoch]).generate_state(2).tolist()
    seed_rng(device, global_seed)
    generator = torch.Generator().manual_seed(order_seed)
    order = torch.randperm(len(images), generator=generator)
    mirrored = (torch.rand(len(images), generator=generator) < 0.5) & recipe.flip
    for batch in torch.split(order, recipe.batch_size):
        pixels, targets = [], []
        for index in batch.tolist():
            image, boxes = images[index].pixels.to(device) / 255, images[index].boxes.to(device)
            if mirrored[index]:
                width = image.shape[2]
                x1, y1, x2, y2 = boxes.unbind(1)
                image, boxes = image.flip(2), torch.stack([width - x2, y1, width - x1, y2], 1)
            pixels.append(image)
            targets.append({"boxes": boxes, "labels": torch.ones(len(boxes), dtype=torch.int64, device=device)})
        yield pixels, targets


def _step(detector: nn.Module, batch: _Batch, where: str) -> float:
    """Adds the gradients of a batch and gives its loss."""
    losses = detector.train()(*batch)
    loss = sum(losses.values())
    value = float(loss.detach())
    if not math.isfinite(value):
        odd = next((name for name, part in losses.items() if not part.isfinite()), "the sum of the losses")
        raise DivergenceError(f"The training diverged: {odd} is not finite in {where}. Try a lower learning rate.")
    loss.backward()
    return value


def _check_finite(detector: nn.Module, epoch: int) -> None:
    for name, tensor in detector.state_dict().items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise DivergenceError(
                f"The training diverged: {name} is not finite after epoch {epoch + 1}. Try a lower learning rate."
            )
