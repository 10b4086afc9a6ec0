"""What the functions of PyTorch mean in a computational graph: which nodes a call of each adds.

A function without an entry here is part of an edge if it is applied to one value (a nonlinearity, a reshape), and
cannot be shown if it combines several.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import ceil
from typing import Any

from torch import Tensor, nn

from tart_nas.graphs.recorder import Recorder, Value

__all__ = ["Call", "meaning", "tensors_in"]


@dataclass(frozen=True)
class Call:
    """A call of a torch function.

    Attributes:
        name: the function's, without underscores at its ends.
        args: its positional arguments.
        kwargs: its other arguments.
        results: all tensors that it returned.
    """

    name: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    results: Sequence[Tensor]

    @cached_property
    def inputs(self) -> list[Tensor]:
        """All tensors among its arguments."""
        return [*tensors_in(self.args), *tensors_in(self.kwargs)]

    def argument(self, index: int, name: str, default: Any = None) -> Any:
        """The argument of that name, which may be given by position."""
        return self.args[index] if index < len(self.args) else self.kwargs.get(name, default)


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in nested tuples, lists, mappings and data classes."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)


def meaning(recorder: Recorder, call: Call) -> Value | None:
    """Adds the nodes of a call and gives the value of its results; None if they are constants.

    Raises:
        GraphError: if a graph cannot show it.
    """
    values = _known(recorder, call.inputs)
    if not values or call.name.startswith("new_") or call.name.endswith("_like"):
        return None
    if call.name == "setitem" and any(value.sources for value in values):
        raise recorder.error("it writes into a part of a tensor")
    if not call.results:
        return None
    return _MEANINGS.get(call.name, _apply)(recorder, call)


def _known(recorder: Recorder, tensors: Sequence[Tensor]) -> list[Value]:
    return [value for value in map(recorder.value, tensors) if value is not None]


def _apply(recorder: Recorder, call: Call) -> Value:
    values = _known(recorder, call.inputs)
    parameters = [name for value in values for name in value.parameters]
    data = [value for value in values if value.sources]
    if not data:
        return Value(parameters=tuple(dict.fromkeys(parameters)))
    if parameters:
        raise recorder.error(f"no primitive stands for {call.name} with the parameter '{parameters[0]}'")
    if len({value.sources for value in data}) > 1:
        raise recorder.error(f"no primitive stands for {call.name} of several tensors")
    return data[0]


def _weight(recorder: Recorder, tensor: Tensor, call: Call) -> tuple[str, ...]:
    """The parameter that a weight is, or those that it is made from."""
    value = recorder.value(tensor)
    if value is None or not value.parameters:
        raise recorder.error(f"the weight of its {call.name} is no parameter")
    return value.parameters


def _data(recorder: Recorder, *tensors: Tensor) -> list[Value]:
    return [value for value in map(recorder.data, tensors) if value is not None]


def _bias(recorder: Recorder, bias: Tensor | None, value: Value, result: Tensor) -> Value:
    """Adds the bias of a convolution or linear layer behind its weight, if there is one."""
    bias_value = recorder.value(bias)
    if bias_value is None:
        return value
    return recorder.node("bias", [value], result, channels=value.channels, parameters=bias_value.parameters)


def _convolution(recorder: Recorder, call: Call) -> Value:
    x, weight = call.argument(0, "input"), call.argument(1, "weight")
    parameters = _weight(recorder, weight, call)
    transposed = "transpose" in call.name
    groups = call.argument(6, "groups", 1)
    dilation = call.argument(7 if transposed else 5, "dilation", 1)
    owner = recorder.owner(parameters[0])
    if isinstance(owner, nn.modules.conv._ConvNd):  # which may compute a dilated convolution without dilation
        dilation = owner.dilation
    dilated = min(dilation if isinstance(dilation, Sequence) else (dilation,)) > 1
    value = recorder.node(
        "conv" if groups == 1 else "dil_conv" if dilated else "sep_conv",
        _data(recorder, x),
        call.results[0],
        channels=weight.shape[1] * groups if transposed else weight.shape[0],
        parameters=parameters,
        kernel=weight.shape[2:],
    )
    return _bias(recorder, call.argument(2, "bias"), value, call.results[0])


def _linear(recorder: Recorder, call: Call) -> Value:
    data = _data(recorder, call.argument(0, "input"))
    return _linear_layer(recorder, data, call, call.argument(1, "weight"), call.argument(2, "bias"))


def _linear_layer(
    recorder: Recorder, values: Sequence[Value], call: Call, weight: Tensor, bias: Tensor | None, channels: int = 0
) -> Value:
    """Adds a linear layer; ``channels`` are those of its output, by default the last dimension of the call's result."""
    parameters, result = _weight(recorder, weight, call), call.results[0]
    channels = channels or result.shape[-1]
    value = recorder.node("conv", values, result, channels=channels, parameters=parameters, kernel=(1, 1))
    return _bias(recorder, bias, value, result)


