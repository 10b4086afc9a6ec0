"""``tart-nas data``: data sets downloaded, generated and looked at; the labels that predictors were fitted to."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tart_nas.choices import DARTS_LABELS, FIGURE_SUFFIXES, PENN_FUDAN, RELEASED_FILE_NAMES, SampledSplit, Split
from tart_nas.cli.bars import Bars, download_bars
from tart_nas.cli.cluster_options import ClusterEngineOption, RayAddressOption
from tart_nas.cli.commands import Command, resumable
from tart_nas.cli.options import QuietOption, SeedOption, each_of, written_as

__all__ = ["data"]

data = typer.Typer(
    name="data", help="DeepNets-1M, Penn-Fudan: download, generate or inspect them; labels.", no_args_is_help=True
)

_SUMMARY = ("min", "mean", "std", "median", "max")


@data.command(cls=Command)
def generate(
    split: Annotated[SampledSplit, typer.Argument(help="The split whose rules networks are drawn by.")],
    out: Annotated[Path, typer.Option(help="The folder of the files; other evaluation splits in it stay.")],
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="How many networks.")] = 1000,
    seed: SeedOption = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes; the files do not depend on their number.")] = 1,
    compress: Annotated[bool, typer.Option("--compress", help="Files of about a tenth of the size.")] = False,
    engine: ClusterEngineOption = "process",
    ray_address: RayAddressOption = None,
    quiet: QuietOption = False,
) -> None:
    """Generate a split in the released layout.

    The same command resumes.
    """
    from tart_nas.deepnets1m import generate as generate_split

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), _Rate(), TimeRemainingColumn()
    )  # fmt: skip
    with resumable(f"what lies in {out}"), Bars(columns, quiet) as bars:
        path = generate_split(
            split, n, out, seed, workers, compress, bars.report, engine=engine, ray_address=ray_address
        )
    print(f"{n:,} networks of {split} written to {path}")


@data.command(cls=Command)
def download(
    out: Annotated[Path, typer.Option(help="The folder of the files.")],
    files: Annotated[
        list[str] | None,
        typer.Argument(
            callback=each_of((*RELEASED_FILE_NAMES, PENN_FUDAN, DARTS_LABELS)),
            help=f"Which: {', '.join(RELEASED_FILE_NAMES)}, default these; {PENN_FUDAN}, for `tart-nas detect`; "
            f"{DARTS_LABELS}, for `tart-nas fit`.",
        ),
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Download DeepNets-1M's released files, 11.7 GB, the Penn-Fudan database, 54 MB, or labels of DARTS, 0.8 MB.

    The checksums of DeepNets-1M and of the labels are verified; of Penn-Fudan none is known. The same command resumes.
    """
    from tart_nas.deepnets1m import download as download_files
    from tart_nas.detection import download_penn_fudan
    from tart_nas.predictors import download_darts_labels

    wanted = files or RELEASED_FILE_NAMES
    with resumable(f"what lies in {out}"), download_bars(quiet) as bars:
        paths = download_files(out, [file for file in wanted if file in RELEASED_FILE_NAMES], progress=bars.report)
        if PENN_FUDAN in wanted:
            paths.append(download_penn_fudan(out, progress=bars.report))
        if DARTS_LABELS in wanted:
            paths += download_darts_labels(out, progress=bars.report)
    for path in paths:
        print(path)


@data.command(cls=Command)
def inspect(
    folder: Annotated[Path, typer.Argument(exists=True, help="The folder of the files.")],
    split: Annotated[Split, typer.Argument(help="The split.")],
    most: Annotated[
        int | None, typer.Option(min=1, help="Measure so many networks, evenly spread; default all.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(callback=written_as(FIGURE_SUFFIXES), help="Write a picture (.png, .svg, .pdf).")
    ] = None,
    quiet: QuietOption = False,
) -> None:
    """Describe a split in tables and a picture.

    Told are nodes, degrees, path lengths, primitives and parameters.
    """
    from tart_nas.deepnets1m import DeepNets1M, draw_statistics, split_statistics
    from tart_nas.drawing import save_figure

    dataset = DeepNets1M(folder, split, virtual_edges=250)  # all distances, for path lengths
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Bars(columns, quiet) as bars:
        statistics = split_statistics(dataset, most, lambda done, total: bars.report("measuring", done, total))
    console = Console(highlight=False)
    for table in _tables(statistics):
        console.print(table)
    if plot is not None:
        print(f"picture: {save_figure(draw_statistics(statistics), plot)}")


@data.command(cls=Command)
def labels(
    predictor: Annotated[str, typer.Argument(help="A bundled predictor's name, or the file of a fitted one.")],
    out: Annotated[Path, typer.Option(help="The file (.json), which `fit` reads.")],
) -> None:
    """Write the labelled architectures that a predictor was fitted to: for `fit`, to make it again or a better one."""
    from tart_nas.predictors import Predictor

    labelled = Predictor.open(predictor).training_data()
    labelled.write(out)
    names = ", ".join(labelled.targets)
    proxies = f" and {len(labelled.auxiliary_names)} auxiliary values of each" if labelled.auxiliary_names else ""
    print(f"{len(labelled.architectures):,} architectures with {names}{proxies} written to {out}")


def _tables(statistics: dict[str, Any]) -> list[Table]:
    """What :func:`tart_nas.deepnets1m.split_statistics` measured."""
    title = f"{statistics['split']}: {statistics['measured']:,} of {statistics['networks']:,} networks"
    measures = Table("", *_SUMMARY, title=title)
    for name, summary in statistics["measures"].items():
        measures.add_row(name.replace("_", " "), *(f"{summary[key]:,.5g}" for key in _SUMMARY))
    tables = [measures]
    for name in ("primitives", "operations"):
        shares = Table(name, "% of all")
        for key, share in sorted(statistics[name].items(), key=lambda item: -item[1]):
            shares.add_row(key, f"{100 * share:.1f}")
        tables.append(shares)
    return tables


class _Rate(ProgressColumn):
    """Networks per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} nets/s")
