"""What a worker of a cluster runs first. It is sent to the worker as code, since the package there may be another.

So this module imports nothing of the package, and gives back nothing but values of Python's own.
"""

import socket
from collections.abc import Sequence
from importlib import import_module
from typing import Any

__all__ = ["call_if_same_version"]


def call_if_same_version(
    expected: str, module: str, name: str, threads: int, boxed: Sequence[Any], arguments: Sequence[Any]
) -> tuple[str, Any]:
    """Calls a function of the package, if the package on this machine is the caller's.

    Args:
        expected: the caller's version of the package.
        module: of the function.
        name: of the function.
        threads: of PyTorch.
        boxed: references to shared values; not read before the versions are known to be the same.
        arguments: behind these, pickled likewise by the caller.

    Returns:
        ``"done"`` and the function's value, or ``"refused"`` and what the machine has.
    """
    try:
        from tart_nas.version import version

        here = version()
    except Exception as error:  # it is missing, or so different that it says no version
        return "refused", f"The machine {socket.gethostname()} has no tart-nas ({type(error).__name__}: {error})"
    if here != expected:
        return "refused", f"The machine {socket.gethostname()} has tart-nas {here}"
    import ray
    import torch
    from ray import cloudpickle

    torch.set_num_threads(threads)
    function = getattr(import_module(module), name)
    return "done", function(*ray.get(list(boxed)), *(cloudpickle.loads(argument) for argument in arguments))
