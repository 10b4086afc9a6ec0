"""How many networks of torchvision and timm become graphs, and whether the graphs hold what PyTorch itself finds.

``python -m tart_nas.experiments.traced_networks`` traces all of torchvision's classification models and 150 of timm,
of all its families, at the image size of each. Of each graph it compares the multiply-accumulate operations with
``torch.utils.flop_counter.FlopCounterMode`` and the parameters with those that autograd finds a gradient for. No
network is given numbers: all runs on PyTorch's meta device. It needs timm.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import torch
from rich.table import Table
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from tart_nas.errors import GraphError, SettingError
from tart_nas.experiments.runner import Job, Plan, experiment
from tart_nas.experiments.tables import table
from tart_nas.graphs import ComputationalGraph

__all__ = [
    "compared",
    "reference",
    "require_timm",
    "timm_names",
    "timm_network",
    "torchvision_network",
    "without_numbers",
]

Sizes = tuple[int, ...]

TOLERANCE = 0.001
"""Up to which part of the reference's operations a count is right."""

HEADS_OF_TRAINING = ("googlenet", "inception_v3")  # they initialise by SciPy's random numbers, for a minute


class _WithoutStorage(TorchFunctionMode):
    """Parameters are made without storage, and numbers that a network computes while it is made are there."""

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.empty:
            kwargs["device"] = "meta"
        return func(*args, **kwargs)


def without_numbers(make: Callable[[], nn.Module]) -> nn.Module:
    """A network on the meta device. Some are made there, others compute with numbers or tensors of their own."""
    for context in (torch.device("meta"), _WithoutStorage(), nullcontext()):
        try:
            with context:
                return make().to("meta").eval()
        except (RuntimeError, NotImplementedError):
            continue
    raise GraphError("The network cannot be made.")


def torchvision_network(name: str) -> tuple[nn.Module, Sizes]:
    """A classification model of torchvision without numbers, and the (channels, height, width) of its images."""
    settings: dict[str, Any] = {"init_weights": False} if name in HEADS_OF_TRAINING else {}
    return without_numbers(lambda: models.get_model(name, weights=None, **settings)), (3, 224, 224)


def require_timm() -> None:
    """Makes sure that timm is installed.

    Raises:
        SettingError: if it is not.
    """
    if find_spec("timm") is None:
        raise SettingError("This experiment needs timm: pip install timm.")


def timm_names(n: int = 150) -> list[str]:
    """Of each family of timm the first model, then the last ones, then those in the middle, until there are n."""
    import timm

    families = [sorted(timm.list_models(module=family)) for family in sorted(timm.list_modules())]
    chosen: dict[str, None] = {}
    for place in (0.0, 1.0, 0.5, 0.25, 0.75):
        for names in families:
            if names and len(chosen) < n:
                chosen[names[round(place * (len(names) - 1))]] = None
    return list(chosen)


def timm_network(name: str) -> tuple[nn.Module, Sizes]:
    """The same of a model of timm."""
    import timm

    network = without_numbers(lambda: timm.create_model(name))
    size: Sizes = tuple(network.default_cfg["input_size"])  # type: ignore[index]
    return network, size


def reference(network: nn.Module, size: Sizes) -> tuple[int, dict[str, Sizes]]:
    """What PyTorch finds of a network without numbers.

    Returns:
        Multiply-accumulate operations for one image, and the shapes of the parameters that influence the output.
    """
    named = dict(network.named_parameters())
    with FlopCounterMode(display=False) as counter:
        output = network(torch.zeros(1, *size, device="meta"))
    while not isinstance(output, Tensor):
        output = next(iter(output.values() if isinstance(output, dict) else output))
    gradients = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    used = {name: tuple(p.shape) for (name, p), g in zip(named.items(), gradients, strict=True) if g is not None}
    return counter.get_total_flops() // 2, used


def compared(network: nn.Module, size: Sizes) -> dict[str, Any]:
    """The graph of a network beside the reference: JSON values, ``refused`` alone if it cannot be traced."""
    try:
        graph = ComputationalGraph.from_module(network, size)
    except GraphError as error:
        return {"refused": str(error)}
    macs, used = reference(network, size)
    of_nodes = [parameter for parameters in graph.parameters for parameter in parameters]
    names = [name for name, _ in of_nodes]
    return {
        "nodes": graph.num_nodes,
        "macs": graph.macs,
        "reference_macs": macs,
        "missing": sorted(used.keys() - set(names)),
        "surplus": sorted({name for name in names if names.count(name) > 1 or name not in used}),
    }


def _measure(load: Callable[[str], tuple[nn.Module, Sizes]], name: str) -> dict[str, Any]:
    return compared(*load(name))


def tables(results: dict[str, Any]) -> Iterator[Table]:
    """How many networks of each library are traced and right; then those that are not."""
    rows, faults = [], []
    for library, by_name in results.items():
        traced = {name: result for name, result in by_name.items() if "refused" not in result}
        right = [name for name, r in traced.items() if abs(r["macs"] / r["reference_macs"] - 1) <= TOLERANCE]
        whole = [name for name, r in traced.items() if not r["missing"] and not r["surplus"]]
        rows.append((library, len(by_name), len(traced), len(right), len(whole)))
        for name, r in by_name.items():
            if name not in traced:
                faults.append((f"{library}: {name}", r["refused"]))
                continue
            if name not in right:
                faults.append((f"{library}: {name}", f"{r['macs']:,} operations, {r['reference_macs']:,} expected"))
            if name not in whole:
                faults.append((f"{library}: {name}", f"lacks {r['missing'][:3]}, has in vain {r['surplus'][:3]}"))
    yield table(("", "networks", "traced", "operations right", "parameters right"), rows)
    yield table(("network", "what is not right"), faults)


def plan(arguments: argparse.Namespace) -> Plan:
    require_timm()
    names = {"torchvision": models.list_models(module=models), "timm": timm_names(arguments.timm)}
    loads = {"torchvision": torchvision_network, "timm": timm_network}
    jobs: list[Job] = [
        ((library, name), partial(_measure, loads[library], name)) for library in loads for name in names[library]
    ]
    setting = {library: version(library) for library in ("torch", "torchvision", "timm")}
    return Plan(setting, jobs, tables)


OPTIONS = {"--timm": (150, "so many models of timm")}
main = partial(experiment, plan, OPTIONS)


if __name__ == "__main__":
    sys.exit(main())
