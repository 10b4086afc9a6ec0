"""What is searched, and with what, unless something else is asked for: space, predictor, training budget, recipe.

The bundled predictors were fitted to labels of a certain budget. Where a search can afford that very budget it is the
default, so that what is predicted is what is measured.
"""

from dataclasses import replace

from tart_nas.errors import SettingError
from tart_nas.generators import ArchitectureGenerator
from tart_nas.predictors import Predictor
from tart_nas.runs.goals import Goals
from tart_nas.runs.settings import TrainingBudget
from tart_nas.search_spaces import ArchitectureSource, DartsSpace, DeepNets1MSpace, TrialSpace
from tart_nas.strings import StringSpace
from tart_nas.training import TrainingRecipe

__all__ = [
    "default_budget",
    "default_generator",
    "default_predictor",
    "default_recipe",
    "default_space",
    "default_strategy",
]

_JUDGED_SPLITS = ("train", "val", "test", "search", "wide", "bnfree")  # of DeepNets-1M, by deepnets1m-cifar10
_LABELLED_IMAGES = ("cifar10", "cifar10-sample")  # the images of its labels, and others that it may be trained alike on

_CIFAR_SIZE = 32  # pixels, to which images can be reduced and not enlarged

# Those of experiments/labels/deepnets1m-val, to which deepnets1m-cifar10 was fitted. Crops are from 2 pixels of padding
# since images are half as wide as those that 4 are meant for.
_LABEL_BUDGET = TrainingBudget(C=8, train_images=2500, image_size=16)
_LABEL_RECIPE = TrainingRecipe(epochs=4, batch_size=32, lr=0.05, crop=2)

# For other images, which may be small and few.
_SHORT_BUDGET = TrainingBudget(C=8)
_SHORT_RECIPE = TrainingRecipe(epochs=5, batch_size=64, lr=0.1)

# In the DARTS space, whose networks differ by their cells alone, 5 cells have all that differs. darts-cifar10 knows 100
# epochs of 8 cells and 32 channels (NAS-Bench-301's), which no short run affords.
_DARTS_CELLS = 5


def default_space() -> ArchitectureSource:
    """The ``search`` split of DeepNets-1M, by its rules: there a short run shows what its predictor gains.

    ``python -m tart_nas.experiments.first_run`` compares it with the DARTS space.
    """
    return DeepNets1MSpace("search")


def default_predictor(space: ArchitectureSource, learns: bool = False) -> str:
    """The bundled predictor of the space: ``darts-cifar10`` or ``deepnets1m-cifar10``.

    The latter has learned from networks that are far smaller than those of the splits ``deep`` and ``dense``; these,
    and ``predefined``, are ranked by their number of parameters, ``params``. Networks of a user's own space are ranked
    by it too or, where the predictor gets to learn from the rounds of a run, by an unfitted ``gp-graph``.

    Args:
        space: what is searched.
        learns: whether there are rounds to learn from.
    """
    space = _base(space)
    if isinstance(space, DartsSpace):
        return "darts-cifar10"
    if isinstance(space, TrialSpace):
        return "gp-graph" if learns else "params"
    return "deepnets1m-cifar10" if space.settings.get("split") in _JUDGED_SPLITS else "params"


def default_strategy(goals: Goals, space: ArchitectureSource, predictor: Predictor, is_given: bool) -> str:
    """How candidates are found: ``"topk"``; with several objectives ``"evolution"``, where that can be.

    A front lies at the edge of a space, where a random sample has few networks
    (``python -m tart_nas.experiments.front_search``).

    Args:
        goals: of the search.
        space: what is searched; evolution needs to mutate its architectures.
        predictor: evolution follows its predictions, of which an unfitted one has none.
        is_given: whether the candidates are given.
    """
    can_mutate = hasattr(space, "mutate") and hasattr(space, "canonical") and not is_given
    return "evolution" if len(goals.objectives) > 1 and can_mutate and predictor.is_fitted else "topk"


def default_generator(space: ArchitectureSource) -> str:
    """The bundled generator of the space: ``darts-cifar10-generator``.

    Raises:
        SettingError: if there is none.
    """
    if isinstance(_base(space), DartsSpace):
        return "darts-cifar10-generator"
    raise SettingError(f"There is no bundled generator of {space!r}: `generator` must be the file of one for it.")


def _base(space: ArchitectureSource) -> ArchitectureSource:
    """The space whose networks a space of strings or a generator has."""
    if isinstance(space, StringSpace):
        return space.base
    return space.space if isinstance(space, ArchitectureGenerator) else space


def default_budget(space: ArchitectureSource, dataset: str = "cifar10-sample") -> TrainingBudget:
    """How much networks of a space are shrunk for training: to 8 channels, in the DARTS space also to 5 cells.

    CIFAR-10's images are shrunk too, to 2,500 of 16x16 pixels: the budget of the labels that the predictor of
    DeepNets-1M was fitted to. Networks of a user's own space stay as they are, on 2,500 images of CIFAR-10 of the size
    at which they are traced, where that is at most 32x32.

    Args:
        space: what is searched.
        dataset: the images that networks are trained on.
    """
    budget = _LABEL_BUDGET if dataset in _LABELLED_IMAGES else _SHORT_BUDGET
    if isinstance(space, TrialSpace):
        size = min(space.input_size[1], _CIFAR_SIZE) if dataset in _LABELLED_IMAGES else None
        return replace(budget, C=None, image_size=size)
    return replace(budget, n_cells=_DARTS_CELLS) if isinstance(_base(space), DartsSpace) else budget


def default_recipe(dataset: str = "cifar10-sample") -> TrainingRecipe:
    """How networks are trained: on CIFAR-10 for 4 epochs, as those of the labels were, else for 5."""
    return _LABEL_RECIPE if dataset in _LABELLED_IMAGES else _SHORT_RECIPE
