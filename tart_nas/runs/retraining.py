"""One network trained by a protocol, into a folder from which it can be loaded: what ``tart-nas retrain`` does.

training.safetensors   the checkpoint: the same call on the same folder goes on from it
network.json, weights.safetensors   the trained network (:func:`tart_nas.networks.load`)
result.json            its accuracy, the curve, all settings
"""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from torch import nn

from tart_nas.checks import differences
from tart_nas.devices import forked_rng, is_out_of_memory, resolve_device
from tart_nas.errors import (
    CheckpointError,
    InsufficientMemoryError,
    RunFolderError,
    SettingError,
    TartError,
    first_line,
    reason,
)
from tart_nas.files import writing_into
from tart_nas.hypernetworks import PredictedStart
from tart_nas.images import AnyImages
from tart_nas.networks import NetworkDescription, count_parameters, save
from tart_nas.runs.folder import write_json
from tart_nas.training import TrainingRecipe, train
from tart_nas.training.initial_weights import InitialWeights, digest, read_initial_weights
from tart_nas.training.processes import Processes

__all__ = ["RetrainingResult", "retrain"]

_SETTINGS = "settings.json"


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
) -> RetrainingResult:
    """Trains a network from its initialisation, or from given weights, and writes it into a folder.

    The same call on the same folder goes on after the last finished epoch, and on a CPU ends with the same weights, bit
    for bit, as an undisturbed one. Under ``torchrun`` all processes call it.

    Args:
        description: the network.
        images: to train on.
        recipe: how; what needs a cell (the auxiliary head) must be off for models of torchvision.
        out: the folder, made if it is missing.
        measured_on: what the validation images are: ``"test"`` for those of :meth:`ImageData.for_test`.
        seed: of the initial weights and the training, at least 0.
        initial_weights: see :func:`tart_nas.training.train`; by default those that the seed draws.
        start: predicts them, in place of ``initial_weights``.
        device: ``"cpu"``, ``"cuda"``, ...; by default a GPU when there is one.
        compile: see :func:`tart_nas.training.train`.
        progress: whether to show a progress bar on a terminal.

    Raises:
        RunFolderError: if another process trains in the folder, or it holds something else.
        TartError: those of :func:`~tart_nas.training.train` and of building the network.
    """
    place = resolve_device(device)
    processes = Processes.current()
    folder = Path(out)
    with _held(folder, processes.rank), writing_into(folder), _out_of_memory_told():
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
                initial_weights = start.weights(description.build(), image_size=description.image_size, seed=seed)
        elif initial_weights is not None:
            initial_weights = read_initial_weights(initial_weights)
            wanted["initial_weights"] = digest(initial_weights)
        if processes.rank == 0:
            _refuse_others(folder, wanted)
            if not (folder / _SETTINGS).exists():
                write_json(folder / _SETTINGS, wanted)
        with forked_rng(place):
            torch.manual_seed(seed)
            network = description.build(auxiliary=recipe.auxiliary > 0)
        _try(network, description)
        result = train(
            network,
            images,
            recipe,
            seed=seed,
            initial_weights=initial_weights,
            device=place,
            checkpoint=folder / "training.safetensors",
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
            write_json(folder / "result.json", values)
        return outcome


@contextmanager
def _held(folder: Path, rank: int) -> Iterator[None]:
    """Holds the folder for this process.

    Raises:
        RunFolderError: if another training has it.
    """
    with writing_into(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".lock{rank or ''}")  # the system frees it when the process ends
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise RunFolderError(
                f"Another training is running in {folder}: wait for it, or use another folder."
            ) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _out_of_memory_told() -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if isinstance(error, TartError) or not is_out_of_memory(error):
            raise
        raise InsufficientMemoryError(f"The network does not fit into memory: {first_line(error)}") from error


def _refuse_others(folder: Path, wanted: Mapping[str, Any]) -> None:
    """Makes sure that a folder is empty or of the same training.

    Raises:
        RunFolderError: if it is of another.
    """
    path = folder / _SETTINGS
    if not path.exists():
        if found := sorted(p.name for p in folder.iterdir() if p.name[0] != "."):
            raise RunFolderError(f"{folder} is no folder of a training (it holds {found[0]}): use a new one.")
        return
    try:
        made = json.loads(path.read_text())
        # Read, since the version before did not write all settings that there are now.
        recipe = TrainingRecipe.from_dict(made.pop("recipe")).to_dict()
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not the settings of a training: {reason(error)}.") from None
    if changed := differences(recipe, wanted["recipe"]):
        raise RunFolderError(f"{folder} was made with another recipe ({changed}): use a new folder.")
    others = {name: value for name, value in wanted.items() if name != "recipe"}
    if differing := [name for name in {**made, **others} if made.get(name) != others.get(name)]:
        names = ", ".join(name.replace("_", " ") for name in differing)
        raise RunFolderError(f"{folder} was made with another {names}: use a new folder.")


def _try(network: nn.Module, description: NetworkDescription) -> None:
    """Looks whether the network takes images of the size, which a model of torchvision need not.

    Raises:
        SettingError: if it does not.
    """
    size = description.image_size
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, 3, size, size))
    except (RuntimeError, ValueError, AssertionError) as error:  # whatever a model raises
        if description.architecture is not None:
            raise
        why = " ".join(str(error).split())  # which tells the sizes
        raise SettingError(f"{description.model} does not take images of {size}x{size} pixels: {why}") from None
