"""TART-NAS: neural architecture search with a token transformer that ranks networks before they are trained.

Everything that a user needs is at most two levels deep, and is imported at its first use::

    import tart_nas as tn

    result = tn.search(candidates=10_000, top_k=4, out="runs/first")
    print(result)
    predictor = tn.Predictor.open("darts-cifar10")
    sampler = tn.optuna.TartSampler(tn.DartsSpace())
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tart_nas.errors import TartError

if TYPE_CHECKING:
    from tart_nas import (
        deepnets1m,
        detection,
        drawing,
        generators,
        graphs,
        hypernetworks,
        images,
        measurements,
        networks,
        nni,
        optuna,
        predictors,
        runs,
        search_spaces,
        strategies,
        strings,
        training,
    )
    from tart_nas.architecture import Architecture
    from tart_nas.deepnets1m import DeepNets1M
    from tart_nas.genotype import Genotype
    from tart_nas.graphs import ComputationalGraph
    from tart_nas.images import load_images
    from tart_nas.measurements import measure
    from tart_nas.networks import build_network
    from tart_nas.predictors import Predictor
    from tart_nas.runs import SearchResult, TrainingBudget, retrain, search
    from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, TrialSpace
    from tart_nas.training import TrainingRecipe, evaluate, train

    __version__: str

_HOMES = {  # name: the package that has it. Nothing is imported before its first use: `tart-nas --help` needs no torch.
    "Architecture": "architecture",
    "ComputationalGraph": "graphs",
    "DartsSpace": "search_spaces",
    "DeepNets1M": "deepnets1m",
    "DeepNets1MSpace": "search_spaces",
    "Genotype": "genotype",
    "Predictor": "predictors",
    "SearchResult": "runs",
    "TrainingBudget": "runs",
    "TrainingRecipe": "training",
    "TrialSpace": "search_spaces",
    "build_network": "networks",
    "evaluate": "training",
    "load_images": "images",
    "measure": "measurements",
    "retrain": "runs",
    "search": "runs",
    "train": "training",
}
_PACKAGES = (
    "deepnets1m",
    "detection",
    "drawing",
    "generators",
    "graphs",
    "hypernetworks",
    "images",
    "measurements",
    "networks",
    "nni",
    "optuna",
    "predictors",
    "runs",
    "search_spaces",
    "strategies",
    "strings",
    "training",
)

__all__ = [  # written out for type checkers; tests/test_public.py holds it equal to the two tables
    "Architecture",
    "ComputationalGraph",
    "DartsSpace",
    "DeepNets1M",
    "DeepNets1MSpace",
    "Genotype",
    "Predictor",
    "SearchResult",
    "TartError",
    "TrainingBudget",
    "TrainingRecipe",
    "TrialSpace",
    "__version__",
    "build_network",
    "deepnets1m",
    "detection",
    "drawing",
    "evaluate",
    "generators",
    "graphs",
    "hypernetworks",
    "images",
    "load_images",
    "measure",
    "measurements",
    "networks",
    "nni",
    "optuna",
    "predictors",
    "retrain",
    "runs",
    "search",
    "search_spaces",
    "strategies",
    "strings",
    "train",
    "training",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("tart_nas.version").version()
    if name in _HOMES:
        return getattr(import_module(f"tart_nas.{_HOMES[name]}"), name)
    if name in _PACKAGES:
        return import_module(f"tart_nas.{name}")
    raise AttributeError(f"module 'tart_nas' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
