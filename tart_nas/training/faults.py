"""Whose fault it is that a network was not trained: its own, which is final, or the machine's, which passes.

Networks raise whatever PyTorch raises. That a device failed and that a shape is impossible are both a ``RuntimeError``;
they are told apart by a pass on PyTorch's ``meta`` device, which computes shapes alone and needs no device that works.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import nn

from tart_nas.devices import is_out_of_memory
from tart_nas.errors import (
    ArchitectureError,
    DivergenceError,
    GraphError,
    InsufficientMemoryError,
    MachineError,
    TartError,
    first_line,
)

__all__ = ["OWN_FAULTS", "faults_told_apart"]

OWN_FAULTS = (DivergenceError, ArchitectureError, GraphError)
"""What is a network's own fault, the same whenever it is tried again."""


@contextmanager
def faults_told_apart(
    name: str,
    build: Callable[[], nn.Module],
    batch: tuple[int, int, int, int],
    passing: tuple[type[Exception], ...] = (),
) -> Iterator[None]:
    """Turns what training or measuring a network raises inside into the error that says whose fault it is.

    Args:
        name: of the network, for the message.
        build: makes the network again, on the meta device.
        batch: the shape (B, 3, H, W) of the images that it was given.
        passing: errors that are neither's fault, and left as they are.

    Raises:
        ArchitectureError: if no network of this architecture can take a batch of this shape.
        InsufficientMemoryError: if the network does not fit into memory.
        MachineError: on any other ``RuntimeError``, ``ValueError`` or ``MemoryError``.
    """
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        if isinstance(error, (TartError, *passing)):
            raise
        reason = first_line(error)
        if is_out_of_memory(error):
            raise InsufficientMemoryError(f"The network does not fit into memory: {reason}") from error
        if impossible := _impossible_shape(build, batch):
            raise ArchitectureError(f"The network cannot take images of shape {batch}: {impossible}") from error
        raise MachineError(f"{name} was interrupted, it is tried again by the next call: {reason}") from error


def _impossible_shape(build: Callable[[], nn.Module], batch: tuple[int, int, int, int]) -> str | None:
    """Why a network in training cannot take such a batch, whatever it runs on; None if it can."""
    try:
        with torch.device("meta"):
            # In training mode, in which batch normalisation refuses one value per channel.
            build().train()(torch.empty(batch))
    except NotImplementedError:  # an operation that the meta device does not know
        return None
    except (RuntimeError, ValueError) as error:
        return first_line(error)
    return None
