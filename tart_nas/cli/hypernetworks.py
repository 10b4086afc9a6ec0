"""``tart-nas ghn``: graph hypernetworks downloaded, checked and converted."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from tart_nas.cli.bars import download_bars
from tart_nas.cli.commands import Command
from tart_nas.cli.options import QuietOption, resumable, written_as

__all__ = ["ghn"]

ghn = typer.Typer(name="ghn", help="Graph hypernetworks: download, check or convert them.", no_args_is_help=True)

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
        raise typer.Exit(1)


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
