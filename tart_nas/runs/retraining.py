"""One network trained by a protocol, into a folder from which it can be loaded: what ``tart-nas retrain`` does.

training.safetensors   the checkpoint: the same call on the same folder goes on from it
network.json, weights.safetensors   the trained network (:func:`tart_nas.networks.load`)
result.json            its accuracy, the curve, all settings
"""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import nn

from tart_nas.checks import whole
from tart_nas.devices import forked_rng, resolve_device
from tart_nas.errors import SettingError
from tart_nas.files import writing_into
from tart_nas.hypernetworks import PredictedStart
from tart_nas.images import AnyImages
from tart_nas.networks import NetworkDescription, count_parameters, save
from tart_nas.networks.description import NetworkBuilder
from tart_nas.runs.folder import write_json
from tart_nas.runs.training_folder import CHECKPOINT, RESULT, held, keep_settings, out_of_memory_told
from tart_nas.training import TrainingRecipe, train
from tart_nas.training.initial_weights import InitialWeights, digest, read_initial_weights
from tart_nas.training.processes import Processes

__all__ = ["RetrainingResult", "retrain"]


@dataclass(frozen=True)
class RetrainingResult:
    """What retraining gave.

    Args:
        folder: ``tart_nas.networks.load(folder)`` is the trained network.
        accuracy: in [0, 1], after the last epoch.
        measured_on: ``"validation"`` or ``"test"``.
        parameters: of the network, without auxiliary head.
        images_per_second: in training.
    """

    folder: Path
    accuracy: float
    measured_on: str
    parameters: int
    images_per_second: float


def retrain(
    description: NetworkDescription,
    images: AnyImages,
    recipe: TrainingRecipe,
    *,
    out: Path | str,
    measured_on: str = "validation",
    seed: int = 0,
    initial_weights: InitialWeights | None = None,
    start: PredictedStart | None = None,
    device: str | None = None,
    compile: bool | None = None,
    progress: bool = False,
    space: NetworkBuilder | None = None,
) -> RetrainingResult:
    """Trains a network from its initialisation, or from given weights, and writes it into a folder.

    The same call on the same folder goes on after the last finished epoch, and on a CPU ends with the same weights, bit
    for bit, as an undisturbed one. Under ``torchrun`` all processes call it.

    Args:
        description: the network.
        images: to train on.
        recipe: how; what needs a cell (the auxiliary head) must be off for other networks.
        out: the folder, made if it is missing.
        measured_on: what the validation images are: ``"test"`` for those of :meth:`ImageData.for_test`.
        seed: of the initial weights and the training, at least 0.
        initial_weights: see :func:`tart_nas.training.train`; by default those that the seed draws.
        start: predicts them, in place of ``initial_weights``.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU when there is one.
        compile: see :func:`tart_nas.training.train`.
        progress: whether to show a progress bar on a terminal.
        space: what builds the network, where it is of a user's own :class:`tart_nas.search_spaces.TrialSpace`.

    Raises:
        RunFolderError: if another process trains in the folder, or it holds something else.
        TartError: those of :func:`~tart_nas.training.train` and of building the network.
    """
    seed = whole("seed", seed, 0)  # as JSON can hold it
    place = resolve_device(device)
    processes = Processes.current()
    folder = Path(out)
    with held(folder, processes.rank), writing_into(folder), out_of_memory_told():
        wanted = {
            "network": description.to_dict(),
            "recipe": recipe.to_dict(),
            "measured_on": measured_on,
            "seed": seed,
        }
        if start is not None:
            wanted["init"] = start.identity()
            with forked_rng(torch.device("cpu")):
                torch.manual_seed(seed)
                initial_weights = start.weights(
                    description.build(space=space), image_size=description.image_size, seed=seed
                )
        elif initial_weights is not None:
            initial_weights = read_initial_weights(initial_weights)
            wanted["initial_weights"] = digest(initial_weights)
        if processes.rank == 0:
            keep_settings(folder, wanted, lambda recipe: TrainingRecipe.from_dict(recipe).to_dict())
        with forked_rng(place):
            torch.manual_seed(seed)
            network = description.build(auxiliary=recipe.auxiliary > 0, space=space)
        _try(network, description)
        result = train(
            network,
            images,
            recipe,
            seed=seed,
            initial_weights=initial_weights,
            device=place,
            checkpoint=folder / CHECKPOINT,
            compile=compile,
            progress=progress,
        )
        outcome = RetrainingResult(
            folder=folder,
            accuracy=result.validation_accuracy,
            measured_on=measured_on,
            parameters=count_parameters(network),
            images_per_second=result.images_per_second,
        )
        if processes.rank == 0:
            about = {
                **description.about,
                f"{outcome.measured_on}_accuracy": outcome.accuracy,
                "classes": list(images.classes),
                "mean": list(images.mean),
                "std": list(images.std),
            }
            save(network, replace(description, about=about), folder)
            curve = [asdict(epoch) for epoch in result.epochs]
            values = {**asdict(outcome), "folder": None, "images": images.source, **wanted, "curve": curve}
            del values["folder"]
            write_json(folder / RESULT, values)
        return outcome


def _try(network: nn.Module, description: NetworkDescription) -> None:
    """Looks whether the network takes images of the size and gives their classes' logits, which others' may not.

    Raises:
        SettingError: if it does not.
    """
    size, classes = description.image_size, description.num_classes
    name = description.model if description.trial is None else f"The network of {description.trial.get('space')}"
    try:
        with torch.inference_mode():
            logits = network.eval()(torch.zeros(1, 3, size, size))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:  # whatever a model raises
        if description.architecture is not None:
            raise
        why = " ".join(str(error).split())  # which tells the sizes
        raise SettingError(f"{name} does not take images of {size}x{size} pixels: {why}") from None
    shape = tuple(logits.shape) if isinstance(logits, torch.Tensor) else type(logits).__name__
    # Models of torchvision may give auxiliary logits besides, and are made with the number of classes.
    if description.trial is not None and shape != (1, classes):
        raise SettingError(f"{name} gives {shape} for one image, but the images are of {classes} classes.")
