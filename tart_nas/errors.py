"""The one family of errors: each says what was given, what was expected, and where.

Every error also subclasses the builtin it refines, so that ``except ValueError`` goes on working. The command line
prints the message of any :class:`TartError` on one line and exits with status 2.
"""

import json

__all__ = [
    "ArchitectureError",
    "CheckpointError",
    "ClusterError",
    "DeepNetsError",
    "DeepNetsIndexError",
    "DivergenceError",
    "GraphError",
    "ImageDataError",
    "InsufficientMemoryError",
    "MachineError",
    "NniError",
    "PredictorError",
    "RunFolderError",
    "SettingError",
    "TartError",
    "TrainingError",
    "first_line",
    "printable",
    "reason",
]


_LONGEST = 2000  # characters: a file may hold a name or a value of any length, and a message is to be read
_END = 400  # of them from the end, which says what to do


class TartError(Exception):
    """Anything that TART-NAS reports to its user."""

    def __init__(self, *arguments: object) -> None:
        if arguments and isinstance(text := arguments[0], str):
            arguments = (printable(text), *arguments[1:])
        super().__init__(*arguments)


class ArchitectureError(TartError, ValueError):
    """An architecture, or a text that should be one, that is not valid."""


class GraphError(TartError, ValueError):
    """A computational graph that is not valid, or a network of which none can be made."""


class DeepNetsError(TartError, ValueError):
    """A file of DeepNets-1M that is missing, incomplete, corrupt, or of another split."""


class DeepNetsIndexError(DeepNetsError, IndexError):
    """An index that a split of DeepNets-1M does not have."""


class SettingError(TartError, ValueError):
    """An argument or option outside its legal range."""


class CheckpointError(TartError, ValueError):
    """A file of weights that is truncated, foreign, or of another version."""


class PredictorError(TartError, ValueError):
    """A predictor asked for what it cannot give, such as an architecture outside what it was trained on."""


class ImageDataError(TartError, ValueError):
    """An image data set that is missing, incomplete or corrupt."""


class TrainingError(TartError, RuntimeError):
    """A training that cannot go on."""


class DivergenceError(TrainingError):
    """A training whose loss, or a network whose output, is not finite: the network's own failure, however often."""


class InsufficientMemoryError(TrainingError):
    """A network that does not fit into the memory of this machine, as it is now."""


class MachineError(TartError, RuntimeError):
    """A fault of the machine while a network was trained or measured. It says nothing of the network: try again."""


class RunFolderError(TartError, ValueError):
    """A run folder that belongs to another run, or is not one."""


class NniError(TartError, RuntimeError):
    """NNI missing or of another version, or an NNI experiment that cannot be run as asked."""


class ClusterError(TartError, RuntimeError):
    """Ray missing, a cluster that cannot be reached or used, or one whose machines have another version."""


def printable(text: str) -> str:
    r"""A text as it may be shown: it may hold a name or a value of a file, which somebody else wrote.

    Control characters, with which a text can move a terminal's cursor or rename its window, are shown as ``\x1b``;
    of a text that is too long to be read the middle is left out.
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - _END]} [...] {text[-_END:]}"
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def reason(error: BaseException) -> str:
    """Why something failed, on one line without a full stop, for the message of a :class:`TartError`.

    What Python raises when a value is not of the form that the code expects (``too many values to unpack``) tells a
    user nothing: of these only the kind is told. Libraries say theirs in their first line.

    Args:
        error: what was raised, by this package, by a library or by Python.
    """
    if isinstance(error, TartError):
        return " ".join(str(error).split()).removesuffix(".")
    if isinstance(error, json.JSONDecodeError):
        return f"it is not JSON (line {error.lineno}, column {error.colno})"
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    if isinstance(error, OSError) and error.strerror is not None:
        return error.strerror
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]!r}" if error.args else "it lacks a value"
    if type(error) in (ValueError, TypeError, AttributeError, IndexError, ZeroDivisionError, OverflowError):
        return "its values are not of the expected form"
    return first_line(error).rstrip(".")


def first_line(error: BaseException) -> str:
    """The first line of what an error says, the name of its class if it says nothing.

    Libraries say there what happened, and on the further lines where.
    """
    return next(iter(str(error).splitlines()), "") or type(error).__name__
