"""What is searched, and with what, unless something else is asked for: space, predictor, training budget, recipe.

The bundled predictors were fitted to labels of a certain budget. Where a search can afford that very budget it is the
default, so that what is predicted is what is measured.
"""

from tart_nas.checks import one_of
from tart_nas.choices import BUDGET_NAMES, BudgetName
from tart_nas.errors import SettingError
from tart_nas.generators import ArchitectureGenerator
from tart_nas.predictors import Predictor
from tart_nas.runs.goals import Goals
from tart_nas.runs.settings import TrainingBudget
from tart_nas.search_spaces import ArchitectureSource, DartsSpace, DeepNets1MSpace, TrialSpace
from tart_nas.strings import StringSpace
from tart_nas.training import BUDGETS, DARTS_BUDGETS, Budget, TrainingRecipe

__all__ = [
    "default_budget",
    "default_generator",
    "default_predictor",
    "default_recipe",
    "default_space",
    "default_strategy",
    "is_small",
]

_JUDGED_SPLITS = ("train", "val", "test", "search", "wide", "bnfree")  # of DeepNets-1M, by deepnets1m-cifar10
_LABELLED_IMAGES = ("cifar10", "cifar10-sample")  # the images of its labels, and others that it may be trained alike on

_CIFAR_SIZE = 32  # pixels, to which images can be reduced and not enlarged

# Of cifar10-sample a tenth is set apart for validation.
_MOST_IMAGES = {"cifar10-sample": 9000}

# On other images, which may be small and few, small and tiny budgets train longer on all of them, at their own size.
_OTHER_RECIPES: dict[BudgetName, TrainingRecipe] = {
    "tiny": TrainingRecipe(epochs=2, batch_size=64, lr=0.1),
    "small": TrainingRecipe(epochs=5, batch_size=64, lr=0.1),
}


def default_space() -> ArchitectureSource:
    """The ``search`` split of DeepNets-1M, by its rules: there a short run shows what its predictor gains.

    ``tart_nas.experiments.first_run`` measures it, and ``replayed_searches`` compares it with the DARTS space.
    """
    return DeepNets1MSpace("search")


def default_predictor(space: ArchitectureSource, learns: bool = False, is_small: bool = False) -> str:
    """The bundled predictor of the space: ``darts-cifar10``, ``darts-small`` or ``deepnets1m-cifar10``.

    The last has learned from networks that are far smaller than those of the splits ``deep`` and ``dense``; these,
    and ``predefined``, are ranked by their number of parameters, ``params``. Networks of a user's own space are ranked
    by it too or, where the predictor gets to learn from the rounds of a run, by an unfitted ``gp-graph``.

    Args:
        space: what is searched.
        learns: whether there are rounds to learn from.
        is_small: whether networks are trained at the budget ``small`` (:func:`is_small`), which ``darts-small`` knows;
            ``darts-cifar10`` knows full training.
    """
    space = _base(space)
    if isinstance(space, DartsSpace):
        return "darts-small" if is_small else "darts-cifar10"
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


def default_budget(
    space: ArchitectureSource, dataset: str = "cifar10-sample", name: BudgetName = "small"
) -> TrainingBudget:
    """How much networks of a space are shrunk for training, and the images that they are trained on.

    On CIFAR-10 and its sample these are :data:`tart_nas.training.BUDGETS` or, in the DARTS space, ``DARTS_BUDGETS``.
    Of other images all are taken, at their own size. Networks of a user's own space stay as they are, on images of
    CIFAR-10 of the size at which they are traced, where that is at most 32x32.

    Args:
        space: what is searched.
        dataset: the images that networks are trained on.
        name: of the budget.
    """
    budget = _named(space, name)
    images, size = budget.train_images, budget.image_size
    if dataset not in _LABELLED_IMAGES:
        images = size = None
    elif images is not None and images > _MOST_IMAGES.get(dataset, images):
        images = None  # all of them
    if isinstance(space, TrialSpace):
        size = min(space.input_size[1], _CIFAR_SIZE) if dataset in _LABELLED_IMAGES else None
        return TrainingBudget(train_images=images, image_size=size)
    return TrainingBudget(n_cells=budget.n_cells, C=budget.C, train_images=images, image_size=size)


def default_recipe(
    dataset: str = "cifar10-sample", space: ArchitectureSource | None = None, name: BudgetName = "small"
) -> TrainingRecipe:
    """How networks are trained with :func:`default_budget`.

    Args:
        dataset: the images that they are trained on.
        space: what is searched; None for :func:`default_space`.
        name: of the budget.
    """
    recipe = _named(space, name).recipe
    return recipe if dataset in _LABELLED_IMAGES else _OTHER_RECIPES.get(name, recipe)


def is_small(space: ArchitectureSource, dataset: str, budget: TrainingBudget, recipe: TrainingRecipe) -> bool:
    """Whether networks are trained on CIFAR-10 at the budget ``small``, of which bundled predictors have labels.

    Args:
        space: what is searched.
        dataset: the images.
        budget: how the networks are shrunk, and how many images there are.
        recipe: how they are trained.
    """
    usual = default_budget(space, dataset), default_recipe(dataset, space)
    return dataset in _LABELLED_IMAGES and (budget, recipe) == usual


def _named(space: ArchitectureSource | None, name: BudgetName) -> Budget:
    one_of("budget", name, BUDGET_NAMES)
    is_darts = space is not None and isinstance(_base(space), DartsSpace)
    return (DARTS_BUDGETS if is_darts else BUDGETS)[name]
