"""The computational graph of any PyTorch network, learned by watching it run once.

The network runs on one image of no content (PyTorch's meta device: shapes are computed, numbers are not) while every
torch function that it calls passes through a ``TorchFunctionMode``. This follows whatever Python the network is made
of, where symbolic tracing (``torch.fx``) stops at the first condition on a tensor's shape and ``torch.export`` takes
seconds; and one sees what is meant (a convolution, an attention), where the autograd graph shows how it is computed.

What runs is a copy: a network may keep what it computes, count its calls, or initialise itself, and it is the user's.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from numbers import Integral
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from tart_nas.errors import GraphError, SettingError, TartError, first_line
from tart_nas.graphs.call import Call, is_number, tensors_in
from tart_nas.graphs.expressions import Expressions
from tart_nas.graphs.module_copy import copied, random_numbers_kept, uncompiled, unwrapped
from tart_nas.graphs.on_meta import placed, quick_result
from tart_nas.graphs.recorder import GraphArrays, Recorder
from tart_nas.graphs.torch_functions import meaning

__all__ = ["ModuleRun", "module_run"]


class ModuleRun(NamedTuple):
    """What one run of a network tells.

    Attributes:
        arrays: its graph.
        digest: of what it computes: equal for networks that do the same (:class:`Expressions`).
        output: the shape of its first output, for a batch of one.
        looked_at_numbers: whether the network could not be run without numbers, which the rest may then depend on.
    """

    arrays: GraphArrays
    digest: str
    output: tuple[int, ...]
    looked_at_numbers: bool


def module_run(
    module: nn.Module,
    input_size: int | Sequence[int] | None,
    example_inputs: Any = None,
    *,
    is_disposable: bool = False,
) -> ModuleRun:
    """The nodes and edges of a network's graph.

    Args:
        module: the network.
        input_size: of its images: (channels, height, width), with or without a batch size before, or a number for
            (3, number, number).
        example_inputs: in place of the size, what the network is called with: a tensor, a tuple of arguments, or a
            mapping of names to arguments.
        is_disposable: whether the network is on the meta device and nobody else's: it is then run itself, which saves
            the copy.

    Returns:
        The graph as arrays, and what else the run tells.

    Raises:
        GraphError: if the network cannot be copied or run on such images, or does what no graph can show.
        SettingError: if the input size or the inputs are none, or the module is none.
        Exception: whatever a disposable network raises because it needs numbers, which the meta device has not.
    """
    given: Any = module
    if not isinstance(given, nn.Module):
        hint = ": trace its `.module()`" if isinstance(given, torch.export.ExportedProgram) else ""
        raise SettingError(f"`module` must be a torch.nn.Module, but got {type(given).__name__}{hint}.")
    args, kwargs = _arguments(input_size, example_inputs)
    prefix, module = unwrapped(module)
    inputs = f"an image of {tuple(args[0][1:])}" if example_inputs is None else "its example inputs"
    if is_disposable:
        return _run(module, prefix, args, kwargs, inputs, on_meta=True)
    with random_numbers_kept(module):
        try:
            return _run(copied(module, on_meta=True), prefix, args, kwargs, inputs, on_meta=True)
        except TartError:
            raise
        except Exception:  # the network's own code may look at numbers, which are not there
            return _run(copied(module, on_meta=False), prefix, args, kwargs, inputs, on_meta=False)


def _arguments(input_size: Any, example_inputs: Any) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
    """What the network is called with; an image is told by its shape."""
    if example_inputs is None:
        return (_image_shape(input_size),), {}
    if input_size is not None:
        raise SettingError("Give either `input_size` or `example_inputs`, not both.")
    if not tensors_in(example_inputs):
        raise SettingError(
            "`example_inputs` must be a tensor, a tuple of arguments or a mapping of names to arguments, with at least "
            f"one tensor, but got {type(example_inputs).__name__}."
        )
    if isinstance(example_inputs, Mapping):
        return (), example_inputs
    return (example_inputs if isinstance(example_inputs, tuple) else (example_inputs,)), {}


def _image_shape(input_size: Any) -> torch.Size:
    shape: tuple[Any, ...] = ()
    if isinstance(input_size, Integral):  # NumPy's, too
        shape = (3, input_size, input_size)
    elif isinstance(input_size, Sequence):
        shape = tuple(input_size[1:] if len(input_size) == 4 else input_size)
    if len(shape) != 3 or any(isinstance(n, bool) or not isinstance(n, Integral) or n < 1 for n in shape):
        raise SettingError(
            f"`input_size` must be a number or (channels, height, width), all at least 1, but got {input_size!r}. What "
            "is no image is given by `example_inputs`."
        )
    return torch.Size((1, *map(int, shape)))


def _run(
    module: nn.Module,
    prefix: str,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    inputs: str,
    on_meta: bool,
) -> ModuleRun:
    """The same of a copy, which may change; parameters' names begin with the prefix."""
    module.eval()  # without dropout, and with all branches that stand at the end
    parameters = dict(module.named_parameters())
    tensors = [*parameters.values(), *module.buffers()]
    if on_meta:
        for tensor in tensors:
            if not tensor.is_meta:
                raise RuntimeError("tensors with numbers, of a network that should have none")
            if isinstance(tensor, nn.Parameter) and not is_lazy(tensor) and tensor.is_floating_point():
                tensor.requires_grad_()  # a frozen one, too, has a node
    device = torch.device("meta") if on_meta else next(iter(tensors), torch.empty(0)).device
    dtype = next((tensor.dtype for tensor in tensors if tensor.requires_grad), torch.float32)

    def prepared(value: Any) -> Any:
        """The value with other tensors: they depend on something, so that all made from them can be recognised."""
        if isinstance(value, torch.Size):
            return torch.zeros(value, dtype=dtype, device=device).requires_grad_() * 1
        if isinstance(value, Tensor):
            twin = value.detach().to(device, copy=True)
            return twin.requires_grad_() * 1 if twin.is_floating_point() else twin
        if isinstance(value, Mapping):
            return {key: prepared(item) for key, item in value.items()}
        return type(value)(map(prepared, value)) if type(value) in (list, tuple) else value

    recorder: Recorder | None = None
    try:
        args, kwargs = prepared(args), prepared(kwargs)
        if any(map(is_lazy, tensors)):
            with device:
                module(*args, **kwargs)  # which tells the shapes
            args, kwargs = prepared(args), prepared(kwargs)
            parameters = dict(module.named_parameters())
        given = tensors_in((args, kwargs))
        recorder = Recorder(module, parameters, given, prefix)
        expressions = Expressions(parameters.values(), given, on_meta)
        place = nullcontext() if on_meta else device  # the watcher's own matter
        with (
            torch.enable_grad(),
            uncompiled(),
            place,
            recorder.following(module),
            expressions.following(module),
            _Watcher(recorder, expressions, on_meta),
        ):
            output = module(*args, **kwargs)
    except TartError:
        raise
    except Exception as error:
        if on_meta:
            raise
        reason = f"{type(error).__name__}: {first_line(error)}"
        where = recorder.where() if recorder else "the network itself"
        raise GraphError(f"The network cannot be run on {inputs}, in {where}: {reason}") from error
    if not (outputs := tensors_in(output)):
        raise GraphError(
            f"The network has no computational graph: its output is of type {type(output).__name__}, and no tensor "
            "is found in it: tuples, lists, mappings and data classes are looked into."
        )
    first = outputs[0]
    arrays = recorder.arrays(first)
    counts = len(arrays.names), len(arrays.edges), sum(map(len, arrays.parameters))
    return ModuleRun(arrays, expressions.digest(first, *counts), tuple(first.shape), not on_meta)


