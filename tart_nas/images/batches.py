"""Reads the files of ``cifar-10-batches-py`` and ``cifar-100-python`` without unpickling them.

The published files are Python 2 pickles of protocol 2: a dictionary whose ``data`` is a uint8 array (n, 3072), an image
per row, red, then green, then blue, and whose ``labels`` is a list of n integers. Unpickling runs whatever a file says
should be run, so the opcodes are read here by a machine that knows only those these files need: constructors are
noted, never called.
"""

import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.errors import ImageDataError, reason

__all__ = ["read_batch"]

_ROW = 3 * 32 * 32  # bytes per image
_NAMES = ("numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype")


@dataclass
class _Built:
    """An object as the file describes it: what it calls, with which arguments, and the state it sets."""

    name: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_batch(path: Path, labels_key: str = "labels") -> tuple[npt.NDArray[np.uint8], list[int]]:
    """Reads one batch.

    Args:
        path: of ``data_batch_1``, ..., or ``test_batch``; of CIFAR-100, ``train`` or ``test``.
        labels_key: under which the labels are: ``labels``, or ``fine_labels`` of CIFAR-100.

    Returns:
        The images (n, 3072) and the n labels.

    Raises:
        ImageDataError: if the file is truncated, asks for anything else than a numpy array, or is no such batch.
    """
    try:
        batch = _interpret(path.read_bytes())
    except _Refused as error:
        raise ImageDataError(f"{path}: refused, a batch of CIFAR-10 does not need {error}.") from None
    except (OSError, ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        why = reason(error)
        raise ImageDataError(f"{path}: expected a batch of CIFAR-10, but it cannot be read ({why}).") from None
    try:
        labels = batch[labels_key]
        _, shape, dtype, fortran_order, pixels = batch["data"].state
        images = np.frombuffer(pixels.encode("latin-1"), dtype=np.uint8).reshape(shape)  # genops decodes as latin-1
        is_batch = dtype.arguments[0] == "u1" and not fortran_order and images.shape == (len(labels), _ROW)
        if not (is_batch and labels and all(type(label) is int for label in labels)):
            raise ValueError
    except (KeyError, ValueError, TypeError, AttributeError):
        raise ImageDataError(
            f"{path}: expected 'data', a uint8 array (n, {_ROW}), and {labels_key!r}, a list of n integers."
        ) from None
    return images.copy(), labels


class _Refused(Exception):
    """The pickle holds something outside what a batch consists of."""


def _interpret(pickle: bytes) -> Any:
    """The value that a pickle describes, with a :class:`_Built` in place of every object."""
    stack: list[Any] = []
    below: list[list[Any]] = []  # the stacks under the open marks
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        nonlocal stack
        items, stack = stack, below.pop()
        return items

    for opcode, argument, _ in pickletools.genops(pickle):
        match opcode.name:
            case "PROTO":
                pass
            case "MARK":
                below.append(stack)
                stack = []
            case "NONE":
                stack.append(None)
            case "NEWFALSE":
                stack.append(False)
            case "BININT" | "BININT1" | "BININT2" | "BINSTRING" | "SHORT_BINSTRING":
                stack.append(argument)
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                n = int(opcode.name[-1])
                stack[-n:] = [tuple(stack[-n:])]
            case "TUPLE":
                items = since_mark()
                stack.append(tuple(items))
            case "APPENDS":
                items = since_mark()
                stack[-1].extend(items)
            case "SETITEMS":
                items = since_mark()
                # Python hashes a key by recursion: tuples in tuples, a hundred thousand deep, would end the process.
                if not all(isinstance(key, str) for key in items[::2]):
                    raise _Refused("a key that is no text")
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]  # type: ignore[index]  # an integer with these opcodes
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])  # type: ignore[index]
            case "GLOBAL":
                if argument not in _NAMES:
                    raise _Refused(f"the name {argument!r}")
                stack.append(argument)
            case "REDUCE":
                arguments = stack.pop()
                stack.append(_Built(stack.pop(), arguments))
            case "BUILD":
                state = stack.pop()
                stack[-1].state = state
            case "STOP":
                return stack.pop()
            case other:
                raise _Refused(f"the opcode {other}")
    raise ValueError("no STOP")
