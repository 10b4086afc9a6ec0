"""Search strategies: which of the scored candidates are trained."""

from tart_nas.strategies.acquisition import ACQUISITIONS, Acquisition, acquire
from tart_nas.strategies.diversity import cell_distance, diverse
from tart_nas.strategies.evolution import evolve
from tart_nas.strategies.surrogate import Surrogate
from tart_nas.strategies.top_k import random_others, top_k

__all__ = [
    "ACQUISITIONS",
    "Acquisition",
    "Surrogate",
    "acquire",
    "cell_distance",
    "diverse",
    "evolve",
    "random_others",
    "top_k",
]
