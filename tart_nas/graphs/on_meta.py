"""Tensors without memory and numbers, on PyTorch's meta device, in a fraction of the time that PyTorch itself takes.

On that device, many functions are worked out in Python: 0.5 to 3 ms each, most of the time of a run. What is needed of
them is the shape of the result, and of most functions it is that of the first argument.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from threading import Lock
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
    "dropout dropout2d elu gelu hardsigmoid hardswish leaky_relu mish relu relu6 sigmoid silu tanh".split()
)
"""Functions of one tensor whose result has its shape, whatever that is."""

_OF_CHANNELS = frozenset(("batch_norm", "group_norm", "instance_norm"))
"""Normalisations whose weights and statistics are of dimension 1; the result has the first one's shape if they fit."""

_OF_LAST = frozenset(("layer_norm", "rms_norm"))
"""The same of the last dimensions, which they are told."""

_IN_PLACE = frozenset(("add_", "mul_", "sub_", "div_", "__iadd__", "__imul__", "__isub__", "__itruediv__"))
_OF_TWO = frozenset(("add", "mul", "sub", "div", "__add__", "__mul__", "__sub__", "__truediv__", *_IN_PLACE))
"""Functions of elements of two tensors; the result has the first one's shape where the second is not larger."""


_FILLING = frozenset("add_ bernoulli_ clamp_ erfinv_ fill_ mul_ normal_ uniform_ zero_".split())
"""Methods by which ``torch.nn.init`` fills tensors, where it does not call a function of its own for that."""


_INITIALISING: tuple[tuple[Any, str], ...] = (
    (nn.modules.batchnorm._NormBase, "reset_parameters"),
    (nn.modules.batchnorm._NormBase, "reset_running_stats"),
    (nn.modules.conv._ConvNd, "reset_parameters"),
    (nn.Linear, "reset_parameters"),
    (nn.LayerNorm, "reset_parameters"),
    (nn.GroupNorm, "reset_parameters"),
    *((nn.init, name) for name in dir(nn.init) if name.endswith("_") and not name.startswith("_")),
)
"""What fills the weights of layers: a fifth of the time in which a network is built."""

_lock = Lock()
_filling: list[tuple[Any, str, Any]] = []  # what stood there, while somebody skips
_n_skipping = 0


@contextmanager
def initialisation_skipped() -> Iterator[None]:
    """Inside, weights on the meta device are not filled; all others are, whichever thread builds a network."""
    global _n_skipping
    with _lock:
        _n_skipping += 1
        if _n_skipping == 1:
            _filling[:] = [(owner, name, getattr(owner, name)) for owner, name in _INITIALISING]
            for owner, name, fill in _filling:
                setattr(owner, name, _unless_on_meta(fill))
    try:
        yield
    finally:
        with _lock:
            _n_skipping -= 1
            if _n_skipping == 0:
                for owner, name, fill in _filling:
                    setattr(owner, name, fill)


def _unless_on_meta(fill: Callable[..., Any]) -> Callable[..., Any]:
    """A function that fills the tensors of its first argument, or that, if they have numbers."""

    @wraps(fill)
    def filled(target: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(target, nn.Module):
            tensor = next((t for t in (*target._parameters.values(), *target._buffers.values()) if t is not None), None)
            return None if tensor is not None and tensor.is_meta else fill(target, *args, **kwargs)
        return target if isinstance(target, Tensor) and target.is_meta else fill(target, *args, **kwargs)

    return filled


class OnMeta(TorchFunctionMode):
    """Makes tensors on the meta device inside, and does not fill them, since they have no numbers."""

    _is_paused = False

    def __enter__(self) -> "OnMeta":
        self._skipped = initialisation_skipped()
        self._skipped.__enter__()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(self, *raised: Any) -> None:
        super().__exit__(*raised)  # type: ignore[no-untyped-call]
        self._skipped.__exit__(None, None, None)

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
    if name in _OF_CHANNELS or name in _OF_LAST:
        return x.clone() if _is_normalizable(name, x, args[1:], kwargs) else None
    if name in _OF_TWO and len(args) == 2 and not kwargs and _is_no_larger(args[1], x):
        return x if name in _IN_PLACE else x.clone()
    if name == "conv2d" and len(args) == 7 and (shape := _convolved(*args)) is not None:
        return _new(shape, x)
    if name in _SHAPES and (shape := _SHAPES[name](x, args[1:], kwargs)):
        return _new(shape, x)
    return None


def _new(shape: tuple[int, ...], x: Tensor) -> Tensor:
    """A result of x: a copy, since what a network changes in place must not be the first of its kind."""
    return torch.empty(shape, dtype=x.dtype, device="meta", requires_grad=True).clone()


def _pooled_to(x: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The shape that an adaptive pooling of images gives."""
    size = args[0] if args else kwargs.get("output_size")
    pair = (size, size) if isinstance(size, int) else size
    if x.dim() != 4 or not isinstance(pair, tuple | list) or len(pair) != 2 or len(args) > 1:
        return None
    height, width = (old if new is None else new for new, old in zip(pair, x.shape[2:], strict=True))
    return (*x.shape[:2], height, width)


def _linear(x: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[int, ...] | None:
    """The shape of a linear layer's result."""
    weight = args[0] if args else None
    if not isinstance(weight, Tensor) or weight.dim() != 2 or x.dim() < 1 or weight.dtype != x.dtype:
        return None
    bias = args[1] if len(args) > 1 else kwargs.get("bias")
    fits = x.shape[-1] == weight.shape[1] and (bias is None or bias.shape == weight.shape[:1])
    return (*x.shape[:-1], weight.shape[0]) if fits else None


_SHAPES: dict[str, Callable[[Tensor, tuple[Any, ...], Mapping[str, Any]], tuple[int, ...] | None]] = {
    "adaptive_avg_pool2d": _pooled_to,
    "linear": _linear,
}
"""The shapes of other results by the name of the function, of a tensor and the arguments behind it."""


def _is_normalizable(name: str, x: Tensor, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Whether the sizes of a normalisation fit x; if they do not, PyTorch says what is wrong.

    That a batch of one may have too few numbers for statistics is not asked: the network can run on a larger one.
    """
    shape: tuple[int, ...] = x.shape[1:2]
    if name in _OF_LAST:
        given = args[0] if args else kwargs.get("normalized_shape")
        if not isinstance(given, tuple | list) or not given or x.shape[-len(given) :] != tuple(given):
            return False
        shape = tuple(given)
    elif x.dim() < 2:
        return False
    elif name == "group_norm":
        groups = args[0] if args else kwargs.get("num_groups")
        if not isinstance(groups, int) or groups < 1 or shape[0] % groups:
            return False
    elif name == "instance_norm" and x.shape[2:].numel() < 2:  # no batch gives statistics of one pixel
        return False
    # Weights and statistics, which torch.batch_norm takes in another order than torch.nn.functional's.
    others = (*args, *kwargs.values())
    return all(other.shape == shape for other in others if isinstance(other, Tensor))


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
