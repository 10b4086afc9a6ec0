"""``tart-nas ghn train``."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tart_nas.choices import DEFAULT_DATASET, GHNPreset, ImageDataset
from tart_nas.cli.bars import training_bars
from tart_nas.cli.commands import resumable
from tart_nas.cli.logs import show_log
from tart_nas.cli.options import DeviceOption, QuietOption, SeedOption, ThreadsOption, above_zero, command_text

if TYPE_CHECKING:
    from tart_nas.hypernetworks import GHNConfig

__all__ = ["train"]

_CHECKPOINT, _RESULT = "checkpoint.safetensors", "ghn.safetensors"


def train(
    out: Annotated[Path, typer.Option(help="The folder. The same command on the same folder goes on.")],
    preset: Annotated[
        GHNPreset,
        typer.Option(help="The hypernetwork and its recipe; small ones take half an hour of a CPU core."),
    ] = "ghn2-small",
    data: Annotated[
        Path | None,
        typer.Option(help="A folder of DeepNets-1M with the split train; default networks drawn by its rules."),
    ] = None,
    networks: Annotated[
        int | None, typer.Option(min=1, help="How many different networks to train on; default a million, or all.")
    ] = None,
    dataset: Annotated[
        ImageDataset,
        typer.Option(
            help="The images; cifar10-sample and digits need no --data-dir; folder: those of --data-dir, "
            "train/<class>/* and val/<class>/*."
        ),
    ] = DEFAULT_DATASET,
    data_dir: Annotated[Path | None, typer.Option(exists=True, help="Where the images are.")] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Of the images in pixels; 224 for folders.")] = None,
    train_images: Annotated[int | None, typer.Option(min=1, help="Train on so many images; default all.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs; default the preset's.")] = None,
    steps_per_epoch: Annotated[
        int | None, typer.Option(min=1, help="Steps in an epoch; default the preset's: a pass over the images, or 100.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=2, help="Images in a step; default the preset's.")] = None,
    meta_batch: Annotated[int | None, typer.Option(min=1, help="Networks in a step; default the preset's.")] = None,
    lr: Annotated[
        float | None, typer.Option(callback=above_zero, help="Highest learning rate; default the preset's.")
    ] = None,
    max_nodes: Annotated[
        int | None, typer.Option(min=1, help="Leave out steps of networks with more nodes together.")
    ] = None,
    max_network_nodes: Annotated[int | None, typer.Option(min=1, help="Leave out networks with more nodes.")] = None,
    hid: Annotated[int | None, typer.Option(min=4, help="Numbers in a node's vector; default the preset's.")] = None,
    layers: Annotated[int | None, typer.Option(min=1, help="Layers of a GHN-3; default 3.")] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="Attention heads of a GHN-3; default 8.")] = None,
    checkpoint_steps: Annotated[int, typer.Option(min=1, help="Steps between two checkpoints.")] = 100,
    workers: Annotated[int, typer.Option(min=0, help="Processes that prepare networks ahead.")] = 0,
    seed: SeedOption = 0,
    threads: ThreadsOption = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Train a graph hypernetwork.

    Writes ghn.safetensors when it is done, which `tart-nas ghn eval` takes. Under torchrun it trains on several GPUs.
    """
    import torch

    from tart_nas.deepnets1m import DeepNets1M
    from tart_nas.errors import RunFolderError, SettingError
    from tart_nas.hypernetworks.training import GHN_PRESETS, GHNProgress, train_ghn, untrained_ghn
    from tart_nas.images import AnyImages, load_image_folder, load_images
    from tart_nas.training.processes import Processes, launched

    if out.exists() and not out.is_dir():
        raise RunFolderError(f"{out} is a file: `out` must be a folder.")
    changes: dict[str, Any] = {"epochs": epochs, "steps_per_epoch": steps_per_epoch, "batch_size": batch_size, "lr": lr}
    changes |= {"meta_batch": meta_batch, "networks": networks, "max_nodes": max_nodes}
    changes |= {"max_network_nodes": max_network_nodes}
    chosen = GHN_PRESETS[preset]
    recipe = replace(chosen.recipe, **{name: value for name, value in changes.items() if value is not None})
    if threads is not None:
        torch.set_num_threads(threads)
    images: AnyImages
    if dataset == "folder":
        if data_dir is None:
            raise SettingError("`data_dir` must name the folder of the images.")
        images = load_image_folder(data_dir, image_size=image_size or 224, train_images=train_images)
    else:
        images = load_images(dataset, data_dir, image_size=image_size, train_images=train_images)
    config = _config(chosen.config, len(images.classes), hid, layers, heads)
    source = None if data is None else DeepNets1M(data, "train", image_size=images.image_size)
    show_log(quiet)
    ghn = untrained_ghn(config, seed)
    with launched() as own_device, resumable(f"the training in {out}"):
        # Only now: before `launched` there is no process group.
        first = Processes.current().rank == 0
        with training_bars(quiet or not first) as bars:

            def report(done: GHNProgress, steps: int) -> None:
                now = done.epochs[-1]
                note = f"loss {now.mean_loss:.3f}, accuracy {now.mean_accuracy:.1%}"
                if discarded := done.total.discarded:
                    note += f", {discarded} networks thrown away"
                bars.report("training", done.step, steps, note)
                if not quiet and first and done.step % (steps // recipe.epochs) == 0:  # above the bar, and in a log
                    print(f"epoch {len(done.epochs)} of {recipe.epochs}: {note}", file=sys.stderr, flush=True)

            done = train_ghn(
                ghn,
                images,
                recipe,
                networks=source,
                seed=seed,
                workers=workers,
                device=device or own_device,
                checkpoint=out / _CHECKPOINT,
                checkpoint_steps=checkpoint_steps,
                progress=report,
            )
    if not first:
        return
    about = {
        "command": command_text(),
        "images": {"name": images.name, "size": images.image_size, "number": len(images.train)},
        "recipe": recipe.to_dict(),
        "losses": [epoch.mean_loss for epoch in done.epochs],
        "discarded": done.total.discarded,
        "cpu_minutes": done.total.cpu_seconds / 60,
    }
    ghn.save(out / _RESULT, about)
    total = done.total
    print(
        f"{done.step:,} steps in {total.cpu_seconds / 60:.1f} CPU minutes, {total.networks:,} networks, "
        f"{total.discarded} thrown away; loss of the last epoch {done.epochs[-1].mean_loss:.3f}: {out / _RESULT}"
    )


def _config(
    config: "GHNConfig", num_classes: int, hid: int | None, layers: int | None, heads: int | None
) -> "GHNConfig":
    """The preset's settings for other classes and sizes; the largest tensor grows with the node vectors."""
    from tart_nas.errors import SettingError
    from tart_nas.hypernetworks import GHNConfig

    if config.hypernet != "graphormer" and (layers is not None or heads is not None):
        raise SettingError("`layers` and `heads` are of GHN-3 only.")
    new_hid = config.hid if hid is None else hid
    out, into, *kernel = config.max_shape
    # In the preset's proportion to the node vectors.
    max_shape = (out * new_hid // config.hid, into * new_hid // config.hid, *kernel)
    changes = {"layers": layers, "heads": heads}
    given = {name: value for name, value in changes.items() if value is not None}
    return GHNConfig.from_mapping(
        {**config.as_dict(), "num_classes": num_classes, "hid": new_hid, "max_shape": max_shape, **given}
    )