def _product(recorder: Recorder, call: Call) -> Value:
    """A matrix product: a linear layer written by hand, or a step of attention written by hand."""
    values = [(tensor, value) for tensor in call.inputs if (value := recorder.value(tensor)) is not None]
    parameters = [tensor for tensor, value in values if value.parameters]
    data = [(tensor, value) for tensor, value in values if value.sources]
    if not data:
        return _apply(recorder, call)
    if parameters:
        bias = parameters.pop(0) if call.name in ("addmm", "baddbmm") and len(parameters) == 2 else None
        if len(parameters) != 1 or len(data) != 1:
            raise recorder.error(f"no primitive stands for its {call.name} with parameters")
        return _linear_layer(recorder, [data[0][1]], call, parameters[0], bias)
    sources = frozenset().union(*(value.sources for _, value in data))
    if any(value.is_attention for _, value in data):
        return _attention_node(recorder, [value for _, value in data], call.results[0])
    return Value(sources, channels=data[0][1].channels)


def _attention(recorder: Recorder, call: Call) -> Value:
    return _attention_node(recorder, _data(recorder, *call.inputs), call.results[0])


def _attention_node(recorder: Recorder, values: Sequence[Value], result: Tensor) -> Value:
    """Adds the attention itself; its result is (..., heads, tokens, channels of a head)."""
    heads = result.shape[-3] if result.dim() == 4 else 1
    channels = heads * result.shape[-1]
    return recorder.node("msa", values, result, channels=channels, resolution=(result.shape[-2], 1))


def _multi_head_attention(recorder: Recorder, call: Call) -> Value:
    """Attention with its linear layers before and after; everything is (tokens, batch, channels)."""
    inputs = [call.argument(i, name) for i, name in enumerate(("query", "key", "value"))]
    if call.kwargs.get("use_separate_proj_weight"):
        raise recorder.error("its queries, keys and values have different numbers of channels")
    weight, bias = call.argument(5, "in_proj_weight"), call.argument(6, "in_proj_bias")
    result = call.results[0]
    projected = _linear_layer(recorder, _data(recorder, *inputs), call, weight, bias, weight.shape[0])
    more = [call.argument(i, name) for i, name in ((7, "bias_k"), (8, "bias_v"))]  # a learned key and value
    attended = recorder.node(
        "msa",
        [projected],
        result,
        channels=result.shape[-1],
        others=[name for value in _known(recorder, more) for name in value.parameters],
        resolution=(inputs[0].shape[0], 1),
    )
    weight, bias = call.argument(11, "out_proj_weight"), call.argument(12, "out_proj_bias")
    return _linear_layer(recorder, [attended], call, weight, bias)


def _softmax(recorder: Recorder, call: Call) -> Value:
    return replace(_apply(recorder, call), is_attention=True)


def _normalization(primitive: str) -> Callable[[Recorder, Call], Value]:
    def add(recorder: Recorder, call: Call) -> Value:
        names = [name for value in _known(recorder, call.inputs[1:]) for name in value.parameters]
        (value,) = _data(recorder, call.inputs[0])
        if not names:
            return value
        # Batch normalisation takes its weight after two running statistics, layer normalisation after the shape.
        weight = call.argument({"batch_norm": 3, "instance_norm": 3}.get(call.name, 2), "weight")
        parameters = dict.fromkeys([*_weight(recorder, weight, call), *names])  # the bias is of the same node
        channels = recorder.shapes[next(iter(parameters))][0]
        return recorder.node(primitive, [value], call.results[0], channels=channels, parameters=[*parameters])

    return add


def _addition(recorder: Recorder, call: Call) -> Value:
    values = _known(recorder, call.inputs)
    data = [value for value in values if value.sources]
    parameters = [value for value in values if value.parameters]
    if not data:
        return _apply(recorder, call)
    channels = max(value.channels for value in data)
    if len(data) == len(parameters) == 1:
        names = parameters[0].parameters
        shape = recorder.shapes[names[0]]
        if sum(n > 1 for n in shape) <= 1 and max((1, *shape)) == channels:
            return recorder.node("bias", data, call.results[0], channels=channels, parameters=names)
    return recorder.join("sum", _data(recorder, *call.inputs), call.results[0], channels)