class _Watcher(TorchFunctionMode):
    """Lets every torch function run, and notes what its results come from."""

    def __init__(self, recorder: Recorder, expressions: Expressions, on_meta: bool) -> None:
        super().__init__()
        self.recorder = recorder
        self._expressions = expressions
        self._on_meta = on_meta

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        inputs = tensors_in((args, kwargs))
        self.recorder.note_constants(inputs)  # some may change in place
        name = getattr(func, "__name__", type(func).__name__)
        result = None
        # Of what holds whole numbers, a quotient has another type.
        if self._on_meta and args and self.recorder.value(args[0]) is not None and is_number(args[0]):
            result = quick_result(name, args, kwargs)
        if result is None:
            result = func(*args, **(placed(func, kwargs) if self._on_meta else kwargs))
        results = tensors_in(result)
        if not results and name != "__setitem__":  # a size, a type
            return result
        name = name.partition(".")[0].strip("_")  # an exported network calls conv2d.default
        call = Call(name, args, kwargs, inputs, results)
        self._expressions.note(name, args, kwargs, results)
        if values := meaning(self.recorder, call):
            for tensor, value in zip(call.variable_results, values, strict=True):
                if any(tensor is given for given in call.inputs):
                    self.recorder.overwrite(tensor, value)
                else:
                    self.recorder.set_value(tensor, value)
        return result
