"""Architectures as the parameters of an Optuna trial, and back.

The parameters alone are enough to rebuild the architecture, from any trial of any storage.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from optuna import TrialPruned
from optuna.trial import BaseTrial, FrozenTrial

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.search_spaces import Parameters, Suggester

__all__ = [
    "PRUNED_BECAUSE",
    "SETTINGS",
    "SuggestibleSpace",
    "architecture_of",
    "architecture_parameters",
    "checked_space",
    "macro_settings",
    "suggest_architecture",
]

PRUNED_BECAUSE = "pruned_because"
"""The user attribute of a pruned trial that tells why."""

SETTINGS = "architecture_settings"
"""The user attribute of a trial that holds the macro settings of its architecture, which its parameters do not tell."""


class SuggestibleSpace(Protocol):
    """A search space with parameters, such as :class:`tart_nas.search_spaces.DartsSpace`; yours may be another."""

    def suggest(self, suggester: Suggester, /) -> Architecture:
        """Makes an architecture of parameters that it asks the suggester for.

        Raises:
            ArchitectureError: if they make none that the space contains.
        """

    def parameters(self, architecture: Architecture, /) -> dict[str, Any]:
        """The parameters that make the architecture."""


def suggest_architecture(trial: BaseTrial, space: SuggestibleSpace) -> Architecture:
    """Suggests an architecture of a space, parameter by parameter, as ``trial.suggest_float`` does a number.

    Its macro settings are kept with the trial: what was trained with 16 channels says nothing of networks with 32, when
    a study is continued in such a space.

    Example:
        >>> import optuna
        >>> from tart_nas.search_spaces import DartsSpace
        >>> study = optuna.create_study(direction="maximize")
        >>> suggest_architecture(study.ask(), DartsSpace()).n_cells
        8

    Args:
        trial: of a study, whose sampler chooses. Other parameters may be suggested beside these.
        space: where from.

    Raises:
        optuna.TrialPruned: if the space contains no network of these parameters (in :class:`DeepNets1MSpace`, whose
            sampling rules reject some); the user attribute ``pruned_because`` tells why.
    """
    checked_space(space)
    try:
        architecture = space.suggest(trial)
    except ArchitectureError as error:
        trial.set_user_attr(PRUNED_BECAUSE, str(error))
        raise TrialPruned(str(error)) from None
    if not isinstance(trial, FrozenTrial) and SETTINGS not in trial.user_attrs:
        trial.set_user_attr(SETTINGS, macro_settings(architecture))
    return architecture


def macro_settings(architecture: Architecture) -> dict[str, Any]:
    """All of an architecture but its genotype, as JSON values."""
    settings = architecture.to_dict()
    del settings["genotype"]
    return settings


def architecture_of(trial: BaseTrial | FrozenTrial | Mapping[str, Any], space: SuggestibleSpace) -> Architecture:
    """Rebuilds the architecture of a trial from its parameters.

    Args:
        trial: one that :func:`suggest_architecture` was given, or its parameters.
        space: the same space.

    Raises:
        SettingError: if the parameters are not those of the space, or some are not suggested yet.
        ArchitectureError: if they make no network of the space.
    """
    checked_space(space)
    return space.suggest(Parameters(trial if isinstance(trial, Mapping) else trial.params))


def architecture_parameters(architecture: Architecture, space: SuggestibleSpace) -> dict[str, Any]:
    """The parameters of an architecture, for ``study.enqueue_trial``.

    Returns:
        What :func:`architecture_of` makes the same network from, up to the order of a node's two operations.

    Raises:
        SettingError: if the space does not contain the architecture.
    """
    checked_space(space)
    return space.parameters(architecture)


def checked_space(space: SuggestibleSpace) -> SuggestibleSpace:
    """The space.

    Raises:
        SettingError: if it has no parameters.
    """
    if not hasattr(space, "suggest") or not hasattr(space, "parameters"):
        raise SettingError(f"{space!r} has no parameters to suggest: expected a space such as DartsSpace().")
    return space
