"""A detector trained into a folder: what ``tart-nas detect`` does.

settings.json          what is trained: network, start, recipe, scaling of the images, data
training.safetensors   the checkpoint, at the end the trained detector (:func:`load_detector`)
result.json            average precision, the curve, all settings
report.html            the same for people, with pictures of detections
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from tart_nas.detection.average_precision import AveragePrecision, require_pycocotools
from tart_nas.detection.backbone import as_backbone, is_vision_transformer
from tart_nas.detection.detector import ImageScaling, build_detector
from tart_nas.detection.pedestrians import DetectionData
from tart_nas.detection.recipe import DetectionRecipe
from tart_nas.detection.report import DetectionReport, write_report
from tart_nas.detection.starting import started_network
from tart_nas.detection.training import TRAINING_FILE, DetectionEpoch, detect_objects, train_detector
from tart_nas.devices import describe_device, resolve_device
from tart_nas.errors import CheckpointError, SettingError, reason
from tart_nas.files import writing_into
from tart_nas.hypernetworks import PredictedStart
from tart_nas.networks import NetworkDescription
from tart_nas.runs.folder import write_json
from tart_nas.runs.training_folder import CHECKPOINT, RESULT, SETTINGS, held, keep_settings, out_of_memory_told
from tart_nas.training.initial_weights import InitialWeights

__all__ = ["DetectionResult", "detect", "load_detector"]


@dataclass(frozen=True)
class DetectionResult:
    """What the training of a detector gave.

    Args:
        folder: ``load_detector(folder)`` is the trained detector.
        precision: on the test images, after the last epoch.
        epochs: what was measured of each epoch.
    """

    folder: Path
    precision: AveragePrecision
    epochs: tuple[DetectionEpoch, ...]


def detect(
    description: NetworkDescription,
    data: DetectionData,
    recipe: DetectionRecipe | None = None,
    *,
    out: Path | str,
    scaling: ImageScaling | None = None,
    seed: int = 0,
    start: PredictedStart | None = None,
    initial_weights: InitialWeights | None = None,
    device: str | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> DetectionResult:
    """Fine-tunes Faster R-CNN on a backbone, from any start, and writes the detector and its report into a folder.

    The same call on the same folder goes on after the last finished epoch, and on a CPU ends with the same weights, bit
    for bit, as an undisturbed one.

    Args:
        description: the network that the backbone is made of.
        data: the images.
        recipe: how it is trained; None for the published protocol.
        out: the folder, made if it is missing.
        scaling: of the images; None for that of the protocol.
        seed: of the new weights and the training, at least 0.
        start: predicts the backbone's first weights.
        initial_weights: of the backbone, in place of ``start``; by default those that the seed draws.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU when there is one.
        progress: called after each step with the steps that are done, all steps, and a note.

    Raises:
        RunFolderError: if another process trains in the folder, or it holds something else.
        SettingError: if both a start and weights are given, pycocotools is not installed, or the network has no
            feature map.
        TartError: those of :func:`train_detector` and of building the network.
    """
    require_pycocotools()
    if start is not None and initial_weights is not None:
        raise SettingError("`init` and `initial_weights` exclude each other, but both are given.")
    recipe = recipe or DetectionRecipe()
    scaling = scaling or ImageScaling.default(is_vision_transformer(description.architecture, description.model))
    place, folder = resolve_device(device), Path(out)
    network, identity = started_network(description, seed=seed, start=start, initial_weights=initial_weights)
    detector = _assembled(network, scaling, recipe, seed)
    settings: dict[str, Any] = {
        "backbone": description.to_dict(),
        "scaling": scaling.to_dict(),
        "recipe": recipe.to_dict(),
        "seed": seed,
        "data": data.fingerprint,
        **identity,
    }
    with held(folder), writing_into(folder), out_of_memory_told():
        keep_settings(folder, settings, lambda made: DetectionRecipe.from_dict(made).to_dict())
        epochs = train_detector(
            detector,
            data,
            recipe,
            seed=seed,
            device=place,
            checkpoint=folder / CHECKPOINT,
            identity=identity,
            progress=progress,
        )
        result = DetectionResult(folder, epochs[-1].precision, epochs)
        images = {"source": data.source, "train_images": len(data.train), "test_images": len(data.test)}
        curve = [epoch.to_dict() for epoch in epochs]
        write_json(folder / RESULT, {**result.precision.to_dict(), **images, **settings, "curve": curve})
        report = DetectionReport(
            folder=folder,
            settings=settings,
            epochs=epochs,
            data=data,
            parameters=sum(parameter.numel() for parameter in detector.parameters()),
            device=describe_device(place),
        )
        write_report(report, detect_objects(detector, [image.pixels for image in report.shown]))
    return result


def load_detector(folder: Path | str, device: torch.device | str = "cpu") -> nn.Module:
    """Reads the detector of a folder that :func:`detect` wrote, as it is after the last finished epoch.

    Example::

        (found,) = load_detector("runs/detect")([image])    # (3, H, W), in [0, 1]
        found["boxes"], found["scores"]

    Args:
        folder: the folder.
        device: where it is put.

    Returns:
        torchvision's detector in evaluation mode.

    Raises:
        CheckpointError: if the folder holds no detector.
    """
    path = Path(folder) / SETTINGS
    try:
        settings = json.loads(path.read_text())
        description = NetworkDescription.from_dict(settings["backbone"])
        scaling = ImageScaling(**settings["scaling"])
        recipe = DetectionRecipe.from_dict(settings["recipe"])
        detector = _assembled(description.build(), scaling, recipe, 0)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not the settings of a detector's training: {reason(error)}.") from None
    tensors, _ = TRAINING_FILE.read(Path(folder) / CHECKPOINT)
    weights = {name.removeprefix("network."): t for name, t in tensors.items() if name.startswith("network.")}
    try:
        detector.load_state_dict(weights)
    except RuntimeError as error:
        raise CheckpointError(f"{folder} holds the weights of another detector: {reason(error)}.") from None
    return detector.to(device).eval()


def _assembled(network: nn.Module, scaling: ImageScaling, recipe: DetectionRecipe, seed: int) -> nn.Module:
    """The detector on a network. Its new weights do not depend on how the network got its own."""
    heads_seed = int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])
    return build_detector(as_backbone(network), scaling, regions=recipe.regions, seed=heads_seed)
