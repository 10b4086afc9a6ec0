"""Generators: language models that write architecture strings of good networks.

Example:
    >>> generator = ArchitectureGenerator.open("darts-cifar10-generator")
    >>> architectures = generator.sample(100, seed=0)
"""

from typing import TYPE_CHECKING

from tart_nas.generators import pretrained
from tart_nas.lazy import imported_when_used

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

__getattr__, __dir__ = imported_when_used(__name__, _LAZY, __all__)
