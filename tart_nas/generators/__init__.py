"""Generators: language models that write architecture strings of good networks.

Example:
    >>> generator = ArchitectureGenerator.open("darts-cifar10-generator")
    >>> architectures = generator.sample(100, seed=0)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tart_nas.generators import pretrained

if TYPE_CHECKING:
    from tart_nas.generators.generator import ArchitectureGenerator
    from tart_nas.generators.model import ModelSettings
    from tart_nas.generators.rounds import FittingSettings

__all__ = ["ArchitectureGenerator", "FittingSettings", "ModelSettings", "pretrained"]

_LAZY = {
    "ArchitectureGenerator": "generator",
    "FittingSettings": "rounds",
    "ModelSettings": "model",
}  # PyTorch, which the names need not


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(f"{__name__}.{_LAZY[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
