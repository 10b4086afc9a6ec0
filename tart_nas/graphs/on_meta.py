"""Tensors without memory and numbers, on PyTorch's meta device, in a fraction of the time that PyTorch itself takes.

On that device, many functions are worked out in Python: 0.5 to 3 ms each, most of the time of a run. What is needed of
them is the shape of the result, and of most functions it is that of the first argument.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

__all__ = ["OnMeta", "placed", "quick_result"]

_FACTORIES = frozenset(
    (
        torch.arange,
        torch.as_tensor,
        torch.asarray,
        torch.empty,
        torch.empty_permuted,
        torch.empty_strided,
        torch.eye,
        torch.full,
        torch.linspace,
        torch.logspace,
        torch.normal,
        torch.ones,
        torch.rand,
        torch.randint,
        torch.randn,
        torch.randperm,
        torch.range,
        torch.scalar_tensor,
        torch.tensor,
        torch.tril_indices,
        torch.triu_indices,
        torch.zeros,
    )
)
"""Functions that make tensors of no others, on the device that they are told."""

_AS_FIRST = frozenset(
    "batch_norm dropout dropout2d elu gelu group_norm hardsigmoid hardswish instance_norm layer_norm leaky_relu mish "
    "relu relu6 rms_norm sigmoid silu tanh".split()
)
"""Functions of one tensor whose result has its shape."""

_IN_PLACE = frozenset(("add_", "mul_", "sub_", "div_", "__iadd__", "__imul__", "__isub__", "__itruediv__"))
_OF_TWO = frozenset(("add", "mul", "sub", "div", "__add__", "__mul__", "__sub__", "__truediv__", *_IN_PLACE))
"""Functions of elements of two tensors; the result has the first one's shape where the second is not larger."""


_FILLING = frozenset("add_ bernoulli_ clamp_ erfinv_ fill_ mul_ normal_ uniform_ zero_".split())
"""Methods by which ``torch.nn.init`` fills tensors, where it does not call a function of its own for that."""


class OnMeta(TorchFunctionMode):
    """Makes tensors on the meta device inside, and does not fill them, since they have no numbers."""

    _is_paused = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Inside, tensors are what they are elsewhere: for code of others that the code in the mode calls."""
        self._is_paused = True
        try:
            yield
        finally:
            self._is_paused = False

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if self._is_paused:
            return func(*args, **kwargs)
        if func in _FACTORIES:
            return func(*args, **placed(func, kwargs))
        if getattr(func, "__module__", None) == nn.init.__name__ or getattr(func, "__name__", None) in _FILLING:
            tensor = args[0] if args else kwargs["tensor"]
            if tensor.is_meta:
                return tensor
        return func(*args, **kwargs)


def placed(func: Callable[..., Any], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments of a call, with the meta device for functions that make tensors and are told no device."""
    return {**kwargs, "device": "meta"} if func in _FACTORIES and kwargs.get("device") is None else kwargs


def quick_result(name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Tensor | None:
    """The result of a function on the meta device, where its shape is quickly told; None for all other calls.

    Args:
        name: of the function.
        args: positional arguments, the first of which is a tensor that requires gradients.
        kwargs: the others.
    """
    x: Tensor = args[0]
    if name in _AS_FIRST:
        return x if kwargs.get("inplace") else x.clone()
    if name in _OF_TWO and len(args) == 2 and not kwargs and _is_no_larger(args[1], x):
        return x if name in _IN_PLACE else x.clone()
    if name == "conv2d" and len(args) == 7 and (shape := _convolved(*args)) is not None:
        # A copy, since what a network changes in place must not be the first of its kind.
        return torch.empty(shape, dtype=x.dtype, device="meta", requires_grad=True).clone()
    return None


def _is_no_larger(other: Any, x: Tensor) -> bool:
    """Whether a function of elements of both has the shape and the type of x."""
    if not isinstance(other, Tensor):
        return isinstance(other, int | float) and not isinstance(other, bool)
    if other.dtype != x.dtype or other.dim() > x.dim():
        return False
    pairs = zip(reversed(other.shape), reversed(x.shape), strict=False)
    return all(size in (1, whole) for size, whole in pairs)


def _convolved(
    x: Tensor, weight: Tensor, bias: Tensor | None, stride: Any, padding: Any, dilation: Any, groups: int
) -> tuple[int, ...] | None:
    """The shape of a convolution's result; None of one that is not of images, or cannot be: PyTorch says why."""
    steps = (stride, padding, dilation)
    pairs = [step if isinstance(step, tuple) and len(step) == 2 else None for step in steps]
    if x.dim() != 4 or weight.dim() != 4 or x.shape[1] != weight.shape[1] * groups or x.dtype != weight.dtype:
        return None
    if weight.shape[0] % groups or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    strides, paddings, dilations = pairs
    if strides is None or paddings is None or dilations is None:
        return None
    sizes = [
        (size + 2 * p - d * (kernel - 1) - 1) // s + 1
        for size, kernel, s, p, d in zip(x.shape[2:], weight.shape[2:], strides, paddings, dilations, strict=True)
    ]
    return (x.shape[0], weight.shape[0], *sizes) if min(sizes) > 0 else None
