"""Search spaces: what may be sampled, mutated and ranked."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tart_nas.search_spaces.canonical import canonical_genotype
from tart_nas.search_spaces.darts import DartsSpace
from tart_nas.search_spaces.deepnets1m import DeepNets1MSpace
from tart_nas.search_spaces.parameters import Parameters, Suggester
from tart_nas.search_spaces.source import ArchitectureSource, SearchSpace
from tart_nas.search_spaces.trial_architecture import TrialArchitecture, architecture_from_dict

if TYPE_CHECKING:
    from tart_nas.search_spaces.trial_space import TrialSpace

__all__ = [
    "ArchitectureSource",
    "DartsSpace",
    "DeepNets1MSpace",
    "Parameters",
    "SearchSpace",
    "Suggester",
    "TrialArchitecture",
    "TrialSpace",
    "architecture_from_dict",
    "canonical_genotype",
]


def __getattr__(name: str) -> Any:
    if name == "TrialSpace":  # which imports PyTorch, in contrast to the others
        return import_module("tart_nas.search_spaces.trial_space").TrialSpace
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
