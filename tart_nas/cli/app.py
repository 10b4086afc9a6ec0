"""All commands under one name, and how they end.

What a user did wrong ends with one line on stderr and exit status 2; an interrupt from the keyboard with 130.
Libraries are imported by the commands that need them, so that ``--help`` answers at once.
"""

import os
import sys
from typing import Annotated

import typer

from tart_nas.cli.data import data
from tart_nas.cli.drawing import draw
from tart_nas.cli.measuring import measure
from tart_nas.cli.predicting import fit, pretrain, score
from tart_nas.cli.retraining import export, retrain
from tart_nas.cli.searching import search
from tart_nas.errors import TartError

__all__ = ["main"]

# How often a thread of PyTorch looks whether the others are done before it sleeps; read when PyTorch is imported. With
# OpenMP's own number, thirty times as large, a training beside another program takes ten times as long.
_SPINS = "10000"

app = typer.Typer(
    help="Rank neural architectures before training them; train only the best.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (search, fit, pretrain, score, measure, retrain, export, draw):
    app.command()(command)
app.add_typer(data)


def main() -> None:
    """The console script ``tart-nas``."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    try:
        app()
    except TartError as error:
        sys.exit(_fail(error))
    except OSError as error:  # a file that cannot be read or written
        sys.exit(_fail(error))


def _fail(error: Exception) -> int:
    print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
    return 2


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        print(f"tart-nas {version('tart-nas')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    pass
