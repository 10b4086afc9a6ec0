"""``tart-nas retrain`` and ``tart-nas export``: one network, trained in full and taken elsewhere."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tart_nas.choices import DEFAULT_DATASET, EXPORT_SUFFIXES, Protocol
from tart_nas.cli.commands import resumable
from tart_nas.cli.logs import show_log
from tart_nas.cli.option_groups import with_groups
from tart_nas.cli.options import (
    DatasetOption,
    DeviceOption,
    OptimizerOption,
    QuietOption,
    SeedOption,
    ThreadsOption,
    above_zero,
    holds_network,
    written_as,
)
from tart_nas.cli.own_spaces import SpaceOption, builder_of
from tart_nas.cli.starts import NetworkOptions, WeightsOptions

if TYPE_CHECKING:
    from tart_nas.networks import NetworkDescription
    from tart_nas.training import TrainingRecipe

__all__ = ["export", "retrain"]


@with_groups
def retrain(
    *,
    out: Annotated[Path, typer.Option(help="The folder. The same command on the same folder goes on.")],
    network: Annotated[
        str | None,
        typer.Argument(
            help="DARTS, PDARTS, ViT; a model of torchvision (resnet50); the folder of a search, of which the best "
            "network is taken; the folder of a trained network; or what else `tart-nas score` takes.",
        ),
    ] = None,
    which: NetworkOptions,
    space: SpaceOption = None,
    batch_statistics: Annotated[
        bool, typer.Option("--batch-statistics", help="Normalise by the batch also in evaluation, as DeepNets-1M.")
    ] = False,
    protocol: Annotated[Protocol, typer.Option(help="The recipe: 600, 50 and 250 epochs.")] = "darts",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; default the protocol's.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Images in a step; default the protocol's.")] = None,
    lr: Annotated[
        float | None, typer.Option(callback=above_zero, help="First learning rate; default the protocol's.")
    ] = None,
    optimizer: OptimizerOption = None,
    weight_decay: Annotated[float | None, typer.Option(min=0, help="Weight decay; default the protocol's.")] = None,
    cutout: Annotated[
        int | None, typer.Option(min=0, help="Side of the cut-out square in pixels; default the protocol's.")
    ] = None,
    drop_path: Annotated[
        float | None, typer.Option(min=0, max=1, help="Final probability; default the protocol's.")
    ] = None,
    auxiliary: Annotated[
        float | None, typer.Option(min=0, help="Weight of the auxiliary head; default likewise.")
    ] = None,
    weights: WeightsOptions,
    dataset: DatasetOption = DEFAULT_DATASET,
    data_dir: Annotated[Path | None, typer.Option(exists=True, help="Where the images are.")] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Of the images in pixels; 224 for folders.")] = None,
    shots: Annotated[int | None, typer.Option(min=1, help="Few-shot: train on so many images of each class.")] = None,
    train_images: Annotated[int | None, typer.Option(min=1, help="Train on so many images; default all.")] = None,
    test: Annotated[
        bool,
        typer.Option(
            "--test", help="A final result: measured on the test images, trained on all others but those left out."
        ),
    ] = False,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    compile: Annotated[
        bool | None,
        typer.Option(help="On a GPU: compile it, or capture no CUDA graph either; default a graph, if faster."),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Train one network by a published protocol.

    Under torchrun it trains on several GPUs.
    """
    import torch

    from tart_nas.images import AnyImages, load_image_folder, load_images
    from tart_nas.images.own import holds_parquet
    from tart_nas.runs.retraining import retrain as train_one
    from tart_nas.training import PROTOCOLS
    from tart_nas.training.processes import Processes, launched

    recipe = PROTOCOLS[protocol].adjusted(
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        optimizer=optimizer,
        weight_decay=weight_decay,
        cutout=cutout,
        drop_path=drop_path,
        auxiliary=auxiliary,
    )
    if threads is not None:
        torch.set_num_threads(threads)
    images: AnyImages
    # Files of images are read in training; all other data sets fit into memory.
    if dataset == "folder" and data_dir is not None and not holds_parquet(data_dir):
        # 224 pixels are the usual size for ImageNet.
        images = load_image_folder(
            data_dir, image_size=image_size or 224, seed=seed, train_images=train_images, shots=shots
        )
    else:
        images = load_images(
            dataset, data_dir, seed=seed, train_images=train_images, shots=shots, image_size=image_size
        )
    if test:
        # Who trains on few images does not get those of the validation on top of them.
        images = images.for_test(join=shots is None and train_images is None)
    description = _described(network, which, len(images.classes), images.image_size, space)
    own = builder_of(description.trial, space)
    description, recipe = _adjusted(description, recipe, which, batch_statistics, auxiliary is not None)
    start = weights.predicted_start()
    show_log(quiet)
    with launched() as own_device, resumable(f"the training in {out}"):
        # Asked here, since there is no process group before `launched` and none after it.
        first = Processes.current().rank == 0
        result = train_one(
            description,
            images,
            recipe,
            out=out,
            measured_on="test" if test else "validation",
            seed=seed,
            initial_weights=weights.initial_weights,
            start=start,
            device=device or own_device,
            compile=compile,
            progress=first and not quiet,
            space=own,
        )
    if first:
        print(f"{result.measured_on} accuracy {100 * result.accuracy:.2f} %, {result.parameters:,} parameters: {out}")


def export(
    folder: Annotated[
        Path, typer.Argument(callback=holds_network, help="The folder of a search, or of `tart-nas retrain`.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            callback=written_as(EXPORT_SUFFIXES), help="The file: .onnx, or .pt2 for PyTorch's ExportedProgram."
        ),
    ],
    space: SpaceOption = None,
) -> None:
    """Write a trained network as ONNX or ExportedProgram."""
    from tart_nas.networks import describe, load
    from tart_nas.networks import export as write

    description = describe(folder)
    write(load(folder, space=builder_of(description.trial, space)), description.image_size, out)
    print(f"{folder} written to {out}")


def _described(
    network: str | None,
    which: NetworkOptions,
    num_classes: int,
    image_size: int,
    space: str | None,
) -> "NetworkDescription":
    """The network that the arguments name."""
    from tart_nas.cli.networks import find_network
    from tart_nas.networks import NetworkDescription

    found = find_network(network, which.split, which.index, which.string, space)
    found.check_trainable()
    trial = None if found.candidate is None else found.candidate.to_dict()
    about = {"name": found.name}
    return NetworkDescription(found.architecture, found.model, num_classes, image_size, about=about, trial=trial)


def _adjusted(
    description: "NetworkDescription",
    recipe: "TrainingRecipe",
    which: NetworkOptions,
    batch_statistics: bool,
    auxiliary_asked: bool,
) -> "tuple[NetworkDescription, TrainingRecipe]":
    """With the options for architectures, which other networks refuse; those have no auxiliary head of ours."""
    from tart_nas.errors import SettingError

    architecture = description.architecture
    if architecture is None:
        if which.cells or which.channels or batch_statistics or (auxiliary_asked and recipe.auxiliary):
            raise SettingError(
                "cells, channels, batch statistics and auxiliary heads are of architectures, not of other networks."
            )
        # The weight is the protocol's own, which nobody asked for: it is dropped without an error.
        return description, replace(recipe, auxiliary=0.0)
    architecture = architecture.resized(which.cells, which.channels)
    return replace(description, architecture=architecture, track_running_stats=not batch_statistics), recipe
