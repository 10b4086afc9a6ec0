"""Training one network with SGD: the recipe, the loop, the accuracy."""

from tart_nas.sgd.evaluation import evaluate
from tart_nas.sgd.metrics import EpochMetrics, TrainingResult
from tart_nas.sgd.recipe import PROTOCOLS, TrainingRecipe
from tart_nas.sgd.training import train

__all__ = ["PROTOCOLS", "EpochMetrics", "TrainingRecipe", "TrainingResult", "evaluate", "train"]
