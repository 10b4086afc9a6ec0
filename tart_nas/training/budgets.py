"""How much training a network gets before it is compared with others: budgets by name, from seconds to GPU hours.

A small budget ranks networks otherwise than full training does, and two trainings of it otherwise than each other.
docs/training.md tells how reliable each is; ``python -m tart_nas.experiments.budget_reliability`` measures that.
"""

from dataclasses import dataclass, field, replace

from tart_nas.choices import BudgetName
from tart_nas.training.recipe import PROTOCOLS, TrainingRecipe

__all__ = ["BUDGETS", "DARTS_BUDGETS", "Budget"]


@dataclass(frozen=True)
class Budget:
    """A training of a smaller network on fewer and smaller images; None keeps the network's own or the data set's.

    Args:
        n_cells: cells of the network.
        C: channels of its first cells.
        image_size: height and width in pixels to which images are reduced.
        train_images: how many are trained on.
        recipe: how.
    """

    n_cells: int | None = None
    C: int | None = None
    image_size: int | None = None
    train_images: int | None = None
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)


# Crops are from 2 pixels of padding, since images are half as wide as those that 4 are meant for.
_BRIEF = TrainingRecipe(epochs=4, batch_size=32, lr=0.05, crop=2)
# Near the published trainings, in minutes of a GPU: 15 epochs with a higher learning rate in place of 50 to 100.
_LONG = TrainingRecipe(epochs=15, batch_size=96, lr=0.1)

BUDGETS: dict[BudgetName, Budget] = {
    "tiny": Budget(C=8, image_size=16, train_images=1000, recipe=replace(_BRIEF, epochs=2)),
    # that of experiments/labels/deepnets1m-val, which deepnets1m-cifar10 was fitted to
    "small": Budget(C=8, image_size=16, train_images=2500, recipe=_BRIEF),
    "medium": Budget(C=16, recipe=_LONG),
    "full": Budget(C=32, recipe=PROTOCOLS["deepnets1m"]),
}
"""On CIFAR-10, for DeepNets-1M and spaces like it, whose networks differ in depth and width too."""

DARTS_BUDGETS: dict[BudgetName, Budget] = {
    # Five cells, N R N R N, have all that differs between networks which differ by their cells alone.
    "tiny": Budget(n_cells=5, C=8, image_size=16, train_images=2500, recipe=_BRIEF),
    # that of experiments/labels/darts
    "small": Budget(
        n_cells=5,
        C=8,
        image_size=16,
        train_images=10_000,
        recipe=TrainingRecipe(epochs=5, batch_size=64, lr=0.1, crop=2),
    ),
    "medium": Budget(n_cells=8, C=16, recipe=_LONG),
    # NAS-Bench-301's (Zela et al., ICLR 2022), which darts-cifar10 knows; but for its mixup, which there is not here
    "full": Budget(n_cells=8, C=32, recipe=TrainingRecipe(epochs=100, cutout=16, drop_path=0.2, auxiliary=0.4)),
}
"""On CIFAR-10, for the DARTS space: its networks lie closer together, and a larger training is needed to rank them."""
