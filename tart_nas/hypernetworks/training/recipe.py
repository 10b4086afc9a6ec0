"""How a graph hypernetwork is trained: everything but its own settings, the images, the networks and the seed."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tart_nas.checks import number, one_of, whole
from tart_nas.choices import GHNPreset
from tart_nas.errors import SettingError
from tart_nas.hypernetworks.config import GHNConfig
from tart_nas.hypernetworks.training.widths import WIDTHS
from tart_nas.recipes import Recipe

__all__ = ["GHN_PRESETS", "GHNPresetSettings", "GHNRecipe"]

_WARM_UP_EPOCHS = 5  # and from which learning rate: as in the published training of GHN-3
_WARM_UP_LR = 1e-5
_LAST_SHARES = (2 / 3, 5 / 6)  # of the epochs, after which the learning rate falls to a tenth: 200 and 250 of 300


@dataclass(frozen=True, kw_only=True)
class GHNRecipe(Recipe):
    """How a graph hypernetwork is trained; the defaults are those of GHN-2 on CIFAR-10 (Knyazev et al., 2021).

    A step is one batch of images, which each of some new networks (a meta-batch) classifies with predicted parameters.

    Args:
        epochs: at least 1; the learning rate changes between epochs.
        steps_per_epoch: at least 1 and at most one pass over the images; None for a whole pass.
        batch_size: images of a step, at least 2.
        meta_batch: networks of a step, at least 1.
        optimizer: ``"adam"`` or ``"adamw"``.
        lr: the highest learning rate, above 0.
        weight_decay: at least 0; decoupled from the gradient in AdamW.
        schedule: ``"decay"``: a tenth of the learning rate after 2/3, and again after 5/6 of the epochs;
            ``"cosine-warmup"``: five epochs from 1e-5 up, then a cosine to 0; not for 5 or 6 epochs, one of which would
            have a learning rate of 0.
        label_smoothing: share of the target spread over all classes, in [0, 1).
        norm_penalty: factor of the sum of the Euclidean norms of all predicted tensors in a network's loss.
        gradient_clip: largest norm of the gradient, at least 0; 0 for no clipping.
        crop: zero padding in pixels from which random crops of images are cut, at least 0.
        networks: how many different networks there are to train on, at least 1; of a file, at most those in it.
        widths: how channels are drawn, one of :data:`tart_nas.hypernetworks.training.WIDTHS`.
        max_nodes: of the graphs of a meta-batch together; larger meta-batches are dropped. At least 1.
        max_network_nodes: of one graph; larger networks are dropped. None for no limit.
        simple_networks: whether networks with attention, and those without global average pooling, are dropped.

    Raises:
        SettingError: if a value is outside its range.
    """

    epochs: int = 300
    steps_per_epoch: int | None = None
    batch_size: int = 64
    meta_batch: int = 8
    optimizer: Literal["adam", "adamw"] = "adam"
    lr: float = 1e-3
    weight_decay: float = 1e-5
    schedule: Literal["decay", "cosine-warmup"] = "decay"
    label_smoothing: float = 0.0
    norm_penalty: float = 0.0
    gradient_clip: float = 5.0
    crop: int = 4
    networks: int = 1_000_000
    widths: str = "deepnets1m"
    max_nodes: int = 2200
    max_network_nodes: int | None = None
    simple_networks: bool = False

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("batch_size", 2), ("meta_batch", 1), ("networks", 1), ("max_nodes", 1)):
            whole(name, getattr(self, name), least)
        for name in ("steps_per_epoch", "max_network_nodes"):
            if getattr(self, name) is not None:
                whole(name, getattr(self, name), 1)
        whole("crop", self.crop)
        number("lr", self.lr, above=0)
        number("label_smoothing", self.label_smoothing, 0, below=1)
        for name in ("weight_decay", "norm_penalty", "gradient_clip"):
            number(name, getattr(self, name), 0)
        one_of("optimizer", self.optimizer, ("adam", "adamw"))
        one_of("schedule", self.schedule, ("decay", "cosine-warmup"))
        one_of("widths", self.widths, WIDTHS)
        if self.schedule == "cosine-warmup" and self.epochs in (_WARM_UP_EPOCHS, _WARM_UP_EPOCHS + 1):
            raise SettingError(
                f"`schedule` 'cosine-warmup' needs at least {_WARM_UP_EPOCHS + 2} `epochs`, or less than "
                f"{_WARM_UP_EPOCHS}, which only warm up, but got {self.epochs}: in one of them its learning rate is 0."
            )
        if not isinstance(self.simple_networks, bool):
            raise SettingError(f"`simple_networks` must be True or False, but got {self.simple_networks!r}.")

    def lr_at(self, epoch: int) -> float:
        """The learning rate in an epoch, counted from 0."""
        if self.schedule == "decay":
            return self.lr * 0.1 ** sum(epoch >= round(share * self.epochs) for share in _LAST_SHARES)
        if epoch < _WARM_UP_EPOCHS - 1:
            return _WARM_UP_LR + (self.lr - _WARM_UP_LR) * epoch / (_WARM_UP_EPOCHS - 1)
        # As in the published code, the cosine has its top in the epoch after the warm-up and is there already in the
        # last one of it: just below the top if there are many epochs, half of it of 7.
        return self.lr * (1 + math.cos(math.pi * (epoch - _WARM_UP_EPOCHS) / max(1, self.epochs - _WARM_UP_EPOCHS))) / 2


@dataclass(frozen=True)
class GHNPresetSettings:
    """A published way to train a hypernetwork, or a small one like it.

    Args:
        config: of the hypernetwork.
        recipe: of its training.
    """

    config: GHNConfig
    recipe: GHNRecipe


_GHN1: dict[str, Any] = {"ve": False, "layernorm": False, "weight_norm": False}
_MLP: dict[str, Any] = {"hypernet": "mlp"}
_GHN3: dict[str, Any] = {"hypernet": "graphormer", "hid": 64, "layers": 3, "heads": 8}
_GHN3_RECIPE: dict[str, Any] = {
    "optimizer": "adamw",
    "lr": 4e-4,
    "weight_decay": 1e-2,
    "schedule": "cosine-warmup",
    "norm_penalty": 3e-5,
}


def _cifar10(kind: Mapping[str, Any], **recipe: Any) -> GHNPresetSettings:
    return GHNPresetSettings(GHNConfig(max_shape=(64, 64, 11, 11), num_classes=10, **kind), GHNRecipe(**recipe))


def _imagenet(kind: Mapping[str, Any], **recipe: Any) -> GHNPresetSettings:
    config = GHNConfig(max_shape=(64, 64, 16, 16), num_classes=1000, **kind)
    return GHNPresetSettings(config, GHNRecipe(**{"batch_size": 256, "label_smoothing": 0.1, **recipe}))


def _small(kind: Mapping[str, Any]) -> GHNPresetSettings:
    recipe = GHNRecipe(
        epochs=30,
        steps_per_epoch=100,
        meta_batch=4,
        crop=2,
        widths="small",
        max_network_nodes=150,
        simple_networks=True,
    )
    return GHNPresetSettings(GHNConfig(max_shape=(32, 32, 7, 7), num_classes=10, **kind), recipe)


GHN_PRESETS: dict[GHNPreset, GHNPresetSettings] = {
    "ghn1-cifar10": _cifar10(_GHN1, meta_batch=1),
    "ghn2-cifar10": _cifar10({}),
    "mlp-cifar10": _cifar10(_MLP),
    "ghn3-cifar10": _cifar10(_GHN3, **_GHN3_RECIPE),
    "ghn1-imagenet": _imagenet(_GHN1, meta_batch=1),
    "ghn2-imagenet": _imagenet({}, epochs=150),
    "mlp-imagenet": _imagenet(_MLP, epochs=150),
    "ghn3-imagenet": _imagenet(_GHN3, epochs=75, batch_size=128, widths="wider", **_GHN3_RECIPE),
    "ghn1-small": _small(_GHN1),
    "ghn2-small": _small({}),
    "mlp-small": _small(_MLP),
}
"""By name: those of Knyazev et al. (NeurIPS 2021 and, for GHN-3, ICML 2023), and small ones for images of 16x16 pixels,
which take about half an hour of one CPU core. GHN-3 is that of the size T."""
