"""A trained network as a folder: ``network.json``, which says what it is, and ``weights.safetensors``.

::

    from tart_nas.networks import load

    network = load("runs/retrain")
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.errors import CheckpointError, TartError
from tart_nas.files import replacing
from tart_nas.networks.network import build_network

__all__ = ["NetworkDescription", "describe", "load", "save"]

_FORMAT = "tart-nas network 1"
_DESCRIPTION, _WEIGHTS = "network.json", "weights.safetensors"
_AUXILIARY = "auxiliary_head."  # of training only


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
    """

    architecture: Architecture | None
    model: str | None
    num_classes: int
    image_size: int
    track_running_stats: bool = True
    about: Mapping[str, Any] = field(default_factory=dict)

    def build(self, auxiliary: bool = False) -> nn.Module:
        """The network with PyTorch's initialisation.

        Args:
            auxiliary: whether an architecture gets the auxiliary head of DARTS.

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
        from torchvision.models import get_model  # here, since importing torchvision takes seconds

        module: nn.Module = get_model(self.model, weights=None, num_classes=self.num_classes)
        return module

    def to_dict(self) -> dict[str, Any]:
        """The description as JSON values."""
        architecture = None if self.architecture is None else self.architecture.to_dict()
        return {
            "format": _FORMAT,
            "architecture": architecture,
            "model": self.model,
            "num_classes": self.num_classes,
            "image_size": self.image_size,
            "track_running_stats": self.track_running_stats,
            "about": dict(self.about),
        }


def save(network: nn.Module, description: NetworkDescription, folder: Path | str) -> None:
    """Writes a network into a folder, without its auxiliary head; each file is there whole or not at all.

    Args:
        network: that the description builds.
        description: what it is.
        folder: made if it is missing.
    """
    folder = Path(folder)
    weights = {
        name: tensor.detach().cpu().contiguous()
        for name, tensor in network.state_dict().items()
        if not name.startswith(_AUXILIARY)
    }
    with replacing(folder / _WEIGHTS) as temporary:
        save_file(weights, temporary)
    with replacing(folder / _DESCRIPTION) as temporary:
        temporary.write_text(json.dumps(description.to_dict(), indent=1, allow_nan=False) + "\n")


def describe(folder: Path | str) -> NetworkDescription:
    """Reads what a network in a folder is.

    Raises:
        CheckpointError: if the folder holds no network.
    """
    path = Path(folder) / _DESCRIPTION
    try:
        values = json.loads(path.read_text())
        if values["format"] != _FORMAT:
            raise CheckpointError(f"{path} is of the format {values['format']!r}, expected {_FORMAT!r}.")
        architecture = values["architecture"]
        return NetworkDescription(
            architecture=None if architecture is None else Architecture.from_dict(architecture),
            model=values["model"],
            num_classes=values["num_classes"],
            image_size=values["image_size"],
            track_running_stats=values["track_running_stats"],
            about=values["about"],
        )
    except FileNotFoundError:
        raise CheckpointError(f"{folder} holds no trained network: there is no {_DESCRIPTION}.") from None
    except CheckpointError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path} does not describe a network: {error}.") from None


def load(folder: Path | str, device: torch.device | str = "cpu") -> nn.Module:
    """Reads a trained network from a folder that :func:`save` or ``tart-nas retrain`` wrote.

    Args:
        folder: where it is.
        device: where it is put.

    Returns:
        The network in evaluation mode. It maps normalised images (B, 3, image_size, image_size) to logits
        (B, num_classes); ``describe(folder).about`` has the mean and the deviation to normalise by.

    Raises:
        CheckpointError: if the folder holds no network, or its files do not belong together.
    """
    description = describe(folder)
    path = Path(folder) / _WEIGHTS
    try:
        network = description.build()
        network.load_state_dict(load_file(path))
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, TartError) as error:
        raise CheckpointError(f"{path} does not hold the weights of the network: {error}.") from None
    return network.to(device).eval()
