"""Training one network: the recipe, the loop, the accuracy."""

from tart_nas.training.budgets import BUDGETS, DARTS_BUDGETS, Budget
from tart_nas.training.evaluation import evaluate
from tart_nas.training.loop import train
from tart_nas.training.metrics import EpochMetrics, TrainingResult
from tart_nas.training.recipe import PROTOCOLS, TrainingRecipe

__all__ = [
    "BUDGETS",
    "DARTS_BUDGETS",
    "PROTOCOLS",
    "Budget",
    "EpochMetrics",
    "TrainingRecipe",
    "TrainingResult",
    "evaluate",
    "train",
]
