"""What is known before a study begins: measured architectures as finished trials of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import optuna
from optuna.distributions import BaseDistribution

from tart_nas.architecture import Architecture
from tart_nas.checks import number, short
from tart_nas.errors import SettingError
from tart_nas.strategies.optuna_plugin.candidates import with_parameters
from tart_nas.strategies.optuna_plugin.parameters import (
    SuggestibleSpace,
    checked_space,
    macro_settings,
    prefixed,
    settings_attribute,
)
from tart_nas.strategies.optuna_plugin.sampler import TartSampler

__all__ = ["add_architecture", "architecture_distributions"]

_PROBES = 20  # architectures of a space; of DeepNets-1M's, two have the same parameters in one of some hundred cases


def architecture_distributions(
    space: SuggestibleSpace, architecture: Architecture | None = None, *, prefix: str = ""
) -> dict[str, BaseDistribution]:
    """Optuna's distributions of the parameters of a space, for ``study.ask`` and ``optuna.create_trial``.

    Example:
        >>> from tart_nas.search_spaces import DartsSpace
        >>> len(architecture_distributions(DartsSpace()))
        22

    Args:
        space: as given to :func:`suggest_architecture`.
        architecture: one of the space whose parameters these are. It is needed where architectures of the space differ
            in their parameters, as in :class:`~tart_nas.search_spaces.DeepNets1MSpace`.
        prefix: as given to :func:`suggest_architecture`.

    Raises:
        SettingError: if the space has no parameters or does not contain the architecture, or if one is needed.
    """
    named: Any = prefixed(checked_space(space), prefix)
    if architecture is not None:
        return dict(with_parameters(architecture, named).distributions)
    if not hasattr(named, "sample"):
        raise SettingError(f"{space!r} cannot be sampled: give `architecture`, one of the space.")
    first, *others = [dict(with_parameters(sample, named).distributions) for sample in named.sample(_PROBES, 0)]
    if any(other != first for other in others):
        raise SettingError(
            f"The parameters of {space!r} depend on each other: give `architecture`, the one whose parameters you need."
        )
    return first


def add_architecture(
    study: optuna.Study,
    architecture: Architecture,
    value: float | Sequence[float] | npt.NDArray[np.floating],
    *,
    space: SuggestibleSpace | None = None,
    prefix: str = "",
) -> None:
    """Adds a measured architecture to a study as a finished trial, from which its sampler learns (warm start).

    Example:
        >>> study = optuna.create_study(direction="maximize", sampler=TartSampler(space=DartsSpace()))
        >>> for architecture, accuracy in zip(architectures, accuracies):
        ...     add_architecture(study, architecture, accuracy)

    Args:
        study: to add to. Its storage keeps the trial.
        architecture: one of the space.
        value: what the objective would return for it, in its unit and direction; of several objectives, all values.
        space: as given to :func:`suggest_architecture`; by default that of the study's :class:`TartSampler`.
        prefix: as given to :func:`suggest_architecture`, together with the space.

    Raises:
        SettingError: if no space is given and the sampler has none, if the space does not contain the architecture, or
            if there is not one finite number for each objective.
    """
    if space is None:
        space = study.sampler.space if isinstance(study.sampler, TartSampler) else None
        if space is None:
            raise SettingError(
                "Give `space`, such as DartsSpace(): the study's sampler is no TartSampler with a space."
            )
        prefix = ""  # which that space has already
    space = prefixed(checked_space(space), prefix)
    values = np.atleast_1d(np.asarray(value, dtype=object)).tolist()
    if len(values) != len(study.directions):
        raise SettingError(f"`value` must be one number for each of {len(study.directions)} objectives, got {values}.")
    values = [number("value", each) for each in values]
    added = with_parameters(architecture, space)
    if (
        isinstance(architecture, Architecture)
        and isinstance(added.architecture, Architecture)
        and replace(architecture, genotype=added.architecture.genotype) != added.architecture
    ):
        given, made = (short(macro_settings(a)) for a in (architecture, added.architecture))
        raise SettingError(
            f"{space!r} makes the cells with other settings than the architecture's: {made}, not {given}."
        )
    attributes: dict[str, Any] = {settings_attribute(space): macro_settings(architecture)}
    study.add_trial(
        optuna.create_trial(
            params=dict(added.values), distributions=dict(added.distributions), values=values, user_attrs=attributes
        )
    )
