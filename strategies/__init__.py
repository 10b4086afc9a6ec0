"""Search strategies: which of the scored candidates are trained."""

from tart_nas.deprecation import renamed
from tart_nas.strategies.acquisition import ACQUISITIONS, Acquisition, acquire
from tart_nas.strategies.diversity import cell_distance, select_diverse
from tart_nas.strategies.evolution import evolve
from tart_nas.strategies.pareto import crowding_distance, pareto_front, preferred
from tart_nas.strategies.surrogate import Surrogate
from tart_nas.strategies.top_k import random_others, top_k

__all__ = [
    "ACQUISITIONS",
    "Acquisition",
    "Surrogate",
    "acquire",
    "cell_distance",
    "crowding_distance",
    "evolve",
    "pareto_front",
    "preferred",
    "random_others",
    "select_diverse",
    "top_k",
]

__getattr__ = renamed(__name__, {"diverse": "tart_nas.strategies.select_diverse"})
