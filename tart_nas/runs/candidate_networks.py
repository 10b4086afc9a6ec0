"""The network of a candidate, which is made of cells or built by a user's own function."""

import torch
from torch import nn

from tart_nas.errors import RunFolderError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.images import ImageData
from tart_nas.networks import build_network, parameter_count
from tart_nas.runs.settings import SearchSettings
from tart_nas.search_spaces import TrialArchitecture, TrialSpace
from tart_nas.search_spaces.trial_architecture import AnyArchitecture

__all__ = [
    "candidate_network",
    "check_importable",
    "check_own_space",
    "joined_space",
    "multiply_accumulates",
    "parameters",
]


def candidate_network(
    architecture: AnyArchitecture, images: ImageData, space: TrialSpace | None, auxiliary: bool
) -> nn.Module:
    """The network as it is trained on the images.

    Args:
        architecture: at its size in training.
        images: what it is trained on.
        space: what builds it, where its candidates are of a user's own space.
        auxiliary: whether a network of cells gets the auxiliary head of DARTS.

    Raises:
        TartError: if it cannot be built.
    """
    if isinstance(architecture, TrialArchitecture):
        if space is None:
            raise RunFolderError(
                f"The network {architecture} is built by {architecture.space}: give `space`, such as "
                f"TrialSpace({architecture.space!r}). What a file names is not run unasked."
            )
        return space.network(architecture)
    return build_network(architecture, len(images.classes), images.image_size, auxiliary=auxiliary)


def parameters(architecture: AnyArchitecture, images: ImageData) -> int:
    """Number of parameters of the network as it is trained; of a user's own, of those that influence the output."""
    if isinstance(architecture, TrialArchitecture):
        return architecture.graph.num_parameters
    return parameter_count(architecture, len(images.classes), images.image_size)


def multiply_accumulates(architecture: AnyArchitecture, images: ImageData) -> int | None:
    """Of the network as it is trained, for one image; None of a user's own that was traced at another size."""
    if isinstance(architecture, TrialArchitecture):
        same = architecture.input_size[1:] == (images.image_size, images.image_size)
        return architecture.graph.macs if same else None
    return int(ComputationalGraph.from_architecture(architecture, len(images.classes), images.image_size).macs)


def check_own_space(
    space: TrialSpace, settings: SearchSettings, candidate: TrialArchitecture, images: ImageData
) -> None:
    """Makes sure that networks of a user's own space can be trained on the images as the settings say.

    Raises:
        SettingError: if not.
    """
    if settings.min_distance > 1:
        raise SettingError(f"`min_distance` counts edges of cells, which networks of {space.build} do not have.")
    if settings.recipe.auxiliary > 0:
        raise SettingError(f"`recipe` has an auxiliary head, which networks of {space.build} do not have.")
    size = images.image_size
    try:
        with torch.device("meta"), torch.inference_mode():
            output = space.network(candidate).eval()(torch.empty(2, 3, size, size))
    except (RuntimeError, ValueError, TypeError) as error:
        if isinstance(error, SettingError):
            raise
        raise SettingError(
            f"Networks of {space.build} do not take images of 3x{size}x{size}, on which they are to be trained: "
            f"{' '.join(str(error).split())}"
        ) from None
    shape = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if shape != (2, len(images.classes)):
        raise SettingError(
            f"A network of {space.build} must give logits of shape (2, {len(images.classes)}) for 2 images of "
            f"{settings.dataset}, which has {len(images.classes)} classes, but gives {shape}."
        )


def check_importable(space: TrialSpace) -> None:
    """Makes sure that other processes can import the function of a space.

    Raises:
        SettingError: if not.
    """
    if space.build.startswith("__main__:") or not space.is_importable():
        raise SettingError(
            f"Other processes train too, and cannot import {space.build}: put the function into a module, and give "
            "the space as TrialSpace('module:function')."
        )


def joined_space(space: TrialSpace | str | None, settings: SearchSettings) -> TrialSpace | None:
    """The space of a process that joins a run.

    Args:
        space: what the process was given: a space or the name of its function.
        settings: of the run.

    Raises:
        RunFolderError: if the run has a space of a user's own and none was given.
        SettingError: if there is no such function.
    """
    known = settings.space
    if space is None and known.get("name") == TrialSpace.name:
        raise RunFolderError(
            f"The networks of this run are built by {known['build']}: give `space`, such as {known['build']!r}. What a "
            "file names is not run unasked."
        )
    return TrialSpace(space, known.get("input_size", 32)) if isinstance(space, str) else space
