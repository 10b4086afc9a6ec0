"""How a network is trained: everything but the network, the images and the seed."""

import math
from dataclasses import dataclass, fields
from typing import Any, Self

from tart_nas.checks import one_of
from tart_nas.choices import OPTIMIZERS, OptimizerName, Protocol
from tart_nas.errors import SettingError
from tart_nas.recipes import Recipe

__all__ = ["PROTOCOLS", "TrainingRecipe"]

_LEAST = {"epochs": 1, "batch_size": 2}  # 0 for the others; batch normalisation needs two images
_ADAM_LR = 1e-3  # PyTorch's default, and that of Kingma and Ba (ICLR 2015)
_BELOW_ONE = ("momentum", "drop_path", "label_smoothing")  # at 1 nothing would be learned


@dataclass(frozen=True)
class TrainingRecipe(Recipe):
    """How networks are trained; the defaults are SGD as in DARTS (Liu et al., ICLR 2019), without its regularisers.

    Example:
        >>> short = TrainingRecipe(epochs=5, lr=0.1)
        >>> full = TrainingRecipe(epochs=600, cutout=16, drop_path=0.2, auxiliary=0.4)
        >>> adam = TrainingRecipe().adjusted(optimizer="adamw")
        >>> adam.lr
        0.001

    Args:
        epochs: passes over the training images, at least 1.
        batch_size: images per step, at least 2 (batch normalisation needs more than one).
        lr: learning rate at the start, above 0.
        lr_min: learning rate that the cosine decay ends at, in [0, lr].
        momentum: of SGD, in [0, 1); Adam and AdamW have their usual betas, 0.9 and 0.999.
        weight_decay: at least 0; decoupled from the gradient in AdamW, as in Loshchilov and Hutter (ICLR 2019).
        crop: zero padding in pixels from which random crops are cut, at least 0; 0 for no crops. Images in folders,
            which are larger than they are trained at, have ImageNet's random crops instead, whatever it is.
        flip: whether to mirror half of the images, where a mirrored image keeps its label.
        cutout: side of the square that is cut out, in pixels, at least 0; 0 for none.
        drop_path: probability of dropping a path, in [0, 1), to which it rises linearly from 0 in the first epoch; for
            networks with an attribute ``drop_path_prob``.
        auxiliary: weight of the auxiliary head's loss, at least 0; 0 for none.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        gradient_clip: largest norm of the gradient, at least 0; 0 for no clipping.
        optimizer: ``"sgd"``, ``"adamw"`` or ``"adam"``. The default learning rate is one for SGD, with which Adam and
            AdamW diverge: give theirs, or use :meth:`adjusted`.

    Raises:
        SettingError: if a value is outside its range.
    """

    epochs: int = 50
    batch_size: int = 96
    lr: float = 0.025
    lr_min: float = 0.0
    momentum: float = 0.9
    weight_decay: float = 3e-4
    crop: int = 4
    flip: bool = True
    cutout: int = 0
    drop_path: float = 0.0
    auxiliary: float = 0.0
    label_smoothing: float = 0.0
    gradient_clip: float = 5.0
    optimizer: OptimizerName = "sgd"

    def __post_init__(self) -> None:
        one_of("optimizer", self.optimizer, OPTIMIZERS)
        for field in fields(self):
            if field.name == "optimizer":
                continue
            least, limit = _LEAST.get(field.name, 0), 1 if field.name in _BELOW_ONE else math.inf
            kinds: tuple[type, ...] = (int, float) if field.type is float else (field.type,)  # type: ignore[assignment]
            value = getattr(self, field.name)
            if type(value) in kinds and least <= value < limit:  # not isinstance: True would pass for a number
                continue
            if field.type is bool:
                expected = "true or false"
            elif field.type is int:
                expected = f"a whole number of at least {least}"
            else:
                expected = f"a number in [{least}, {limit})"
            raise SettingError(f"`{field.name}` must be {expected}, but got {value!r}.")
        if self.lr == 0 or self.lr < self.lr_min:
            raise SettingError(f"`lr` must be above 0 and at least `lr_min`, but got {self.lr} and {self.lr_min}.")

    def adjusted(self, **changes: Any) -> Self:
        """As :meth:`Recipe.adjusted`.

        A change of the optimizer to Adam or AdamW without a learning rate sets that of PyTorch's Adam, 0.001, for the
        one of SGD is far too high.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        if given.get("optimizer", "sgd") != "sgd" and self.optimizer == "sgd":
            given = {"lr": _ADAM_LR, **given}
        return super().adjusted(**given)

    def lr_at(self, progress: float) -> float:
        """The learning rate after a share of the training, by cosine decay (Loshchilov and Hutter, ICLR 2017).

        Args:
            progress: in [0, 1].
        """
        return self.lr_min + (self.lr - self.lr_min) * (1 + math.cos(math.pi * progress)) / 2

    def drop_path_at(self, epoch: int) -> float:
        """The probability of dropping a path in an epoch, counted from 0."""
        return self.drop_path * epoch / self.epochs  # as in DARTS' own code: the last epoch stays below the full value


PROTOCOLS: dict[Protocol, TrainingRecipe] = {
    "darts": TrainingRecipe(epochs=600, cutout=16, drop_path=0.2, auxiliary=0.4),
    "deepnets1m": TrainingRecipe(epochs=50),
    "imagenet": TrainingRecipe(
        epochs=250, batch_size=128, lr=0.1, weight_decay=3e-5, auxiliary=0.4, label_smoothing=0.1
    ),
}
"""The recipes of papers by name: DARTS (Liu et al., ICLR 2019) on CIFAR-10, the labels of DeepNets-1M (Knyazev et al.,
NeurIPS 2021), DARTS on ImageNet (there with a step decay of the learning rate)."""
