"""What the functions of PyTorch mean in a computational graph: which nodes a call of each adds.

A function without an entry here is part of an edge if it is applied to one value (a nonlinearity, a reshape). If it
combines several, element by element, it is a ``sum``, or with parameters a ``sep_conv`` of 1x1; else no graph can show
it. Numbers that are no floating-point ones, such as masks and indices made from data, are constants, as they are for
gradients.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from math import ceil

import numpy as np
from torch import Tensor

from tart_nas.graphs.call import Call, is_number
from tart_nas.graphs.channels import joined_channels, part_channels, rearranged_channels
from tart_nas.graphs.layers import LAYERS, looked_up
from tart_nas.graphs.recorder import Recorder, Value

__all__ = ["meaning"]


_SPLITS = frozenset(
    "chunk split split_with_sizes tensor_split unsafe_chunk unsafe_split hsplit vsplit dsplit glu".split()
)
"""Functions that take a tensor apart along one dimension, mostly that of the channels."""


def meaning(recorder: Recorder, call: Call) -> Sequence[Value]:
    """Adds the nodes of a call and gives the value of each of its variable results; none if they are constants.

    Raises:
        GraphError: if a graph cannot show it.
    """
    if not any(map(recorder.value, call.inputs)) or call.name.startswith("new_") or call.name.endswith("_like"):
        return ()
    if call.name == "setitem":
        _write(recorder, call)
    if not call.variable_results:
        return ()
    value = _MEANINGS.get(call.name, _apply)(recorder, call)
    if value is None:
        return ()
    whole = recorder.value(call.inputs[0])
    if call.name in _SPLITS and whole is not None and whole.sources:  # the parts may differ in size
        before = call.inputs[0].shape
        parts = [part_channels(whole.channels, before, part.shape, is_split=True) for part in call.variable_results]
        return [replace(value, channels=channels) for channels in parts]
    return [value] * len(call.variable_results)


def _known(recorder: Recorder, tensors: Sequence[Tensor]) -> list[Value]:
    return [value for value in map(recorder.value, tensors) if value is not None]


def _apply(recorder: Recorder, call: Call) -> Value | None:
    tensors = [tensor for tensor in call.inputs if recorder.value(tensor) is not None]
    if any(map(is_number, tensors)):
        tensors = [tensor for tensor in tensors if is_number(tensor)]  # without masks and indices
    values = _known(recorder, tensors)
    parameters = [name for value in values for name in value.parameters]
    data = [value for value in values if value.sources]
    if not data:
        return Value(parameters=tuple(dict.fromkeys(parameters)))
    result = call.results[0]
    if parameters or len({value.sources for value in data}) > 1:
        if result.shape != _broadcast(call.inputs):
            what = f"with the parameter '{parameters[0]}'" if parameters else "of several tensors"
            raise recorder.error(f"no primitive stands for {call.name} {what}")
        channels = max(value.channels for value in data)
        if parameters:
            return _scale(recorder, tensors, data, result)
        return recorder.join("sum", data, result, channels)
    before = next(tensor for tensor, value in zip(tensors, values, strict=True) if value.sources)
    made = rearranged_channels(call.name, before.shape, result.shape)
    return replace(data[0], channels=made or part_channels(data[0].channels, before.shape, result.shape))


def _broadcast(tensors: Sequence[Tensor]) -> tuple[int, ...] | None:
    """The shape of a function of elements, None if the tensors do not fit together."""
    try:
        return np.broadcast_shapes(*(tuple(tensor.shape) for tensor in tensors))
    except ValueError:
        return None


def _first(recorder: Recorder, call: Call) -> Value | None:
    """Of the other arguments only the shape or the type matters."""
    return recorder.value(call.inputs[0])


def _copy(recorder: Recorder, call: Call) -> Value | None:
    return recorder.value(call.inputs[1])


def _write(recorder: Recorder, call: Call) -> None:
    """``x[index] = y``."""
    tensor, value = call.args[0], call.args[2]
    if isinstance(value, Tensor) and (written := recorder.data(value)) is not None:
        recorder.overwrite(tensor, recorder.partly(tensor, written))


def _look_up(recorder: Recorder, call: Call) -> Value | None:
    """``x[index]`` and its like: of a parameter and an index that is data, an embedding."""
    known = [(tensor, value) for tensor in call.inputs if (value := recorder.value(tensor)) is not None]
    weights = [tensor for tensor, value in known if value.parameters]
    data = [tensor for tensor, value in known if value.sources]
    if len(weights) == 1 and data and not any(map(is_number, data)):
        return looked_up(recorder, data, weights[0], call.results[0])
    return _apply(recorder, call)


def _joined(recorder: Recorder, call: Call) -> Value | None:
    """Tensors combined element by element, otherwise than by a product."""
    if not any(value.sources for value in _known(recorder, call.inputs)):
        return _apply(recorder, call)
    values = _data(recorder, *filter(is_number, call.inputs)) or _data(recorder, *call.inputs)
    return recorder.join("sum", values, call.results[0], max(value.channels for value in values))


def _scale(recorder: Recorder, tensors: Sequence[Tensor], data: Sequence[Value], result: Tensor) -> Value:
    """Parameters in a function of elements: a learned scale of each channel is a depthwise 1x1 convolution."""
    made_from = [(tensor, value) for tensor in tensors if (value := recorder.value(tensor)) and value.parameters]
    return recorder.node(
        "sep_conv",
        data,
        result,
        channels=data[0].channels,
        parameters=[name for _, value in made_from for name in value.parameters],
        weight=made_from[0][0] if len(made_from) == 1 else None,
        kernel=(1, 1),
    )


def _data(recorder: Recorder, *tensors: Tensor) -> list[Value]:
    return [value for value in map(recorder.data, tensors) if value is not None]


def _slope(recorder: Recorder, call: Call) -> Value | None:
    """PReLU: a learned scale per channel of what is below zero."""
    data = [value for value in _known(recorder, call.inputs) if value.sources]
    return _scale(recorder, call.inputs, data, call.results[0]) if data else _apply(recorder, call)


def _softmax(recorder: Recorder, call: Call) -> Value | None:
    value = _apply(recorder, call)
    return value and replace(value, is_attention=True)


def _normalization(primitive: str) -> Callable[[Recorder, Call], Value | None]:
    def add(recorder: Recorder, call: Call) -> Value | None:
        x, *others = call.inputs
        made_from = recorder.value(x)
        if made_from is None or not made_from.sources:  # a standardised weight
            return _apply(recorder, call)
        names = [name for value in _known(recorder, others) for name in value.parameters]
        data = [value for value in _known(recorder, others) if value.sources]
        if not names:
            return recorder.join("sum", [made_from, *data], call.results[0], made_from.channels)
        # Batch normalisation takes its weight after two running statistics, layer normalisation after the shape.
        weight = call.argument({"batch_norm": 3, "instance_norm": 3}.get(call.name, 2), "weight")
        weight_value = recorder.value(weight)
        of_weight = weight_value.parameters if weight_value else ()
        shape = weight.shape if weight_value else recorder.shapes[names[0]]
        return recorder.node(
            primitive,
            [made_from, *data],
            call.results[0],
            channels=shape[0] if len(shape) == 1 else made_from.channels,  # a weight for each position has its shape
            parameters=[*dict.fromkeys([*of_weight, *names])],  # the bias is of the same node
        )

    return add


def _addition(recorder: Recorder, call: Call) -> Value | None:
    tensors = [tensor for tensor in call.inputs if recorder.value(tensor) is not None]
    values = _known(recorder, tensors)
    data = [value for value in values if value.sources]
    parameters = [(tensor, value) for tensor, value in zip(tensors, values, strict=True) if value.parameters]
    if not data:
        return _apply(recorder, call)
    channels = max(value.channels for value in data)
    if len(data) == len(parameters) == 1:
        tensor, value = parameters[0]
        shape = recorder.weight_shape(tensor, value.parameters)
        if sum(n > 1 for n in shape) <= 1 and max((1, *shape)) == channels:
            names = value.parameters
            return recorder.node("bias", data, call.results[0], channels=channels, parameters=names, weight=tensor)
    return recorder.join("sum", _data(recorder, *tensors), call.results[0], channels)


def _multiplication(recorder: Recorder, call: Call) -> Value | None:
    """A nonlinearity written by hand (x times a function of x), a learned scale, or a tensor and its gates."""
    tensors = [tensor for tensor in call.inputs if recorder.value(tensor) is not None]
    values = _known(recorder, tensors)
    data = [value for value in values if value.sources]
    if not data or len({value.sources for value in values}) == 1:
        return _apply(recorder, call)
    if len(data) < len(values):
        return _scale(recorder, tensors, data, call.results[0])
    first, second = values
    either = tensors[0].numel() == tensors[1].numel()
    x, gate = (second, first) if tensors[0].numel() < tensors[1].numel() else (first, second)
    return recorder.excite(x, gate, call.results[0], either)


_CAT = ("cat", "concat", "concatenate")
_STACKS = {"hstack": 1, "vstack": 0, "row_stack": 0, "dstack": 2, "column_stack": 1}
"""Functions that join along this dimension, of tensors that have it."""


def _concatenation(recorder: Recorder, call: Call) -> Value | None:
    if not any(value.sources for value in _known(recorder, call.inputs)):
        return _apply(recorder, call)
    values = _data(recorder, *call.inputs)
    channels, result = values[-1].channels, call.results[0]
    dim = call.argument(1, "dim", 0) if call.name in _CAT else _STACKS.get(call.name)
    if dim is not None and min(tensor.dim() for tensor in call.inputs) == result.dim() > dim:
        shapes = [tensor.shape for tensor in call.inputs if recorder.value(tensor) is not None]
        known = [value.channels for value in values]
        channels = joined_channels(dim, shapes, known, result.shape)
    return recorder.join("concat", values, result, channels)


def _pooling(primitive: str) -> Callable[[Recorder, Call], Value | None]:
    def add(recorder: Recorder, call: Call) -> Value | None:
        value = recorder.value(call.inputs[0])
        if value is None or not value.sources:  # a parameter that is made smaller
            return _apply(recorder, call)
        after = call.results[0].shape[2:]
        before = call.inputs[0].shape[-len(after) :]
        kernel = call.argument(2 if call.name.startswith("lp_") else 1, "kernel_size")  # behind its power
        if "adaptive" in call.name:
            if primitive == "avg_pool" and set(after) == {1}:
                return recorder.node("glob_avg", [value], call.results[0], channels=value.channels)
            if before == after:
                return value
            kernel = [ceil(n / m) for n, m in zip(before, after, strict=True)]
        kernel = tuple(kernel) if isinstance(kernel, Sequence) else (kernel,) * len(after)
        return recorder.node(primitive, [value], call.results[0], channels=value.channels, kernel=kernel)

    return add


def _mean(recorder: Recorder, call: Call) -> Value | None:
    """Global average pooling, if it is over all positions of an image or sequence."""
    value = recorder.value(call.inputs[0])
    if value is None or not value.sources:
        return value
    shape = call.inputs[0].shape
    dims = call.argument(1, "dim")
    if dims is None or len(shape) < 3:
        return value
    over = {dim % len(shape) for dim in (dims if isinstance(dims, Sequence) else (dims,))}
    kept = set(range(1, len(shape))) - over
    if len(kept) != 1 or 0 in over or shape[kept.pop()] != value.channels:
        return _apply(recorder, call)
    return recorder.node("glob_avg", [value], call.results[0], channels=value.channels)


_MAXIMA, _DIMENSIONS = ("", "adaptive_", "fractional_"), (1, 2, 3)

_MEANINGS: dict[str, Callable[[Recorder, Call], Value | None]] = {
    **LAYERS,
    "softmax": _softmax,
    "prelu": _slope,
    **dict.fromkeys(("batch_norm", "instance_norm"), _normalization("bn")),
    **dict.fromkeys(("layer_norm", "group_norm", "rms_norm"), _normalization("ln")),
    **dict.fromkeys(("add", "radd", "iadd", "sub", "rsub", "isub", "subtract"), _addition),
    **dict.fromkeys(
        ("mul", "rmul", "imul", "multiply", "div", "truediv", "rdiv", "itruediv", "divide"), _multiplication
    ),
    **dict.fromkeys((*_CAT, *_STACKS, "stack"), _concatenation),
    **dict.fromkeys(
        (f"{kind}max_pool{n}d{end}" for kind, n, end in product(_MAXIMA, _DIMENSIONS, ("", "_with_indices"))),
        _pooling("max_pool"),
    ),
    **dict.fromkeys(
        (f"{kind}_pool{n}d" for kind, n in product(("avg", "adaptive_avg", "lp"), _DIMENSIONS)), _pooling("avg_pool")
    ),
    "mean": _mean,
    **dict.fromkeys(("to", "type_as", "expand_as", "view_as", "reshape_as", "sum_to_size", "resize_as"), _first),
    "copy": _copy,
    **dict.fromkeys(("getitem", "index_select", "gather", "take_along_dim", "embedding_bag"), _look_up),
    **dict.fromkeys(("scatter", "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_put"), _joined),
    **dict.fromkeys(("masked_scatter", "where", "lerp", "addcmul", "addcdiv", "grid_sample"), _joined),
}
