"""What a network computes, as one number: equal for networks that apply the same functions in the same order.

A computational graph shows no nonlinearities, rates of dropout or other arguments; two candidates that differ in these
alone are different networks with equal graphs. So each tensor of a run gets a digest of the function that made it, the
function's arguments and the digests of the tensors that it took (a Merkle tree). Parameters count by their shapes.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["Expressions"]

_SUM = "add"
_SUMS = frozenset(("add", "iadd", "radd"))
_PRODUCTS = {"imul": "mul", "rmul": "mul"}  # Python's names of what commutes


class Expressions:
    """The digests of the tensors of one run.

    Sums are the same in any order and grouping, products in any order.

    Args:
        parameters: the network's.
        inputs: what it is called with.
        on_meta: whether they have no numbers. If they have, a fraction among the arguments may be one of their
            numbers, which differs from run to run, and does not count.
    """

    def __init__(self, parameters: Iterable[Tensor], inputs: Iterable[Tensor], on_meta: bool) -> None:
        self._on_meta = on_meta
        self._digests: dict[int, str] = {}
        self._terms: dict[int, tuple[str, ...]] = {}
        self._alive: list[Tensor] = []  # ids of dead tensors are given anew
        for parameter in parameters:
            self._set(parameter, f"parameter {tuple(parameter.shape)}")
        for place, tensor in enumerate(inputs):
            self._set(tensor, f"input {place} {tuple(tensor.shape)}")

    @contextmanager
    def following(self, module: nn.Module) -> Iterator[None]:
        """Notes the rates of parts that do nothing in evaluation, such as stochastic depth: training is another.

        Args:
            module: the network that is run.
        """
        hooks: list[torch.utils.hooks.RemovableHandle] = []
        before: list[str] = []

        def begin(_: nn.Module, args: tuple[Any, ...]) -> None:
            before.append(self._text(args[0]) if args else "")

        for part in module.modules():
            if not (rates := _rates(part)):
                continue

            def end(_: nn.Module, args: tuple[Any, ...], result: Any, rates: str = rates) -> None:
                digest = before.pop()
                if args and result is args[0] and isinstance(result, Tensor) and self._text(result) == digest:
                    self._set(result, _hashed(f"{rates} {digest}"))

            hooks += [part.register_forward_pre_hook(begin), part.register_forward_hook(end)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def note(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], results: list[Tensor]) -> None:
        """Notes a call of a torch function.

        Args:
            name: of the function.
            args: positional arguments.
            kwargs: the others.
            results: all tensors that it returned.
        """
        if name == "setitem":
            self._set(args[0], _hashed(self._text((name, *args))))
            return
        if not results:
            return
        if name in _SUMS and len(args) == 2 and not kwargs:
            terms = sorted(term for arg in args for term in self._terms_of(arg))
            digest = terms[0] if len(terms) == 1 else _hashed(f"{_SUM} {terms}")
            self._set(results[0], digest)
            self._terms[id(results[0])] = tuple(terms)
            return
        name = _PRODUCTS.get(name, name)
        given = [self._text(arg) for arg in args]
        given = sorted(given) if name == "mul" else given
        call = f"{name} {given} {self._text(kwargs) if kwargs else ''}"
        for place, tensor in enumerate(results):
            self._set(tensor, _hashed(f"{call} {place} {tuple(tensor.shape)}"))

    def digest(self, output: Tensor, *numbers: int) -> str:
        """That of the whole network.

        Args:
            output: what it returned.
            numbers: counts of its graph. They tell a layer that is used twice from two alike.
        """
        return _hashed(f"{self._text(output)} {numbers}")

    def _set(self, tensor: Tensor, digest: str) -> None:
        self._digests[id(tensor)] = digest
        self._terms.pop(id(tensor), None)
        self._alive.append(tensor)

    def _terms_of(self, value: Any) -> tuple[str, ...]:
        if isinstance(value, Tensor):
            return self._terms.get(id(value)) or (self._text(value),)
        return () if value == 0 else (self._text(value),)  # with which Python's `sum` begins

    def _text(self, value: Any) -> str:
        # Tensors that are known first, then plain numbers: these are most of the values of a run. What lives has an id
        # of its own, and all known tensors live.
        if (digest := self._digests.get(id(value))) is not None:
            return digest
        if type(value) is int or type(value) is bool or value is None:
            return repr(value)
        if isinstance(value, Tensor):  # a constant: on the meta device it has no numbers
            return f"constant {tuple(value.shape)} {value.dtype}"
        if isinstance(value, tuple | list):
            return f"({', '.join(map(self._text, value))})"
        if isinstance(value, Mapping):
            return f"({', '.join(f'{key}: {self._text(item)}' for key, item in value.items())})"
        if isinstance(value, float) and not self._on_meta:
            return "number"
        if value is None or isinstance(value, bool | int | float | str | slice):
            return repr(value)
        return type(value).__name__


def _rates(part: nn.Module) -> str:
    """Class and settings of a part that may act in training only; "" of one that has no fraction among these."""
    has_more = bool(part._parameters or part._buffers or part._modules)
    if has_more or isinstance(part, torch.jit.ScriptModule):  # which takes no hooks
        return ""
    settings = {
        name: float(value) if isinstance(value, float) else value  # of NumPy's floats, too
        for name, value in vars(part).items()
        if isinstance(value, bool | int | float | str) and not name.startswith("_") and name != "training"
    }
    has_rate = any(isinstance(value, float) and value for value in settings.values())  # at a rate of 0 it never acts
    return f"{type(part).__name__} {sorted(settings.items())}" if has_rate else ""


def _hashed(text: str) -> str:
    return blake2b(text.encode(), digest_size=8).hexdigest()
