"""``tart-nas ghn``: graph hypernetworks downloaded, checked, converted, trained and evaluated."""

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table

from tart_nas.checks import whole
from tart_nas.choices import DEFAULT_DATASET, ImageDataset, Split
from tart_nas.cli.bars import download_bars, network_bars
from tart_nas.cli.commands import Command, resumable
from tart_nas.cli.hypernetwork_training import train
from tart_nas.cli.options import DeviceOption, QuietOption, written_as
from tart_nas.errors import SettingError

__all__ = ["ghn"]

ghn = typer.Typer(
    name="ghn", help="Graph hypernetworks: download, check, convert, train or evaluate them.", no_args_is_help=True
)
ghn.command(cls=Command)(train)

GhnArgument = Annotated[str, typer.Argument(metavar="GHN", help="A file, or the name of a published hypernetwork.")]

_CHECKED = ("resnet18", "resnet50", "vit_b_16", "convnext_tiny", "swin_t")  # one of each kind, within seconds


@ghn.command(cls=Command)
def download(
    name: Annotated[str, typer.Argument(help="Such as ghn2-imagenet or ghn3xlm16; a wrong one lists all.")],
    out: Annotated[Path | None, typer.Option(help="The folder; default PyTorch's folder of downloads.")] = None,
    quiet: QuietOption = False,
) -> None:
    """Download a published hypernetwork.

    Its authors give no checksum: `tart-nas ghn check` compares what it predicts. The same command resumes.
    """
    from tart_nas.hypernetworks import released_file

    with resumable("what was downloaded"), download_bars(quiet) as bars:
        path = released_file(name, out, bars.report)
    print(path)


@ghn.command(cls=Command)
def convert(
    file: GhnArgument,
    out: Annotated[Path, typer.Option(callback=written_as((".safetensors", ".st")), help="The file (.safetensors).")],
) -> None:
    """Write a hypernetwork as a safetensors file, which holds weights and settings and runs nothing when it is read."""
    from tart_nas.hypernetworks import GHN

    loaded = GHN.load(file)
    loaded.save(out, {"converted_from": Path(file).name})
    print(f"{_described(loaded)} written to {out}")


@ghn.command(cls=Command)
def check(
    file: GhnArgument,
    models: Annotated[
        list[str] | None, typer.Option("--model", help="A model of torchvision; repeat for several.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="All 74 models with a published norm.")] = False,
) -> None:
    """Compare what a published hypernetwork predicts with the norms that its authors list.

    The exit status is 1 if one of them differs by more than 0.01.
    """
    from tart_nas.hypernetworks import GHN, check_norms, published_norms

    loaded = GHN.load(file)
    print(_described(loaded))
    chosen = list(published_norms(loaded)) if every else models or _CHECKED
    table = Table("model", "norm of all parameters", "published", "agrees")
    results = list(check_norms(loaded, chosen))
    for result in results:
        table.add_row(result.model, f"{result.norm:.4f}", f"{result.published:.4f}", "yes" if result.agrees else "no")
    Console(highlight=False).print(table)
    if not all(result.agrees for result in results):
        raise typer.Exit(1)  # not 2, which says that the command was wrong


@ghn.command(cls=Command, name="eval")
def evaluate(
    file: GhnArgument,
    data: Annotated[Path, typer.Argument(exists=True, help="The folder of DeepNets-1M.")],
    split: Annotated[Split, typer.Option(help="The split.")],
    out: Annotated[Path, typer.Option(callback=written_as((".json",)), help="The file (.json); the same goes on.")],
    arch: Annotated[list[int] | None, typer.Option(min=0, help="Only this network; repeat for several.")] = None,
    dataset: Annotated[
        ImageDataset, typer.Option(help="The images; cifar10-sample and digits need no --data-dir.")
    ] = DEFAULT_DATASET,
    data_dir: Annotated[
        Path | None, typer.Option(exists=True, help="Where CIFAR-10 is, in any of its usual forms.")
    ] = None,
    image_size: Annotated[int | None, typer.Option(min=1, help="Reduce the images to so many pixels.")] = None,
    on: Annotated[
        Literal["validation", "test"] | None,
        typer.Option(help="Which images are classified; default validation for the split val, else test."),
    ] = None,
    test_images: Annotated[int | None, typer.Option(min=1, help="Images to test on; default all.")] = None,
    channels: Annotated[int | None, typer.Option(min=2, help="Channels of the first cells; default their own.")] = None,
    device: DeviceOption = None,
    quiet: QuietOption = False,
) -> None:
    """Measure the accuracy of a split's networks with predicted parameters.

    Batch normalisation takes the statistics of batches of 64. The same command resumes.
    """
    from tart_nas.hypernetworks import GHN, evaluate_predicted
    from tart_nas.images import load_images
    from tart_nas.runs import open_architectures
    from tart_nas.search_spaces import DartsSpace

    found = open_architectures(data, DartsSpace(), split).all()
    listed = "\n".join(f"{index} {architecture}" for index, architecture in found.items())
    if arch:
        for index in arch:
            whole("arch", index, 0, max(found))
            if index not in found:  # the first of the predefined networks is a ResNet-50
                raise SettingError(f"`--arch` {index} of {data} is a network without an architecture.")
        found = {index: found[index] for index in arch}
    if channels is not None:
        found = {index: architecture.resized(C=channels) for index, architecture in found.items()}
    images = load_images(dataset, data_dir, image_size=image_size, test_images=test_images)
    # In the file too: one that was made with other settings is refused, not continued.
    on = on or ("validation" if split == "val" else "test")
    loaded, networks = GHN.load(file), sha256(listed.encode()).hexdigest()[:16]
    about: dict[str, Any] = {"ghn": loaded.identity, "split": split, "networks": networks, "dataset": dataset}
    about |= {"image_size": images.image_size, "on": on, "test_images": test_images, "channels": channels}
    with resumable(f"what is in {out}"), network_bars(quiet) as bars:
        measured = evaluate_predicted(
            loaded,
            found,
            getattr(images, on),
            images,
            out=out,
            about=about,
            device=device,
            progress=lambda done, total: bars.report(f"{split}", done, total),
        )
    for index, accuracy in measured.accuracies.items():
        print(f"{split}/{index}  {'not finite' if accuracy is None else f'{100 * accuracy:.2f} %'}")
    if len(measured.finite) > 1:
        print(f"mean {100 * measured.mean:.2f} ± {100 * measured.standard_error:.2f} % of {len(measured.finite)}")


def _described(loaded: object) -> str:
    """A hypernetwork in words."""
    from tart_nas.hypernetworks import GHN

    assert isinstance(loaded, GHN)
    config, count = loaded.config, sum(parameter.numel() for parameter in loaded.parameters())
    shape = " x ".join(map(str, config.max_shape))
    return (
        f"{config.hypernet}, {count:,} parameters, node vectors of {config.hid}, tensors up to {shape}, "
        f"{config.num_classes:,} classes"
    )
