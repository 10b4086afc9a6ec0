"""How a detector is trained."""

from dataclasses import dataclass

from tart_nas.checks import number, whole
from tart_nas.errors import SettingError
from tart_nas.recipes import Recipe

__all__ = ["DetectionRecipe"]

_WARMUP_STEPS, _WARMUP_START = 1000, 1e-3  # as in torchvision's reference script, which the protocol is from


@dataclass(frozen=True)
class DetectionRecipe(Recipe):
    """How detectors are trained: SGD with a step decay; the defaults are those of Knyazev et al., NeurIPS 2021.

    The learning rate rises linearly from a thousandth in the first epoch, over all its steps but one, at most 1,000.

    Args:
        epochs: passes over the training images, at least 1.
        batch_size: images in a step, at least 1.
        lr: the highest learning rate, above 0.
        lr_step: epochs after which the learning rate is multiplied by ``lr_factor``, again and again; at least 1.
        lr_factor: in (0, 1].
        momentum: in [0, 1).
        weight_decay: at least 0.
        flip: whether half of the images are mirrored.
        regions: of each image, sampled in each step to train the second stage on, at least 1; fewer cost less.

    Raises:
        SettingError: if a value is outside its range.
    """

    epochs: int = 10
    batch_size: int = 2
    lr: float = 0.005
    lr_step: int = 3
    lr_factor: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 5e-4
    flip: bool = True
    regions: int = 512

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "lr_step", "regions"):
            whole(name, getattr(self, name), 1)
        number("lr", self.lr, above=0)
        number("lr_factor", self.lr_factor, above=0, most=1)
        number("momentum", self.momentum, 0, below=1)
        number("weight_decay", self.weight_decay, 0)
        if type(self.flip) is not bool:
            raise SettingError(f"`flip` must be true or false, but got {self.flip!r}.")

    def lr_at(self, epoch: int, step: int, steps: int) -> float:
        """The learning rate of a step.

        Args:
            epoch: counted from 0.
            step: in the epoch, counted from 0.
            steps: in each epoch.
        """
        lr = self.lr * self.lr_factor ** (epoch // self.lr_step)
        rising = min(_WARMUP_STEPS, steps - 1)
        if epoch == 0 and step < rising:
            lr *= _WARMUP_START + (1 - _WARMUP_START) * step / rising
        return lr
