"""Where networks and predictors run: the device, the memory layout, the precision, the random numbers."""

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from tart_nas.errors import SettingError, first_line

__all__ = [
    "describe_device",
    "described_kind",
    "evaluating",
    "forked_rng",
    "is_device_failure",
    "is_out_of_memory",
    "mixed_precision",
    "on_device",
    "renew_generator",
    "resolve_device",
    "seed_rng",
    "shapes_only",
]

# Words of PyTorch's allocator, of C++, of Python's threads, and of oneDNN, which plans convolutions. A "primitive
# descriptor" that it could not create is of a shape that it does not know.
_LACK = re.compile(
    "can't allocate (memory|lock)|Cannot allocate memory|bad_alloc|can't start new thread"
    "|could not create a primitive(?! descriptor)"
)
# What PyTorch's errors begin with when a device, or one of its libraries, failed; before 2.8 they had no class.
_DEVICE = re.compile("(CUDA|HIP|XPU|cuDNN|MIOpen|cuFFT|cuSOLVER|NCCL)( driver)? error", re.IGNORECASE)


def resolve_device(device: torch.device | str | None) -> torch.device:
    """The device of a name; None for a GPU when there is one, else the CPU.

    Raises:
        SettingError: if this machine has no such device.
    """
    if device is None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device  # with its index
    except (RuntimeError, AssertionError) as error:
        raise SettingError(
            f"`device` must be one that this machine has, but got {str(device)!r}: {first_line(error)}"
        ) from None


def describe_device(device: torch.device) -> str:
    """A device in words: a GPU by its name, the CPU by the threads that it computes with."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' if threads > 1 else ''}"


def described_kind(description: str) -> str:
    """The kind of the device that :func:`describe_device` described, such as ``"cpu"``; of a GPU's name ``"cuda"``."""
    try:
        return torch.device(description.partition(",")[0]).type
    except RuntimeError:  # no name of PyTorch's
        return "cuda"


@contextmanager
def on_device(network: nn.Module, device: torch.device) -> Iterator[None]:
    """Moves the network to ``device`` permanently, and to the channels-last layout for the duration of the block.

    Measured on a CPU without bfloat16, DARTS networks of 8 channels and 5 cells at batch 64 train 1.3 to 2 times
    faster in this layout. Afterwards the standard layout is back, which files of weights need.
    """
    network.to(device)
    _lay_out(network, torch.channels_last)
    try:
        yield
    finally:
        _lay_out(network, torch.contiguous_format)


def _lay_out(network: nn.Module, layout: torch.memory_format) -> None:
    """As ``network.to(memory_format=layout)``, which fails on kernels of volumes: these have no such layout."""
    parameters = list(network.parameters())
    for tensor in (*parameters, *(parameter.grad for parameter in parameters), *network.buffers()):
        if tensor is not None and tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=layout)


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """A network in evaluation mode, inside; afterwards each of its modules is in the mode that it was in.

    ``network.train(was_training)`` would put all of them into the mode of the network itself: normalisation that a
    user froze would learn again.
    """
    modes = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def mixed_precision(device: torch.device, cached: bool = True) -> AbstractContextManager[object]:
    """bfloat16 where a GPU supports it, else float32; weights are cast once inside, or each time they are used."""
    if device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.autocast("cuda", dtype=torch.bfloat16, cache_enabled=cached)
    return nullcontext()


@contextmanager
def forked_rng(device: torch.device) -> Iterator[None]:
    """Gives torch's global random numbers of the CPU and the device back as they were."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield


def seed_rng(device: torch.device, seed: int) -> None:
    """Seeds torch's global random numbers of the CPU and the device, and of no other device."""
    # Not `torch.manual_seed`, which seeds all GPUs.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def renew_generator(device: torch.device) -> None:
    """Gives a GPU's global random numbers a new state: a failed capture of a CUDA graph leaves one of no use."""
    generator = torch.Generator(device).manual_seed(0)
    torch.cuda.default_generators[device.index].graphsafe_set_state(generator)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory, of the GPU or the machine, did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and _LACK.search(str(error)) is not None


def is_device_failure(error: BaseException) -> bool:
    """Whether an error says that a GPU failed: no fault of the program or of the network, unless it comes again."""
    kind: type[BaseException] | None = getattr(torch, "AcceleratorError", None)  # from PyTorch 2.8 on
    if kind is not None and isinstance(error, kind):
        return True
    return isinstance(error, RuntimeError) and _DEVICE.match(str(error)) is not None


class _WithoutInitialValues(TorchFunctionMode):
    """Makes the functions of ``torch.nn.init`` return the tensor as it is."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == nn.init.__name__:
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


@contextmanager
def shapes_only() -> Iterator[None]:
    """Makes the modules that are constructed within it have shapes and no values: on the meta device.

    Their constructors do not call the functions of ``torch.nn.init`` either: for normal values on that device PyTorch
    imports ``torch._dynamo``, which takes more than a second (measured with torch 2.14).
    """
    with torch.device("meta"), _WithoutInitialValues():
        yield
