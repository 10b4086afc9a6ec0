"""A copy of a user's network that can be run, changed and thrown away, while the network itself stays as it is.

A copy on PyTorch's meta device takes no memory for tensors: each is replaced by a twin of its shape and type, wherever
in the network it lies. What is one tensor or module in the network (tied weights, a module under two names) is one in
the copy.
"""

import copy
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter, is_lazy
from torch.overrides import TorchFunctionMode

from tart_nas.devices import forked_rng
from tart_nas.errors import GraphError, first_line

__all__ = ["copied", "random_numbers_kept", "uncompiled", "unwrapped"]

_SHARED = (type(threading.Lock()), type(threading.RLock()))
"""Types of what cannot be copied and may be shared with the copy: a lock is as it was once it is released."""


_WRAPPERS = {"OptimizedModule": "_orig_mod", "DataParallel": "module", "DistributedDataParallel": "module"}
"""Classes whose objects run another module, and the name of that: what ``torch.compile`` returns, and copies of a
network on several devices."""


def unwrapped(module: nn.Module) -> tuple[str, nn.Module]:
    """The network that ``torch.compile`` or parallel training wraps, and what its parameters' names begin with."""
    prefix = ""
    while (attribute := _WRAPPERS.get(type(module).__name__)) and isinstance(
        inner := getattr(module, attribute), nn.Module
    ):
        prefix, module = f"{prefix}{attribute}.", inner
    return prefix, module


def copied(module: nn.Module, on_meta: bool) -> nn.Module:
    """A deep copy of a network, all of whose floating-point parameters require gradients.

    Args:
        module: the network.
        on_meta: whether the copy is on the meta device; else it is where the network is, with its numbers.

    Raises:
        GraphError: if the network has an attribute that cannot be copied.
    """

    def twin(tensor: Tensor) -> Tensor:
        data = tensor.detach()
        return data.to("meta") if on_meta else data.clone()

    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        if is_lazy(tensor):
            memo[id(tensor)] = _lazy_twin(tensor, on_meta)
        elif isinstance(tensor, nn.Parameter):
            memo[id(tensor)] = nn.Parameter(twin(tensor), requires_grad=tensor.is_floating_point())
        else:
            memo[id(tensor)] = twin(tensor)
    for value in (value for part in module.modules() for value in vars(part).values()):
        if isinstance(value, _SHARED):
            memo[id(value)] = value
        elif isinstance(value, torch.Generator):  # which a deep copy makes of its state's twin, and that has no numbers
            memo[id(value)] = value.clone_state()
    try:
        with _Copying(twin):
            made: nn.Module = copy.deepcopy(module, dict(memo))
    except Exception as error:  # whatever the attributes of a user's network raise
        raise GraphError(
            f"The network cannot be copied, and tracing needs a copy: {_culprit(module, memo, twin)}: "
            f"{type(error).__name__}: {first_line(error)}"
        ) from error
    for part in made.modules():  # compiled and parallel parts run as what they wrap does
        if (inner := unwrapped(part)[1]) is not part:
            part.__dict__["forward"] = inner.__call__
    return made


@contextmanager
def random_numbers_kept(module: nn.Module) -> Iterator[None]:
    """Gives all global random numbers that a network may draw back as they were: torch's, NumPy's and Python's."""
    device = next((tensor.device for tensor in (*module.parameters(), *module.buffers())), torch.device("cpu"))
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (a network may draw by it)
    try:
        with forked_rng(device):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def uncompiled() -> AbstractContextManager[Any]:
    """Inside, functions that ``torch.compile`` made run as they were written, so that what they call can be watched."""
    stance = getattr(torch.compiler, "set_stance", None)  # of PyTorch 2.6 and later
    # What compiles takes a second to import; where it was not imported, nothing is compiled.
    return nullcontext() if stance is None or "torch._dynamo" not in sys.modules else stance("force_eager")


class _Copying(TorchFunctionMode):
    """Has a deep copy inside take twins of tensors: of those, too, which PyTorch does not copy, results of operations.

    Args:
        twin: makes that of a tensor.
    """

    def __init__(self, twin: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._twin = twin

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.__deepcopy__:
            tensor, memo = args
            if id(tensor) not in memo:
                memo[id(tensor)] = self._twin(tensor).requires_grad_(tensor.requires_grad)
            return memo[id(tensor)]
        if func is Tensor.clone:  # by which a parameter that is not registered copies itself
            return self._twin(args[0])
        return func(*args, **(kwargs or {}))


def _lazy_twin(tensor: Tensor, on_meta: bool) -> Tensor:
    """The twin of a tensor whose shape the first run tells."""
    kind: Any = UninitializedParameter if isinstance(tensor, UninitializedParameter) else UninitializedBuffer
    twin: Tensor = kind(device="meta" if on_meta else tensor.device, dtype=tensor.dtype)
    return twin


def _culprit(module: nn.Module, memo: dict[int, Any], twin: Callable[[Tensor], Tensor]) -> str:
    """The attribute that cannot be copied."""
    for name, part in module.named_modules():
        for attribute, value in vars(part).items():
            if attribute == "_modules":  # their own turn comes
                continue
            try:
                with _Copying(twin):
                    copy.deepcopy(value, dict(memo))
            except Exception:
                return f"attribute '{attribute}' of {f'module {name!r}' if name else 'the network itself'}"
    return f"its class {type(module).__name__} does not allow it"