def _multiplication(recorder: Recorder, call: Call) -> Value:
    """A nonlinearity written by hand (x times a function of x), a learned scale, or channels and their gates."""
    tensors = [tensor for tensor in call.inputs if recorder.value(tensor) is not None]
    values = _known(recorder, tensors)
    data = [value for value in values if value.sources]
    parameters = [value for value in values if value.parameters]
    if not data or len({value.sources for value in values}) == 1:
        return _apply(recorder, call)
    if parameters:
        return recorder.node(
            "sep_conv",  # a learned scale of each channel is a depthwise 1x1 convolution
            data,
            call.results[0],
            channels=data[0].channels,
            parameters=[name for value in parameters for name in value.parameters],
            kernel=(1, 1),
        )
    first, second = tensors
    if first.numel() == second.numel() or "div" in call.name:
        raise recorder.error(f"no primitive stands for {call.name} of two tensors of the same size")
    x, gate = values if first.numel() > second.numel() else reversed(values)
    return recorder.excite(x, gate, call.results[0])


_CAT = ("cat", "concat", "concatenate")


def _concatenation(recorder: Recorder, call: Call) -> Value:
    if not any(value.sources for value in _known(recorder, call.inputs)):
        return _apply(recorder, call)
    values = _data(recorder, *call.inputs)
    dim = call.argument(1, "dim", 0)
    tensors = [tensor for tensor in call.inputs if recorder.value(tensor) is not None]
    if call.name in _CAT and all(t.shape[dim] == v.channels for t, v in zip(tensors, values, strict=True)):
        channels = call.results[0].shape[dim]
    else:  # tokens, one behind the other
        channels = values[-1].channels
    return recorder.join("concat", values, call.results[0], channels)


def _pooling(primitive: str) -> Callable[[Recorder, Call], Value]:
    def add(recorder: Recorder, call: Call) -> Value:
        (value,) = _data(recorder, call.inputs[0])
        before, after = call.inputs[0].shape[2:], call.results[0].shape[2:]
        kernel = call.argument(1, "kernel_size")
        if "adaptive" in call.name:
            if primitive == "avg_pool" and set(after) == {1}:
                return recorder.node("glob_avg", [value], call.results[0], channels=value.channels)
            if before == after:
                return value
            kernel = [ceil(n / m) for n, m in zip(before, after, strict=True)]
        kernel = tuple(kernel) if isinstance(kernel, Sequence) else (kernel,) * len(after)
        return recorder.node(primitive, [value], call.results[0], channels=value.channels, kernel=kernel)

    return add


def _mean(recorder: Recorder, call: Call) -> Value:
    """Global average pooling, if it is over all positions of an image or sequence."""
    (value,) = _data(recorder, call.inputs[0])
    shape = call.inputs[0].shape
    dims = call.argument(1, "dim")
    if dims is None or len(shape) < 3:
        return value
    over = {dim % len(shape) for dim in (dims if isinstance(dims, Sequence) else (dims,))}
    kept = set(range(1, len(shape))) - over
    if len(kept) != 1 or 0 in over or shape[kept.pop()] != value.channels:
        return value
    return recorder.node("glob_avg", [value], call.results[0], channels=value.channels)


_MEANINGS: dict[str, Callable[[Recorder, Call], Value]] = {
    **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), _convolution),
    **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), _convolution),
    "linear": _linear,
    **dict.fromkeys(("matmul", "rmatmul", "mm", "bmm", "einsum", "addmm", "baddbmm"), _product),
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head_attention,
    "softmax": _softmax,
    **dict.fromkeys(("batch_norm", "instance_norm"), _normalization("bn")),
    **dict.fromkeys(("layer_norm", "group_norm", "rms_norm"), _normalization("ln")),
    **dict.fromkeys(("add", "radd", "iadd", "sub", "rsub", "isub", "subtract"), _addition),
    **dict.fromkeys(("mul", "rmul", "imul", "multiply", "div", "truediv", "rdiv", "itruediv"), _multiplication),
    **dict.fromkeys((*_CAT, "stack"), _concatenation),
    **dict.fromkeys((f"{kind}max_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2)), _pooling("max_pool")),
    **dict.fromkeys((f"max_pool{n}d_with_indices" for n in (1, 2)), _pooling("max_pool")),
    **dict.fromkeys((f"{kind}avg_pool{n}d" for kind in ("", "adaptive_") for n in (1, 2)), _pooling("avg_pool")),
    "mean": _mean,
}
