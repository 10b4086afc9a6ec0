"""``tart-nas generate``: architectures from a generator, as strings."""

from pathlib import Path
from typing import Annotated

import typer

from tart_nas.choices import SampledSplit, Space
from tart_nas.cli.notes import print_note
from tart_nas.cli.options import SeedOption, above_zero, generator_or_file
from tart_nas.errors import SettingError

__all__ = ["generate"]

_DEFAULT = "darts-cifar10-generator"


def _below_one(value: float | None) -> float | None:
    if value is not None and not 0 <= value < 1:
        raise typer.BadParameter(f"{value} is not in [0, 1).")
    return value


def generate(
    n: Annotated[int, typer.Option(min=1, help="How many architectures, no two of them the same network.")] = 10,
    generator: Annotated[
        str,
        typer.Option(
            metavar="NAME|FILE", callback=generator_or_file, help="A bundled generator's name, or the file of one."
        ),
    ] = _DEFAULT,
    space: Annotated[
        Space | None, typer.Option(help="Make sure that it generates networks of this space; default its own.")
    ] = None,
    split: Annotated[
        SampledSplit | None, typer.Option(help="With --space deepnets1m: of this split; default search.")
    ] = None,
    better_than: Annotated[
        float | None,
        typer.Option(callback=_below_one, help="The share of networks that they shall be better than; default 0.999."),
    ] = None,
    temperature: Annotated[
        float, typer.Option(callback=above_zero, help="Below 1: more probable and more alike; above 1: more diverse.")
    ] = 1.0,
    out: Annotated[Path | None, typer.Option(help="Write them to this file, which other commands take.")] = None,
    seed: SeedOption = 0,
) -> None:
    """Write architecture strings of networks that are likely to be good.

    `tart-nas score` ranks them. `tart-nas search` takes them as candidates.
    """
    if split is not None and space != "deepnets1m":
        raise SettingError("`split` is for `space` 'deepnets1m', of which networks shall be.")
    from tart_nas.files import replacing
    from tart_nas.generators import ArchitectureGenerator
    from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace

    source = ArchitectureGenerator.open(generator)
    if space is not None:
        source.check_space(DartsSpace() if space == "darts" else DeepNets1MSpace(split or "search"))
    architectures = source.sample(n, seed, temperature=temperature, better_than=better_than)
    if len(architectures) < n:
        print_note(f"{len(architectures):,} of {n:,} architectures: the generator hardly writes others.")
    text = "".join(f"{architecture}\n" for architecture in architectures)
    if out is None:
        print(text, end="")
        return
    with replacing(out) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(f"{len(architectures):,} architectures written to {out}")
