"""How commands end: what a user did wrong is one line on stderr, which names the option, and exit status 2."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand

from tart_nas.errors import TartError, printable

__all__ = ["Command", "UsageError", "complain", "fail", "resumable"]

UsageError: Any = typer.BadParameter.__base__
"""What typer raises for an option that is missing, unknown or of a wrong value; it exports this one subclass only."""

_OPTION_OF = {  # where an option has another name than the library's argument that takes its value
    "C": "channels",
    "cpus_per_trial": "cpus_per_task",
    "extend_scope": "also_judge",
    "files": "names",
    "gpus_per_trial": "gpus_per_task",
    "n_cells": "cells",
    "names": "files",
    "path": "out",
    "track_running_stats": "track_statistics",
}
_QUOTED = re.compile(r"`(\w+)`")


class Command(TyperCommand):
    """A command whose errors name its options: a message's `` `batch_size` `` becomes `` `--batch-size` ``."""

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # whoever read the output has enough of it, which typer knows how to end
            raise
        except OSError as error:  # a file that cannot be read or written
            where = f"{error.filename}: " if error.filename is not None else ""
            complain(f"{where}{error.strerror or error}")
        except TartError as error:
            complain(_QUOTED.sub(self._named, str(error)))
        raise typer.Exit(2)

    def _named(self, quoted: re.Match[str]) -> str:
        """The option that an argument's value came from; what was quoted, where there is none."""
        names = {parameter.name: _name_of(parameter) for parameter in self.params}
        argument = quoted[1]
        for name in (argument, _OPTION_OF.get(argument)):
            if name in names:
                return f"`{names[name]}`"
        return quoted[0]


def _name_of(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.metavar or parameter.name.upper())
    return str(max(parameter.opts, key=len))


def fail(error: Any) -> None:
    """Prints what is wrong with an option; of a command without any arguments, its help."""
    if type(error).__name__ == "NoArgsIsHelpError":  # typer exports no name of it
        error.show()
        return
    message = str(error.format_message()).replace("Value error, ", "")
    details = getattr(error.__cause__, "errors", None)  # of pydantic, by which later versions of typer read values
    given = repr(details()[0]["input"]) if details is not None else ""
    complain(message if given in message else f"{message.rstrip('.')}, but got {given}.")


def complain(message: str) -> None:
    """Prints an error as one line on stderr."""
    print(f"error: {' '.join(printable(message).split())}", file=sys.stderr)


@contextmanager
def resumable(what: str) -> Iterator[None]:
    """An interrupt from the keyboard inside ends the command, which says that the same one resumes what it did."""
    try:
        yield
    except KeyboardInterrupt:
        print(f"\ninterrupted: the same command resumes {what}", file=sys.stderr)
        raise typer.Exit(130) from None  # as a shell tells it: 128 and the number of SIGINT
