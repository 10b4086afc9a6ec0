"""The computational graph of any PyTorch network, learned by watching it run once.

The network runs on one image of no content (PyTorch's meta device: shapes are computed, numbers are not) while every
torch function that it calls passes through a ``TorchFunctionMode``. This follows whatever Python the network is made
of, where symbolic tracing (``torch.fx``) stops at the first condition on a tensor's shape and ``torch.export`` takes
seconds; and one sees what is meant (a convolution, an attention), where the autograd graph shows how it is computed.

What runs is a copy: a network may keep what it computes, count its calls, or initialise itself, and it is the user's.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from tart_nas.errors import GraphError, SettingError, TartError, first_line
from tart_nas.graphs.module_copy import copied, random_numbers_kept
from tart_nas.graphs.recorder import GraphArrays, Recorder, Value
from tart_nas.graphs.torch_functions import Call, meaning, tensors_in

__all__ = ["module_nodes"]


def module_nodes(module: nn.Module, input_size: int | Sequence[int]) -> GraphArrays:
    """The nodes and edges of a network's graph.

    Args:
        module: the network.
        input_size: of its images: (channels, height, width), with or without a batch size before, or a number for
            (3, number, number).

    Returns:
        The nodes' table (n, COLUMNS), their cell indices (n,) and names, and the edges (m, 2), as
        :func:`tart_nas.graphs.architecture_graph.architecture_nodes`; then each node's parameters.

    Raises:
        GraphError: if the network cannot be copied or run on such images, or does what no graph can show.
        SettingError: if the input size is not one, or the module is none.
    """
    if not isinstance(module, nn.Module):
        raise SettingError(f"`module` must be a torch.nn.Module, but got {type(module).__name__}.")
    shape = _image_shape(input_size)
    with random_numbers_kept(module):
        try:
            return _run(copied(module, on_meta=True), shape, on_meta=True)
        except TartError:
            raise
        except Exception:  # the network's own code may look at numbers, which are not there
            return _run(copied(module, on_meta=False), shape, on_meta=False)


def _image_shape(input_size: int | Sequence[int]) -> tuple[int, ...]:
    shape: tuple[Any, ...] = ()
    if isinstance(input_size, int):
        shape = (3, input_size, input_size)
    elif isinstance(input_size, Sequence):
        shape = tuple(input_size[1:] if len(input_size) == 4 else input_size)
    if len(shape) != 3 or any(not isinstance(n, int) or isinstance(n, bool) or n < 1 for n in shape):
        raise SettingError(
            f"`input_size` must be a number or (channels, height, width), all at least 1, but got {input_size!r}."
        )
    return (1, *shape)


def _run(module: nn.Module, shape: tuple[int, ...], on_meta: bool) -> GraphArrays:
    """The same of a copy, which may change."""
    module.eval()  # without dropout, and with all branches that stand at the end
    tensors = [*module.parameters(), *module.buffers()]
    device = torch.device("meta") if on_meta else next(iter(tensors), torch.empty(0)).device
    dtype = next((tensor.dtype for tensor in tensors if tensor.requires_grad), torch.float32)
    # An image that depends on something, so that all that is made from it can be recognised.
    image = torch.zeros(shape, dtype=dtype, device=device).requires_grad_() * 1
    recorder: Recorder | None = None
    try:
        if any(map(is_lazy, tensors)):
            with device:
                module(image)  # which tells the shapes
        recorder = Recorder(module, dict(module.named_parameters()), image)
        with torch.enable_grad(), device, recorder.following(module), _Watcher(recorder):
            output = module(image)
    except TartError:
        raise
    except Exception as error:
        if on_meta:
            raise
        reason = f"{type(error).__name__}: {first_line(error)}"
        where = recorder.where() if recorder else "the network itself"
        raise GraphError(f"The network cannot be run on an image of {shape[1:]}, in {where}: {reason}") from error
    return recorder.arrays(next(tensors_in(output), None))


class _Watcher(TorchFunctionMode):
    """Lets every torch function run, and notes what its results come from."""

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        self.recorder.note_constants(tensors_in((args, kwargs)))  # some may change in place
        result = func(*args, **kwargs)
        call = Call(func.__name__.strip("_"), args, kwargs, list(tensors_in(result)))
        value = meaning(self.recorder, call)
        if value is not None:
            for tensor in call.results:
                self._set(tensor, value, call)
        return result

    def _set(self, tensor: Tensor, value: Value, call: Call) -> None:
        in_place = any(tensor is given for given in call.inputs)
        if in_place and tensor._is_view() and self.recorder.value(tensor) != value:
            raise self.recorder.error(f"{call.name} changes a part of another tensor in place")
        self.recorder.set_value(tensor, value)
