"""Options that several commands have, how values are checked that no type tells of, and what an interrupt prints.

Everything here is checked when the command line is read: before PyTorch is imported and before a file is written.
"""

import re
import shlex
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import typer

from tart_nas import generators
from tart_nas.checks import MOST_SEED
from tart_nas.choices import DEVICE_TYPES, KINDS, SPACES, UNLABELLED_KINDS, ImageDataset, OptimizerName
from tart_nas.errors import ArchitectureError, SettingError, reason
from tart_nas.file_kinds import HOLD_ARCHITECTURES, HOLD_LABELS, HOLD_NETWORKS, FileKind, recognise
from tart_nas.predictors import pretrained
from tart_nas.symbols import split
from tart_nas.user_code import is_reference

__all__ = [
    "STRING",
    "DatasetOption",
    "DeviceOption",
    "ImageSizeOption",
    "OptimizerOption",
    "QuietOption",
    "SeedOption",
    "ThreadsOption",
    "above_zero",
    "command_text",
    "each_of",
    "file_of",
    "generator_or_file",
    "holds_architectures",
    "holds_labels",
    "holds_network",
    "is_there",
    "one_of_two",
    "predictor_file",
    "predictor_or_file",
    "predictor_or_kind",
    "progress_bar",
    "space_or_function",
    "told_as",
    "written_as",
]

_DEVICE = re.compile(rf"({'|'.join(DEVICE_TYPES)})(:\d+)?")


def _device(value: str | None) -> str | None:
    if value is not None and not _DEVICE.fullmatch(value):
        expected = f"{', '.join(DEVICE_TYPES)}, or one of these with an index, such as cuda:1"
        raise typer.BadParameter(f"{value!r} is no device: expected {expected}.")
    return value


SeedOption = Annotated[int, typer.Option(min=0, max=MOST_SEED, help="Seed of everything random.")]
DeviceOption = Annotated[
    str | None,
    typer.Option(
        metavar="DEVICE",
        callback=_device,
        help=f"{', '.join(DEVICE_TYPES)}, or with an index: cuda:1. Default: a GPU when there is one.",
    ),
]
OptimizerOption = Annotated[
    OptimizerName | None,
    typer.Option(help="What trains; default sgd. Without --lr, adam and adamw begin with a rate of 0.001."),
]
DatasetOption = Annotated[
    ImageDataset,
    typer.Option(
        help="The images. cifar10-sample and digits need no --data-dir; folder: your own in --data-dir, a folder of "
        "PNG, JPEG or WebP files for each class, with or without train, val and test around them, or parquet files of "
        "Hugging Face."
    ),
]
ImageSizeOption = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Pixels; default those of a trained network or of a timm model, 32 for architectures, 224 for others.",
    ),
]
ThreadsOption = Annotated[int | None, typer.Option(min=1, help="Threads of the CPU.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress bars: print the result only.")]


def _is_string(value: Any) -> Any:
    """Each text is an architecture string."""
    for text in [value] if isinstance(value, str) else value or ():
        try:
            split(text)
        except ArchitectureError as error:
            raise typer.BadParameter(str(error)) from None
    return value


STRING = typer.Option(
    "--string",
    metavar="STRING",
    callback=_is_string,
    help="An architecture string in place of a name or file, such as '[sep3:0][skip:1]' (docs/generation.md).",
)
"""The option that gives a network as its string; a command that takes many declares it as a list."""


def one_of_two(given: Any, strings: Any) -> None:
    """Makes sure that a command has its argument or ``--string``, and not both.

    Raises:
        SettingError: if not.
    """
    if (given is None) is (not strings):
        both = "not both" if strings else "but got neither"
        raise SettingError(f"Give what holds the network or `string`, {both}.")


def command_text() -> str:
    """The command that was given, as a shell reads it, without passwords."""
    from tart_nas.runs.storage import masked

    # The address of a database may hold a password, and reports, which people share, show the command.
    return shlex.join(["tart-nas", *(masked(argument) or "" for argument in sys.argv[1:])])


def above_zero(value: float | None) -> float | None:
    """A callback for numbers of which typer declares no limit that is excluded."""
    # Not `value <= 0`, which NaN would pass.
    if value is not None and not value > 0:
        raise typer.BadParameter(f"{value} is not above 0.")
    return value


