"""Everything that decides what a network's measurement gives, but the network."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from tart_nas.architecture import Architecture
from tart_nas.checks import number, one_of, whole
from tart_nas.choices import DEFAULT_DATASET
from tart_nas.errors import SettingError
from tart_nas.training import TrainingRecipe

__all__ = ["MeasuringSettings"]

# The settings that may be None, and the smallest number that each may be else.
_LEAST = {"n_cells": 1, "C": 1, "image_size": 1, "train_images": 1, "validation_images": 1, "test_images": 1}


@dataclass(frozen=True)
class MeasuringSettings:
    """How networks are shrunk, trained and measured; None keeps what the architecture or the data set says.

    The split of the images does not depend on the seed: labels of two seeds are of the same images.

    Args:
        dataset: the images, a name that :func:`tart_nas.images.load_images` knows.
        recipe: how networks are trained.
        n_cells: cells of the trained networks, at least 1.
        C: channels of their first cells, at least 1.
        image_size: height and width to which images are reduced, in pixels, at least 1.
        train_images: how many images are trained on.
        validation_images: how many are validated on.
        test_images: how many are tested on.
        noise: standard deviation of the Gaussian noise for the noisy accuracies, on images in [0, 1]; at least 0.
        timing_batch: images at once when the inference time is measured, at least 1.
        threads: of the CPU, in training and measuring, at least 1.
        track_running_stats: whether batch normalisation keeps running statistics, as in DARTS, or always takes those of
            the batch, as in DeepNets-1M, which takes longer. Of networks that are made of cells. None keeps them where
            the latency alone is measured, as the network has it in use and where a search times it, else it does not;
            afterwards it is a flag.
        only: ``"latency"`` measures the inference time alone, of untrained networks and without images; None measures
            everything.
        seed: of the initial weights, the order of the images and their augmentation, at least 0.

    Raises:
        SettingError: if a value is outside its range.
    """

    dataset: str = DEFAULT_DATASET
    recipe: TrainingRecipe = field(default_factory=TrainingRecipe)
    n_cells: int | None = None
    C: int | None = None
    image_size: int | None = None
    train_images: int | None = None
    validation_images: int | None = None
    test_images: int | None = None
    # That of DeepNets-1M's own noisy accuracies on CIFAR-10.
    noise: float = 0.08
    timing_batch: int = 64
    threads: int = 1
    track_running_stats: bool | None = None
    seed: int = 0
    only: str | None = None

    def __post_init__(self) -> None:
        for name, least in {**_LEAST, "timing_batch": 1, "threads": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is None and name in _LEAST:
                continue
            object.__setattr__(self, name, whole(name, value, least))  # as JSON can hold it
        number("noise", self.noise, 0)
        if self.only is not None:
            one_of("only", self.only, ("latency",))
        if self.track_running_stats is None:
            object.__setattr__(self, "track_running_stats", self.only == "latency")

    def shrunk(self, architecture: Architecture) -> Architecture:
        """The architecture as it is trained."""
        return architecture.resized(self.n_cells, self.C)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        values = asdict(self)
        # Only where it is asked for: files of labels of everything stay as they were.
        return values if self.only else {name: value for name, value in values.items() if name != "only"}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "MeasuringSettings":
        """Reads what :meth:`to_dict` gives.

        Raises:
            SettingError: if it is something else.
        """
        unknown = [name for name in data if name not in {f.name for f in fields(cls)}]
        if unknown or not isinstance(data.get("recipe"), Mapping):
            raise SettingError(f"Not the settings of a measurement: {unknown[0] if unknown else 'no recipe'}.")
        return cls(**{**data, "recipe": TrainingRecipe.from_dict(data["recipe"])})
