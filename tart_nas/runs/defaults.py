"""What a space is searched with unless something else is asked for: predictor, training budget, recipe.

The bundled predictors were fitted to labels of a certain budget. Where a search can afford that very budget it is the
default, so that what is predicted is what is measured.
"""

from tart_nas.runs.settings import TrainingBudget
from tart_nas.search_spaces import ArchitectureSource, DartsSpace
from tart_nas.sgd import TrainingRecipe

__all__ = ["default_budget", "default_predictor", "default_recipe"]

_JUDGED_SPLITS = ("train", "val", "test", "search", "wide", "bnfree")  # of DeepNets-1M, by deepnets1m-cifar10
_LABELLED_IMAGES = ("cifar10", "cifar10-sample")  # the images of its labels, and others that it may be trained alike on

# Those of experiments/labels/deepnets1m-val, to which deepnets1m-cifar10 was fitted. Crops are from 2 pixels of padding
# since images are half as wide as those that 4 are meant for.
_LABEL_BUDGET = TrainingBudget(C=8, train_images=2500, image_size=16)
_LABEL_RECIPE = TrainingRecipe(epochs=4, batch_size=32, lr=0.05, crop=2)

# A few minutes of two CPU cores for some networks. darts-cifar10 knows 100 epochs of networks of 8 cells and 32
# channels (NAS-Bench-301's), which no short run affords.
_SHORT_BUDGET = TrainingBudget(C=8)
_SHORT_RECIPE = TrainingRecipe(epochs=5, batch_size=64, lr=0.1)


def default_predictor(space: ArchitectureSource) -> str:
    """The bundled predictor of the space: ``darts-cifar10`` or ``deepnets1m-cifar10``.

    The latter has learned from networks that are far smaller than those of the splits ``deep`` and ``dense``; these,
    and ``predefined``, are ranked by their number of parameters, ``params``.
    """
    if isinstance(space, DartsSpace):
        return "darts-cifar10"
    return "deepnets1m-cifar10" if space.settings.get("split") in _JUDGED_SPLITS else "params"


def default_budget(space: ArchitectureSource, dataset: str = "cifar10-sample") -> TrainingBudget:
    """How much networks of a space are shrunk for training.

    In the DARTS space, whose networks differ by their cells alone: 5 cells and 8 channels. In DeepNets-1M's: 8
    channels, on CIFAR-10 also 2,500 images of 16x16 pixels, the budget of the labels that its predictor was fitted to.

    Args:
        space: what is searched.
        dataset: the images that networks are trained on.
    """
    if isinstance(space, DartsSpace):
        return TrainingBudget(n_cells=5, C=_SHORT_BUDGET.C)
    return _LABEL_BUDGET if dataset in _LABELLED_IMAGES else _SHORT_BUDGET


def default_recipe(space: ArchitectureSource, dataset: str = "cifar10-sample") -> TrainingRecipe:
    """How networks of a space are trained: 5 epochs, or as the labels were; see :func:`default_budget`."""
    return _LABEL_RECIPE if default_budget(space, dataset) == _LABEL_BUDGET else _SHORT_RECIPE