def each_of(names: Sequence[str]) -> Callable[[Any], Any]:
    """A callback for lists, of which typer takes no choices: each item is one of the names."""

    def check(values: list[str] | None) -> list[str] | None:
        for value in values or ():
            if value not in names:
                raise typer.BadParameter(f"{value!r} is not one of {', '.join(map(repr, names))}.")
        return values

    return check


def told_as(is_right: Callable[[str], object], expected: str) -> Callable[[Any], Any]:
    """A callback for texts of a form; ``expected`` tells it in words."""

    def check(value: str | None) -> str | None:
        if value is not None and not is_right(value):
            raise typer.BadParameter(f"expected {expected}, but got {value!r}.")
        return value

    return check


def written_as(suffixes: Sequence[str]) -> Callable[[Any], Any]:
    """A callback for files whose format is told by the end of their name."""

    def check(value: Path | None) -> Path | None:
        if value is not None and value.suffix.lower() not in suffixes:
            raise typer.BadParameter(f"{value} must end in {', '.join(suffixes[:-1])} or {suffixes[-1]}.")
        return value

    return check


def file_of(kinds: Collection[FileKind], wanted: str) -> Callable[[Any], Any]:
    """A callback for files and folders of some kinds, told by their content; ``wanted`` says which in words."""

    def check(value: Path | None) -> Path | None:
        try:
            known = None if value is None else recognise(value)
        except OSError as error:
            raise typer.BadParameter(f"cannot read {value}: {reason(error)}.") from None
        if known is not None and known.kind not in kinds:
            raise typer.BadParameter(known.refusal(wanted))
        return value

    return check


predictor_file = file_of({FileKind.PREDICTOR}, FileKind.PREDICTOR.noun)
generator_file = file_of({FileKind.GENERATOR}, FileKind.GENERATOR.noun)
holds_architectures = file_of(HOLD_ARCHITECTURES, "a file of architectures")
holds_network = file_of(HOLD_NETWORKS, "the folder of a search or of a trained network")
holds_labels = file_of(HOLD_LABELS, "a file of labelled architectures")


def predictor_or_file(value: str | None) -> str | None:
    """A callback for predictors: the name of a bundled one, a kind that needs no labels, or a file."""
    return _name_or_file(value, "predictor", (*pretrained.names(), *UNLABELLED_KINDS), predictor_file)


def space_or_function(value: str | None) -> str | None:
    """A callback for search spaces: the name of one, or a user's own function as ``module:function``."""
    if value is None or value in SPACES or is_reference(value):
        return value
    near = get_close_matches(value, SPACES, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise typer.BadParameter(
        f"there is no space {value!r}: expected {', '.join(SPACES)}, or module:function of your own{meant}"
    )


def predictor_or_kind(value: str | None) -> str | None:
    """As :func:`predictor_or_file`, or a kind that learns from what a search trains."""
    return _name_or_file(value, "predictor", (*pretrained.names(), *KINDS), predictor_file)


def generator_or_file(value: str | None) -> str | None:
    """A callback for generators: the name of a bundled one, or a file."""
    return _name_or_file(value, "generator", generators.pretrained.names(), generator_file)


def _name_or_file(value: str | None, noun: str, names: Sequence[str], check: Callable[[Any], Any]) -> str | None:
    # A bundled one comes before a file of its name: what a name means does not depend on the folder.
    if value is None or value in names:
        return value
    if is_there(value):
        return str(check(Path(value)))
    near = get_close_matches(value, names, n=1)
    meant = f"; did you mean {near[0]}?" if near else ""
    raise typer.BadParameter(
        f"there is no {noun} {value!r}: expected {', '.join(names)}, or the file of a fitted one{meant}"
    )


def is_there(value: str) -> bool:
    """Whether there is such a file or folder, for callbacks.

    Raises:
        typer.BadParameter: if that cannot be told, of a name that is too long or in a folder that one may not read.
    """
    try:
        return Path(value).exists()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {value}: {reason(error)}.") from None


@contextmanager
def progress_bar(description: str, quiet: bool) -> Iterator[Callable[[float], None]]:
    """A bar on the terminal, gone when it is done; what is given advances it by a share of the whole."""
    from rich.progress import Progress

    with Progress(disable=quiet, transient=True) as bar:
        task = bar.add_task(description, total=1.0)
        yield lambda share: bar.advance(task, share)
