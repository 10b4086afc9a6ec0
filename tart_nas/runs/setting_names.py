"""The settings of a search by the names that people read, with units; the reports show all of them."""

from typing import Any

from tart_nas.runs.folder import flat
from tart_nas.runs.settings import SearchSettings

__all__ = ["recipe_in_words", "settings_in_words"]

_NAMES = {
    "top_k": "picked networks per round",
    "random": "random networks",
    "dataset": "data set",
    "min_distance": "smallest distance (edges)",
    "latency_predictor": "latency predicted by",
    "init.ghn": "first weights predicted by",
    "init.noise": "noise on the first weights",
    "init.orthogonal": "first weights made orthogonal",
    "init.from_layer": "from layer",
    "init.sha256": "hash of the hypernetwork's weights",
    "budget.n_cells": "trained cells",
    "budget.C": "trained channels",
    "budget.train_images": "training images",
    "budget.image_size": "image size (pixels)",
}
_RECIPE = {
    "epochs": "epochs",
    "batch_size": "batch size (images)",
    "lr": "learning rate",
    "lr_min": "last learning rate",
    "momentum": "momentum",
    "weight_decay": "weight decay",
    "crop": "random crops, padding (pixels)",
    "flip": "mirrored images",
    "cutout": "cut-out square (pixels)",
    "drop_path": "drop path probability",
    "auxiliary": "weight of the auxiliary loss",
    "label_smoothing": "label smoothing",
    "gradient_clip": "largest gradient norm",
    "optimizer": "optimizer",
}


def settings_in_words(settings: SearchSettings) -> dict[str, str]:
    """All settings, the nested ones too, by readable names."""
    named = {}
    for key, value in flat(settings.to_dict()).items():
        group, _, last = key.partition(".")
        name = _RECIPE.get(last, last.replace("_", " ")) if group == "recipe" else key.replace(".", " ")
        value = "what is fitted in the run" if key == "latency_predictor" and value is None else value
        named[_NAMES.get(key, name.replace("_", " "))] = value_in_words(value)
    return named


def recipe_in_words(settings: SearchSettings) -> dict[str, str]:
    """The training recipe by readable names."""
    recipe = settings.recipe.to_dict()
    return {_RECIPE.get(name, name.replace("_", " ")): value_in_words(value) for name, value in recipe.items()}


def value_in_words(value: Any) -> str:
    """A setting as text: None is what the architecture or the data set says."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "own"
    return f"{value:,}" if isinstance(value, int) else str(value)
