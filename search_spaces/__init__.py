"""Search spaces: what may be sampled, mutated and ranked."""

from tart_nas.search_spaces.canonical import canonical_genotype
from tart_nas.search_spaces.darts import DartsSpace
from tart_nas.search_spaces.deepnets1m import DeepNets1MSpace
from tart_nas.search_spaces.parameters import Parameters, Suggester
from tart_nas.search_spaces.source import ArchitectureSource, SearchSpace

__all__ = [
    "ArchitectureSource",
    "DartsSpace",
    "DeepNets1MSpace",
    "Parameters",
    "SearchSpace",
    "Suggester",
    "canonical_genotype",
]
