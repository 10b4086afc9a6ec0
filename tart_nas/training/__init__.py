"""Training one network with SGD: the recipe, the loop, the accuracy."""

from tart_nas.training.evaluation import evaluate
from tart_nas.training.metrics import EpochMetrics, TrainingResult
from tart_nas.training.recipe import PROTOCOLS, TrainingRecipe
from tart_nas.training.training import train

__all__ = ["PROTOCOLS", "EpochMetrics", "TrainingRecipe", "TrainingResult", "evaluate", "train"]
