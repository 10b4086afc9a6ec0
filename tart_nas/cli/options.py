"""Options that several commands have, and what a command says when it is interrupted."""

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

__all__ = ["DeviceOption", "PredictorOption", "QuietOption", "SeedOption", "command_text", "resumable"]

PredictorOption = Annotated[str, typer.Option(help="A bundled predictor's name, or the file of a fitted one.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, ...; default a GPU when there is one.")]
SeedOption = Annotated[int, typer.Option(help="Seed of everything random.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress bars: print the result only.")]


def command_text() -> str:
    """The command that was given, as a shell reads it, without passwords."""
    from tart_nas.runs.storage import masked

    return shlex.join(["tart-nas", *(masked(argument) or "" for argument in sys.argv[1:])])


@contextmanager
def resumable(what: str) -> Iterator[None]:
    """An interrupt from the keyboard inside ends the command, which says that the same one resumes what it did."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\ninterrupted: the same command resumes {what}", file=sys.stderr)
        raise typer.Exit(130) from None
