"""The old name of :mod:`tart_nas.training`, which trains by other optimizers than SGD too."""

from tart_nas.deprecation import renamed

__all__ = ["PROTOCOLS", "EpochMetrics", "TrainingRecipe", "TrainingResult", "evaluate", "train"]  # noqa: F822

__getattr__ = renamed(__name__, {name: f"tart_nas.training.{name}" for name in __all__})
