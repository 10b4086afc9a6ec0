"""What a network is: all but its weights."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.checks import short
from tart_nas.errors import ArchitectureError
from tart_nas.networks.network import build_network

__all__ = ["FORMAT", "NetworkBuilder", "NetworkDescription"]

FORMAT = "tart-nas network 1"
"""Of :meth:`NetworkDescription.to_dict`."""


class NetworkBuilder(Protocol):
    """What builds networks of a user's own space, such as :class:`tart_nas.search_spaces.TrialSpace`."""

    def network_from(self, candidate: Mapping[str, Any], /) -> nn.Module:
        """The network of a candidate that a file describes."""


@dataclass(frozen=True)
class NetworkDescription:
    """What a network is: all but its weights.

    Args:
        architecture: None for a model of torchvision.
        model: the name of torchvision's model, None for an architecture.
        num_classes: number of logits.
        image_size: height and width of the images it takes, in pixels.
        track_running_stats: of the batch normalisation of an architecture, see :func:`build_network`.
        about: what else is known of it (mean and deviation of the images it was trained on, its accuracy, ...), JSON.
        trial: the candidate of a user's own space (:meth:`tart_nas.search_spaces.TrialArchitecture.to_dict`), where it
            is one; ``architecture`` and ``model`` are then None.
    """

    architecture: Architecture | None
    model: str | None
    num_classes: int
    image_size: int
    track_running_stats: bool = True
    about: Mapping[str, Any] = field(default_factory=dict)
    trial: Mapping[str, Any] | None = None

    @property
    def full_size(self) -> Architecture | None:
        """The architecture at its own size, where a search trained it smaller than that."""
        values = self.about.get("full_size_architecture")
        return self.architecture if values is None else Architecture.from_dict(values)

    def build(self, auxiliary: bool = False, space: NetworkBuilder | None = None) -> nn.Module:
        """The network with PyTorch's initialisation.

        Args:
            auxiliary: whether an architecture gets the auxiliary head of DARTS.
            space: what builds a candidate of a user's own space. What a file names is not run unasked.

        Raises:
            TartError: if the architecture has no such network.
        """
        if self.architecture is not None:
            return build_network(
                self.architecture,
                self.num_classes,
                self.image_size,
                auxiliary=auxiliary,
                track_running_stats=self.track_running_stats,
            )
        if self.trial is not None:
            if space is None:
                name = self.trial.get("space")
                raise ArchitectureError(
                    f"The network is built by {short(name)}: give `space`, such as TrialSpace({name!r}). What a file "
                    "names is not run unasked."
                )
            return space.network_from(self.trial)
        from torchvision import models  # here, since importing torchvision takes seconds

        # Of models for detection and segmentation torchvision downloads a part, which reading a file must not do.
        if self.model not in models.list_models(models):
            raise ArchitectureError(f"{short(self.model)} is no classification model of torchvision.")
        module: nn.Module = models.get_model(self.model, weights=None, num_classes=self.num_classes)
        return module

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON values."""
        architecture = None if self.architecture is None else self.architecture.to_dict()
        return {
            "format": FORMAT,
            "architecture": architecture,
            "model": self.model,
            "num_classes": self.num_classes,
            "image_size": self.image_size,
            "track_running_stats": self.track_running_stats,
            "about": dict(self.about),
            # Only where there is one: descriptions of others stay as they were.
            **({} if self.trial is None else {"trial": dict(self.trial)}),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "NetworkDescription":
        """Reads what :meth:`to_dict` gives.

        Raises:
            ValueError: if the values are of no network; or ``KeyError``, ``TypeError``.
        """
        architecture, trial = values["architecture"], values.get("trial")
        if trial is not None and not isinstance(trial, Mapping):
            raise TypeError("a candidate that is no object")
        return cls(
            architecture=None if architecture is None else Architecture.from_dict(architecture),
            model=values["model"],
            num_classes=values["num_classes"],
            image_size=values["image_size"],
            track_running_stats=values["track_running_stats"],
            about=values["about"],
            trial=trial,
        )
