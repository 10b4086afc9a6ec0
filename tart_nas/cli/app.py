"""All commands under one name, and how they end.

What a user did wrong, what memory or disk do not suffice for, and a device that fails, end with one line on stderr and
exit status 2; an interrupt from the keyboard with 130; a pipe whose reader has enough of it with 1, silently, as other
Python programs end then.
Libraries are imported by the commands that need them, so that ``--help`` answers at once.
"""

import atexit
import os
import signal
import sys
from typing import Annotated

import typer

from tart_nas.cli.commands import Command, UsageError, complain, fail
from tart_nas.cli.data import data
from tart_nas.cli.detecting import detect
from tart_nas.cli.drawing import draw
from tart_nas.cli.generating import generate
from tart_nas.cli.hypernetworks import ghn
from tart_nas.cli.measuring import measure
from tart_nas.cli.predicting import fit, pretrain, update
from tart_nas.cli.reporting import report
from tart_nas.cli.retraining import export, retrain
from tart_nas.cli.scoring import score
from tart_nas.cli.searching import search
from tart_nas.cli.summarising import summary
from tart_nas.errors import first_line

__all__ = ["main"]

# How often a thread of PyTorch looks whether the others are done before it sleeps; read when PyTorch is imported. With
# OpenMP's own number, thirty times as large, a training beside another program takes ten times as long. Measured by
# hand (no script in the repository): one small network, two cores, seconds an epoch: 2.3 on an idle machine (2.4 with
# OpenMP's own number), 11.4 beside a program that keeps one core busy (more than 120). Sleeping at once,
# OMP_WAIT_POLICY=passive, takes 3.9 and 5.8. One thread takes 2.6 either way: on a shared machine OMP_NUM_THREADS=1 and
# a worker for each core are the better choice.
_SPINS = "10000"

app = typer.Typer(
    help="Rank neural architectures before training them; train only the best.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # in a narrow terminal tables of rich cut the names of options
    context_settings={"max_content_width": 100},
)
for command in (
    search,
    report,
    fit,
    update,
    pretrain,
    score,
    summary,
    generate,
    measure,
    retrain,
    detect,
    export,
    draw,
):
    app.command(cls=Command)(command)
app.add_typer(data)
app.add_typer(ghn)


def main() -> None:
    """The console script ``tart-nas``."""
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", _SPINS)
    try:
        status = app(standalone_mode=False)  # in which typer leaves the printing of errors to its caller
        sys.stdout.flush()  # else what is left is written as Python ends, which complains where nobody reads it
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except UsageError as error:
        fail(error)
        status = 2
    except (MemoryError, RuntimeError, ImportError) as error:  # what a command does not tell of itself
        if _is_lack_of_memory(error):
            complain(f"Memory does not suffice: {first_line(error)}")
        elif _is_device_failure(error):
            complain(f"The device failed, and the same command may succeed when given again: {first_line(error)}")
        else:
            raise
        status = 2
    except typer.Abort:  # what earlier versions of typer make of an interrupt from the keyboard
        status = 130
    # While Python ends, an interrupt from the keyboard would be printed as an exception that nobody handles.
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_DFL)
    if status == 2:  # likewise what a library lacks then, such as memory, which the command's one line has told
        sys.unraisablehook = lambda _: None
    sys.exit(status)


def _is_lack_of_memory(error: BaseException) -> bool:
    if isinstance(error, ImportError):  # the loader's words, of a library
        return "failed to map segment" in str(error) or "annot allocate memory" in str(error)
    devices = sys.modules.get("tart_nas.devices")  # without it, nothing of PyTorch can have raised the error
    return isinstance(error, MemoryError) or (devices is not None and devices.is_out_of_memory(error))


def _is_device_failure(error: BaseException) -> bool:
    devices = sys.modules.get("tart_nas.devices")
    return devices is not None and devices.is_device_failure(error)


def _version(value: bool) -> None:
    if value:
        import tart_nas

        print(f"tart-nas {tart_nas.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass
