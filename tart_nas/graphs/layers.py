"""The calls that multiply and accumulate: convolutions, linear layers, attention and other matrix products.

Each node gets the number of its multiply-accumulate operations. Of a product, one side is data and the other one a
parameter, a constant, or data as well:

- a parameter: the node is a layer, ``conv`` (``sep_conv`` and ``dil_conv`` in groups);
- a constant: a layer without parameters, and ``avg_pool`` if it is a convolution's kernel, as in anti-aliased pooling;
- data: ``msa``, or ``conv`` without parameters if it is a convolution's kernel.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from tart_nas.graphs.call import Call
from tart_nas.graphs.einsum import einsum_channels, einsum_macs
from tart_nas.graphs.recorder import Recorder, Value

__all__ = ["LAYERS", "looked_up"]


def _data(recorder: Recorder, *tensors: Any) -> list[Value]:
    return [value for value in map(recorder.data, tensors) if value is not None]


def _depends_on_data(value: Value | None) -> bool:
    return value is not None and bool(value.sources)


def _bias(recorder: Recorder, bias: Tensor | None, value: Value, result: Tensor, positions: int | None = None) -> Value:
    """Adds the bias of a convolution or linear layer behind its weight, if there is one."""
    bias_value = recorder.value(bias)
    if bias is None or bias_value is None:
        return value
    if bias_value.sources:
        return recorder.join("sum", (value, bias_value), result, value.channels)
    channels, names = value.channels, bias_value.parameters
    return recorder.node("bias", [value], result, channels=channels, parameters=names, weight=bias, positions=positions)


def _convolution(recorder: Recorder, call: Call) -> Value | None:
    x, weight, bias = (call.argument(i, name) for i, name in enumerate(("input", "weight", "bias")))
    transposed = "transpose" in call.name
    groups = call.argument(6, "groups", 1)
    dilation = call.argument(7 if transposed else 5, "dilation", 1)
    return _convolved(recorder, [x], weight, bias, call.results[0], groups, dilation, transposed)


def _deformable_convolution(recorder: Recorder, call: Call) -> Value | None:
    """Its offsets and its mask are data, too."""
    x, weight, offset, mask, bias = call.args[:5]
    return _convolved(recorder, [x, offset, mask], weight, bias, call.results[0], call.args[-3], call.args[10])


def _convolved(
    recorder: Recorder,
    inputs: Sequence[Tensor | None],
    weight: Tensor,
    bias: Tensor | None,
    result: Tensor,
    groups: int,
    dilation: Any,
    transposed: bool = False,
) -> Value | None:
    x, made_from = inputs[0], recorder.value(weight)
    assert x is not None
    parameters = () if made_from is None else made_from.parameters
    # Each weight is used once a position: of the input where the convolution is transposed, else of the output.
    macs = (x if transposed else result).numel() // weight.shape[0] * weight.numel()
    if not any(_depends_on_data(recorder.value(tensor)) for tensor in (*inputs, weight)):
        return _of_parameters(recorder, [*map(recorder.value, (*inputs, weight, bias))], macs)
    owner = recorder.owner(parameters[0]) if parameters else None
    if isinstance(owner, nn.modules.conv._ConvNd):  # which may compute a dilated convolution without dilation
        dilation = owner.dilation
    dilated = min(dilation if isinstance(dilation, Sequence) else (dilation,)) > 1
    primitive = "conv" if groups == 1 else "dil_conv" if dilated else "sep_conv"
    value = recorder.node(
        "avg_pool" if made_from is None else primitive,
        _data(recorder, *inputs, *([] if parameters else [weight])),
        result,
        channels=weight.shape[1] * groups if transposed else weight.shape[0],
        parameters=parameters,
        weight=weight,
        kernel=weight.shape[2:],
        macs=macs,
    )
    return _bias(recorder, bias, value, result)


def _of_parameters(recorder: Recorder, values: Sequence[Value | None], macs: int = 0) -> Value | None:
    """A product without data: what is made from parameters only, or a constant."""
    names = tuple(dict.fromkeys(name for value in values if value is not None for name in value.parameters))
    if not names:
        return None
    recorder.count_for_parameters(names, macs)
    return Value(parameters=names)


def _linear(recorder: Recorder, call: Call) -> Value | None:
    x, weight, bias = (call.argument(i, name) for i, name in enumerate(("input", "weight", "bias")))
    return _product_of(recorder, [x, weight], bias, call.results[0], x.numel() * weight.shape[0])


def _product(recorder: Recorder, call: Call) -> Value | None:
    """A matrix product: a linear layer written by hand, or a step of attention written by hand."""
    bias, result = None, call.results[0]
    factors = list(call.inputs)
    known = [recorder.value(factor) for factor in factors]
    if call.name == "einsum":
        if not isinstance(call.args[0], str):
            raise recorder.error("its einsum is not written in letters")
        shapes = [tuple(factor.shape) for factor in factors]
        channels = einsum_channels(call.args[0], shapes, [_depends_on_data(value) for value in known])
        return _product_of(recorder, factors, None, result, einsum_macs(call.args[0], shapes), channels)
    if call.name in ("addmm", "baddbmm"):
        bias = factors.pop(0)
    elif call.name == "rmatmul":
        factors.reverse()
    macs = result.numel() * factors[0].shape[-1]
    return _product_of(recorder, factors, bias, result, macs, _rows_of_channels(recorder, factors, result))


def _rows_of_channels(recorder: Recorder, factors: Sequence[Tensor], result: Tensor) -> int | None:
    """Channels of a product from the left, (out, in) by (B, in, positions); None of one that mixes tokens."""
    value, x = recorder.value(factors[1]), factors[1]
    if value is None or not value.sources or x.dim() < 2 or _depends_on_data(recorder.value(factors[0])):
        return None
    return result.shape[-2] if x.shape[-2] == value.channels != x.shape[-1] and result.dim() > 1 else None


def _tensordot(recorder: Recorder, call: Call) -> Value | None:
    first, second, result = *call.inputs[:2], call.results[0]
    summed = round((first.numel() * second.numel() / max(1, result.numel())) ** 0.5)  # (m, k) by (k, n) is (m, n)
    return _product_of(recorder, [first, second], None, result, result.numel() * summed)


def _product_of(
    recorder: Recorder,
    factors: Sequence[Tensor],
    bias: Tensor | None,
    result: Tensor,
    macs: int,
    channels: int | None = None,
) -> Value | None:
    """Adds a product; where only one factor is data, of so many channels, by default those of the last dimension."""
    values = [recorder.value(factor) for factor in factors]
    data = [value for value in values if value is not None and value.sources]
    weights = [(factor, value) for factor, value in zip(factors, values, strict=True) if value and value.parameters]
    if not data and len(weights) in (0, len(factors)) and not _depends_on_data(recorder.value(bias)):
        return _of_parameters(recorder, [*values, recorder.value(bias)], macs)
    if len(data) < 2:  # with none, constants are multiplied by a parameter: a layer without an input
        tensor = weights[0][0] if len(weights) == 1 else None
        value = recorder.node(
            "conv",
            data,
            result,
            channels=channels or (result.shape[-1] if result.dim() else 1),
            parameters=[name for _, made_from in weights for name in made_from.parameters],
            weight=tensor,
            kernel=(1, 1),
            macs=macs,
        )
    else:
        # Data on both sides: what parameters there are, are data as well.
        value = recorder.product(_data(recorder, *factors), result, _attention_channels(result), macs)
    return _bias(recorder, bias, value, result)


def _attention_channels(result: Tensor) -> int:
    """Of (..., heads, tokens, channels of a head)."""
    return int((result.shape[-3] if result.dim() == 4 else 1) * (result.shape[-1] if result.dim() else 1))


def _attention(recorder: Recorder, call: Call) -> Value | None:
    query, key, value = (call.argument(i, name) for i, name in enumerate(("query", "key", "value")))
    rows = query.numel() // query.shape[-1]
    macs = rows * key.shape[-2] * (query.shape[-1] + value.shape[-1])
    values = _data(recorder, *call.inputs)
    result = call.results[0]
    return replace(recorder.product(values, result, _attention_channels(result), macs), scores=frozenset())


def _multi_head_attention(recorder: Recorder, call: Call) -> Value | None:
    """Attention with its linear layers before and after; everything is (tokens, batch, channels)."""
    inputs = [call.argument(i, name) for i, name in enumerate(("query", "key", "value"))]
    rows = [tensor.numel() // tensor.shape[-1] for tensor in inputs]
    width, result = call.argument(11, "out_proj_weight").shape[1], call.results[0]
    learned = [call.argument(i, name) for i, name in ((7, "bias_k"), (8, "bias_v"))]
    keys = inputs[1].shape[0] + (learned[0] is not None) + bool(call.argument(9, "add_zero_attn"))
    weight, bias = call.argument(5, "in_proj_weight"), call.argument(6, "in_proj_bias")
    if call.kwargs.get("use_separate_proj_weight"):
        weights = [call.kwargs[f"{name}_proj_weight"] for name in "qkv"]
        projected = [
            _projection(recorder, _data(recorder, tensor), weight, result, n * weight.numel(), n)
            for tensor, weight, n in zip(inputs, weights, rows, strict=True)
        ]
    else:
        macs = sum(rows) * width * inputs[0].shape[-1]
        projected = [_projection(recorder, _data(recorder, *inputs), weight, result, macs, rows[0])]
    bias_value = recorder.value(bias)
    if bias_value is not None:
        names, channels = bias_value.parameters, bias.shape[0]
        projected = [
            recorder.node(
                "bias", projected, result, channels=channels, parameters=names, weight=bias, positions=rows[0]
            )
        ]
    attended = recorder.node(
        "msa",
        [*projected, *_data(recorder, call.argument(16, "attn_mask"))],
        result,
        channels=width,
        others=[name for value in map(recorder.value, learned) if value is not None for name in value.parameters],
        positions=rows[0],
        macs=2 * rows[0] * keys * width,
    )
    weight, bias = call.argument(11, "out_proj_weight"), call.argument(12, "out_proj_bias")
    value = _projection(recorder, [attended], weight, result, rows[0] * weight.numel(), rows[0])
    return _bias(recorder, bias, value, result)


def _recurrent(recorder: Recorder, call: Call) -> Value | None:
    """A recurrent network: in each direction of each layer the weights of the input, then those of the state."""
    x = call.args[0]
    names = ("has_biases", "num_layers", "dropout", "train", "bidirectional")
    if not isinstance(call.args[3], bool):
        raise recorder.error(f"no primitive stands for {call.name} of packed sequences")
    has_biases, n_layers, _, _, bidirectional = call.args[3 : 3 + len(names)]
    weights, rows = list(call.args[2]), x.numel() // x.shape[-1]
    directions = 2 if bidirectional else 1
    size = len(weights) // (n_layers * directions)
    (value,) = _data(recorder, x)
    for layer in range(n_layers):
        ends = []
        for direction in range(directions):
            end, first = value, (layer * directions + direction) * size
            own = weights[first : first + size]
            matrices = [weight for weight in own if weight.dim() == 2]
            for weight in matrices:
                end = _projection(recorder, [end], weight, call.results[0], rows * weight.numel(), rows)
            for bias in own[2:4] if has_biases else ():
                end = _bias(recorder, bias, end, call.results[0], positions=rows)
            ends.append(end)
        value = recorder.join("concat", ends, call.results[0], call.results[0].shape[-1])
    return replace(value, channels=call.results[0].shape[-1])


def _projection(
    recorder: Recorder, values: Sequence[Value], weight: Tensor, result: Tensor, macs: int, rows: int
) -> Value:
    """Adds a linear layer of which only the layer around it is seen."""
    made_from = recorder.value(weight)
    return recorder.node(
        "conv",
        values,
        result,
        channels=weight.shape[0],
        parameters=() if made_from is None else made_from.parameters,
        weight=weight,
        kernel=(1, 1),
        positions=rows,
        macs=macs,
    )


def _embedding(recorder: Recorder, call: Call) -> Value | None:
    """A linear layer of one-hot vectors, which multiplies nothing."""
    index, weight = call.argument(0, "input"), call.argument(1, "weight")
    if not _depends_on_data(recorder.value(index)):
        return recorder.value(weight)
    return looked_up(recorder, [index], weight, call.results[0])


def looked_up(recorder: Recorder, indices: Sequence[Tensor], weight: Tensor, result: Tensor) -> Value:
    """Adds an embedding: rows of a parameter, by indices that are data."""
    made_from = recorder.value(weight)
    parameters = () if made_from is None else made_from.parameters
    return recorder.node(
        "conv",
        _data(recorder, *indices, *([] if parameters else [weight])),
        result,
        channels=result.shape[-1] if result.dim() else 1,
        parameters=parameters,
        weight=weight,
        kernel=(1, 1),
    )


LAYERS: dict[str, Callable[[Recorder, Call], Value | None]] = {
    **dict.fromkeys((f"conv{n}d" for n in (1, 2, 3)), _convolution),
    **dict.fromkeys((f"conv_transpose{n}d" for n in (1, 2, 3)), _convolution),
    "deform_conv2d": _deformable_convolution,
    "linear": _linear,
    **dict.fromkeys(("matmul", "rmatmul", "mm", "bmm", "einsum", "addmm", "baddbmm"), _product),
    "tensordot": _tensordot,
    "scaled_dot_product_attention": _attention,
    "multi_head_attention_forward": _multi_head_attention,
    **dict.fromkeys(("lstm", "gru", "rnn_tanh", "rnn_relu"), _recurrent),
    "embedding": _embedding,
}
"""The functions of PyTorch that multiply and accumulate, by name: each adds the nodes of a call and returns the value
of its results, None if they are constants."""
