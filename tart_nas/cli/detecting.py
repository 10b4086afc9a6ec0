"""``tart-nas detect``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tart_nas.cli.bars import training_bars
from tart_nas.cli.commands import resumable
from tart_nas.cli.logs import show_log
from tart_nas.cli.option_groups import with_groups
from tart_nas.cli.options import DeviceOption, QuietOption, SeedOption, ThreadsOption, above_zero
from tart_nas.cli.starts import NetworkOptions, WeightsOptions

if TYPE_CHECKING:
    from tart_nas.detection import ImageScaling
    from tart_nas.networks import NetworkDescription

__all__ = ["detect"]

_CLASSES, _IMAGE_SIZE = 1000, 224  # ImageNet's: the protocol's backbones are networks for ImageNet


@with_groups
def detect(
    *,
    out: Annotated[Path, typer.Option(help="The folder. The same command on the same folder goes on.")],
    data_dir: Annotated[
        Path,
        typer.Option(
            exists=True, help="PNGImages/<name>.png and PedMasks/<name>_mask.png, or PennFudanPed with both in it."
        ),
    ],
    network: Annotated[
        str | None,
        typer.Argument(
            help="The backbone: DARTS, PDARTS, ViT; a model of torchvision (resnet50); the folder of a trained "
            "network; or what else `tart-nas retrain` takes. Default the network of --initial-weights.",
        ),
    ] = None,
    which: NetworkOptions,
    network_image_size: Annotated[
        int | None,
        typer.Option(
            min=8,
            help="Images that an architecture's network is built for; default 224, or the trained network's. Below "
            "128 it has CIFAR-10's form, with a larger feature map.",
        ),
    ] = None,
    weights: WeightsOptions,
    min_size: Annotated[
        int | None, typer.Option(min=32, help="Shorter side of the images in pixels; default 800, ViT 320.")
    ] = None,
    max_size: Annotated[
        int | None, typer.Option(min=32, help="Longest side in pixels; default in proportion, 1333, ViT 533.")
    ] = None,
    test_images: Annotated[
        int | None, typer.Option(min=1, help="Set so many images apart for the test; default 50, or 50 of 170.")
    ] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; default 10.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Images in a step; default 2.")] = None,
    lr: Annotated[float | None, typer.Option(callback=above_zero, help="Highest learning rate; default 0.005.")] = None,
    lr_step: Annotated[
        int | None, typer.Option(min=1, help="Epochs until the rate falls to a tenth, each time; default 3.")
    ] = None,
    weight_decay: Annotated[float | None, typer.Option(min=0, help="Weight decay; default 5e-4.")] = None,
    regions: Annotated[
        int | None, typer.Option(min=1, help="Regions of an image to train on in a step; default 512, fewer cost less.")
    ] = None,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Fine-tune a Faster R-CNN on a backbone, and measure COCO's average precision.

    Needs pycocotools. Writes result.json and report.html, with pictures of detections.
    """
    import torch

    from tart_nas.detection import DetectionRecipe, load_pedestrians
    from tart_nas.detection import detect as train_one
    from tart_nas.detection.average_precision import require_pycocotools

    require_pycocotools()
    if threads is not None:
        torch.set_num_threads(threads)
    recipe = DetectionRecipe().adjusted(
        epochs=epochs, batch_size=batch_size, lr=lr, lr_step=lr_step, weight_decay=weight_decay, regions=regions
    )
    initial_weights, start = weights.initial_weights, weights.predicted_start()
    of_weights = initial_weights if initial_weights is not None and initial_weights.is_dir() else None
    if network is None and which.string is None and of_weights is not None:
        network = str(of_weights)
    # Of what a search trained smaller than its full size, the weights fit the network as it was trained alone.
    as_trained = network is not None and of_weights is not None and Path(network).absolute() == of_weights.absolute()
    num_classes = _CLASSES if start is None else start.loaded.config.num_classes
    description = _described(network, which, num_classes, network_image_size, as_trained)
    scaling = _scaling(description, min_size, max_size, initial_weights)
    data = load_pedestrians(data_dir, test_images=test_images)
    show_log(quiet)
    with resumable(f"the training in {out}"), training_bars(quiet) as bars:
        result = train_one(
            description,
            data,
            recipe,
            out=out,
            scaling=scaling,
            seed=seed,
            start=start,
            initial_weights=initial_weights,
            device=device,
            progress=lambda done, total, note: bars.report("training", done, total, note),
        )
    values = ", ".join(f"{name} {100 * value:.2f} %" for name, value in result.precision.to_dict().items())
    print(f"{values} on {len(data.test)} test images: {out}")


def _described(
    network: str | None, which: NetworkOptions, num_classes: int, image_size: int | None, as_trained: bool
) -> "NetworkDescription":
    """The network that the arguments name: one whose weights are given as it was trained, others at full size."""
    from tart_nas.cli.networks import find_network
    from tart_nas.errors import SettingError
    from tart_nas.file_kinds import FileKind, recognise
    from tart_nas.networks import NetworkDescription

    found = find_network(network, which.split, which.index, which.string)
    if found.architecture is None and found.model is None:
        raise SettingError(
            f"{found.name} cannot be a backbone here: those are networks of architectures and torchvision's models, of "
            "which it is known where they pool and classify."
        )
    kept: dict[str, Any] = {"image_size": _IMAGE_SIZE}
    trained, architecture = found.description, found.architecture
    # The best of a search is built for ImageNet's images, unless it keeps its weights.
    if trained is not None and (as_trained or recognise(str(network)).kind is FileKind.NETWORK_FOLDER):
        # A trained network keeps its form: that for small images and that for large ones have other strides.
        kept = {"image_size": trained.image_size, "track_running_stats": trained.track_running_stats}
    if image_size is not None:
        kept["image_size"] = image_size
    if trained is not None and as_trained:
        architecture = trained.architecture
    if architecture is not None:
        architecture = architecture.resized(which.cells, which.channels)
    elif which.cells or which.channels:
        raise SettingError("cells and channels are of architectures, not models.")
    return NetworkDescription(architecture, found.model, num_classes, about={"name": found.name}, **kept)


def _scaling(
    description: "NetworkDescription", min_size: int | None, max_size: int | None, initial_weights: Path | None
) -> "ImageScaling":
    """How images are scaled, and normalised as those that the weights were trained on."""
    from dataclasses import replace

    from tart_nas.detection import ImageScaling
    from tart_nas.detection.backbone import is_vision_transformer
    from tart_nas.networks import describe

    scaling = ImageScaling.default(is_vision_transformer(description.architecture, description.model))
    if min_size is not None and max_size is None:
        max_size = round(min_size * scaling.max_size / scaling.min_size)
    changes: dict[str, Any] = {"min_size": min_size, "max_size": max_size}
    if initial_weights is not None and initial_weights.is_dir():
        about = describe(initial_weights).about
        changes |= {name: about.get(name) for name in ("mean", "std")}
    return replace(scaling, **{name: value for name, value in changes.items() if value is not None})
