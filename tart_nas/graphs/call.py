"""A call of one of PyTorch's functions, as it is seen while a network runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

__all__ = ["Call", "is_number", "tensors_in"]

_OF_NUMPY = {"dim": "axis"}
"""NumPy's names of arguments, which PyTorch takes too."""


@dataclass(frozen=True)
class Call:
    """A call of a torch function.

    Attributes:
        name: the function's, without underscores at its ends.
        args: its positional arguments.
        kwargs: its other arguments.
        inputs: all tensors among its arguments.
        results: all tensors that it returned.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: Sequence[Tensor]
    results: Sequence[Tensor]

    @cached_property
    def variable_results(self) -> list[Tensor]:
        """The results that depend on data: a mask or an index that is made from numbers counts as a constant."""
        if not any(map(is_number, self.inputs)):
            return list(self.results)
        return [tensor for tensor in self.results if is_number(tensor)]

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """The argument of that name, which may be given by position, or as NumPy calls it."""
        if index < len(self.args):
            return self.args[index]
        return self.kwargs.get(name, self.kwargs.get(_OF_NUMPY.get(name, name), default))


def is_number(tensor: Tensor) -> bool:
    """Whether a tensor holds real or complex numbers, for which there are gradients, not masks or indices."""
    return tensor.is_floating_point() or tensor.is_complex()


def tensors_in(value: Any) -> list[Tensor]:
    """All tensors in nested tuples, lists, mappings and data classes."""
    found: list[Tensor] = []
    _collect(value, found)
    return found


_WITHOUT = frozenset((int, float, bool, str, type(None), torch.dtype, torch.device, slice))
"""Types of most arguments, in which there is no tensor: they are looked at a thousand times in a run."""


def _collect(value: Any, found: list[Tensor]) -> None:
    if type(value) in _WITHOUT:
        return
    if isinstance(value, Tensor):
        found.append(value)
    elif isinstance(value, list | tuple):
        for item in value:
            if type(item) not in _WITHOUT:
                _collect(item, found)
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect(item, found)
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            _collect(getattr(value, field.name), found)
