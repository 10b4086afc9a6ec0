"""TART-NAS: neural architecture search with a token transformer that ranks networks before they are trained.

import tart_nas
result = tart_nas.search(candidates=10_000, top_k=3, out="runs/first")
print(result)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tart_nas.errors import TartError

if TYPE_CHECKING:
    from tart_nas.architecture import Architecture
    from tart_nas.genotype import Genotype
    from tart_nas.predictors import Predictor
    from tart_nas.runs import SearchResult, TrainingBudget, search
    from tart_nas.search_spaces import DartsSpace
    from tart_nas.training import TrainingRecipe

    __version__: str

__all__ = [
    "Architecture",
    "DartsSpace",
    "Genotype",
    "Predictor",
    "SearchResult",
    "TartError",
    "TrainingBudget",
    "TrainingRecipe",
    "__version__",
    "search",
]

_LAZY = {  # imported at their first use: `tart-nas --help` answers at once, without torch
    "Architecture": "tart_nas.architecture",
    "Genotype": "tart_nas.genotype",
    "DartsSpace": "tart_nas.search_spaces",
    "Predictor": "tart_nas.predictors",
    "SearchResult": "tart_nas.runs",
    "TrainingBudget": "tart_nas.runs",
    "TrainingRecipe": "tart_nas.training",
    "search": "tart_nas.runs",
}


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("tart_nas.version").version()
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'tart_nas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
