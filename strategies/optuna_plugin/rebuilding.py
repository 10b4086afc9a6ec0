"""Architectures of a study's trials, rebuilt from their parameters."""

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import FixedTrial, FrozenTrial

from tart_nas.architecture import Architecture
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.search_spaces import Parameters, TrialArchitecture
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies.optuna_plugin.judging import ToArchitecture
from tart_nas.strategies.optuna_plugin.parameters import SuggestibleSpace, macro_settings, settings_attribute

__all__ = ["Rebuilder"]


class Rebuilder:
    """Makes the architecture of a trial again, by the space or by the user's own function.

    Args:
        to_architecture: makes an architecture of a trial.
        space: of the architectures, where there is one.
    """

    def __init__(self, to_architecture: ToArchitecture, space: SuggestibleSpace | None) -> None:
        self._to_architecture, self._space = to_architecture, space
        self._last: tuple[int, Collection[str]] = (-1, ())

    def __call__(self, trial: FrozenTrial) -> Architecture:
        """The architecture of a trial.

        Raises:
            SettingError: if the trial has not all parameters of an architecture, or if its network had other macro
                settings, such as channels: its label says nothing of the networks of this space.
            ArchitectureError: if the parameters make no network.
        """
        architecture, own = self._made(trial)
        self._last = trial.number, set(own)
        settings = trial.user_attrs.get(settings_attribute(self._space))
        if settings is not None and not _has_settings(architecture, settings):
            raise SettingError(f"Trial {trial.number} had an architecture with other settings: {settings}.")
        return architecture

    def others(self, trial: FrozenTrial) -> dict[str, tuple[BaseDistribution, Any]]:
        """The parameters of a trial beside its architecture's: distributions and values by name."""
        # That of the architecture asked for last is known: to make each again would double what a long study costs.
        own = self._last[1] if self._last[0] == trial.number else self._made(trial)[1].keys()
        names = [name for name in trial.params if name not in own]
        return {name: (trial.distributions[name], trial.params[name]) for name in names}

    def is_enqueued(self, trial: FrozenTrial) -> bool:
        """Whether all parameters of the trial's architecture were given by ``study.enqueue_trial``.

        Raises:
            SettingError: if the trial has not all parameters of an architecture.
        """
        given = trial.system_attrs.get("fixed_params", {})
        return bool(given) and self._made(trial)[1].keys() <= given.keys()

    def _made(self, trial: FrozenTrial) -> tuple[Architecture, Mapping[str, Any]]:
        """The architecture and its own parameters, without others of the trial."""
        if self._space is not None:
            known = Parameters(trial.params)
            return self._space.suggest(known), known.asked
        # A stand-in, since what a user's function does to its trial must not reach the storage's own object.
        stand_in = FixedTrial(trial.params, trial.number)
        try:
            return self._to_architecture(stand_in), stand_in.params
        except (KeyError, ValueError) as error:  # what FixedTrial raises for a parameter that it does not have
            there = ", ".join(list(trial.params)[:5]) or "none at all"
            raise SettingError(
                f"Trial {trial.number} has no architecture yet ({error}): suggest its parameters before asking "
                f"whether it is to be pruned; the parameters are {there}."
            ) from error


def _has_settings(architecture: AnyArchitecture, settings: Mapping[str, Any]) -> bool:
    """Whether the network has the macro settings; those without effect on it do not count."""
    if isinstance(architecture, TrialArchitecture):
        return bool(settings == macro_settings(architecture))
    known = {field.name for field in fields(Architecture)} & settings.keys()  # another version may have others
    try:
        return replace(architecture, **{name: settings[name] for name in known}) == architecture
    except ArchitectureError:
        return False
