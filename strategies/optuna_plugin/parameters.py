"""Architectures as the parameters of an Optuna trial, and back.

The parameters alone are enough to rebuild the architecture, from any trial of any storage.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from optuna import TrialPruned
from optuna.pruners import BasePruner, PatientPruner
from optuna.trial import BaseTrial, FrozenTrial

from tart_nas.architecture import Architecture
from tart_nas.checks import short
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.search_spaces import Parameters, Suggester, TrialArchitecture
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.trials.optuna_internals import wrapped_pruner

__all__ = [
    "PRUNED_BECAUSE",
    "SETTINGS",
    "SuggestibleSpace",
    "architecture_of",
    "architecture_parameters",
    "checked_space",
    "macro_settings",
    "prefixed",
    "refuse_patience",
    "settings_attribute",
    "suggest_architecture",
]

PRUNED_BECAUSE = "pruned_because"
"""The user attribute of a pruned trial that tells why."""

SETTINGS = "architecture_settings"
"""The user attribute of a trial that holds the macro settings of its architecture, which its parameters do not tell."""


_Candidate = TypeVar("_Candidate", bound=AnyArchitecture, covariant=True)


class SpaceOf(Protocol[_Candidate]):
    """A search space with parameters whose candidates are of one type."""

    def suggest(self, suggester: Suggester, /) -> _Candidate:
        """Makes a candidate of parameters that it asks the suggester for.

        Raises:
            ArchitectureError: if they make none that the space contains.
        """

    def parameters(self, architecture: Any, /) -> dict[str, Any]:
        """The parameters that make the candidate."""


SuggestibleSpace = SpaceOf[Any]
"""A search space with parameters, such as :class:`tart_nas.search_spaces.DartsSpace`; yours may be another."""


def suggest_architecture(trial: BaseTrial, space: SpaceOf[_Candidate], *, prefix: str = "") -> _Candidate:
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
        space: where from. Of a :class:`tart_nas.search_spaces.TrialSpace` the candidate is a ``TrialArchitecture``, of
            spaces of cells an ``Architecture``.
        prefix: before the name of each parameter. It keeps two architectures of one trial apart, and the space's names
            (``n_cells``) from others of yours. Asked for twice with the same prefix, a trial has the same architecture
            twice, as ``suggest_float`` gives the same number.

    Raises:
        SettingError: if the space has no parameters, or if the study's pruner is a ``PatientPruner`` around ours, which
            would not ask it before the training.
        optuna.TrialPruned: if the space contains no network of these parameters (in :class:`DeepNets1MSpace`, whose
            sampling rules reject some); the user attribute ``pruned_because`` tells why.
    """
    space = prefixed(checked_space(space), prefix)
    study = getattr(trial, "study", None)
    if study is not None:
        refuse_patience(study.pruner)
    try:
        architecture: _Candidate = space.suggest(_LegalSuggester(trial))
    except ArchitectureError as error:
        trial.set_user_attr(PRUNED_BECAUSE, str(error))
        raise TrialPruned(str(error)) from None
    attribute = settings_attribute(space)
    if not isinstance(trial, FrozenTrial) and attribute not in trial.user_attrs:
        trial.set_user_attr(attribute, macro_settings(architecture))
    return architecture


def refuse_patience(pruner: BasePruner) -> None:
    """Raises if a study's pruner is a ``PatientPruner`` around one of ours.

    Raises:
        SettingError: if it is.
    """
    inner = wrapped_pruner(pruner) if isinstance(pruner, PatientPruner) else None
    if hasattr(inner, "gate"):
        name = type(inner).__name__
        raise SettingError(
            f"A PatientPruner around {name} would let every trial train, since it asks {name} only after some reports: "
            f"put it inside, as `inner` of TartPruner."
        )


def macro_settings(architecture: Architecture | TrialArchitecture) -> dict[str, Any]:
    """All of an architecture but its genotype, as JSON values; of a network of a user's own, what built it."""
    if isinstance(architecture, TrialArchitecture):
        return {"space": architecture.space}
    settings = architecture.to_dict()
    del settings["genotype"]
    return settings


def architecture_of(
    trial: BaseTrial | FrozenTrial | Mapping[str, Any], space: SpaceOf[_Candidate], *, prefix: str = ""
) -> _Candidate:
    """Rebuilds the architecture of a trial from its parameters.

    Args:
        trial: one that :func:`suggest_architecture` was given, or its parameters. They may have been through a data
            frame, which makes numpy's numbers and whole floats of them.
        space: the same space.
        prefix: the same prefix; ``"params_"`` reads a row of ``study.trials_dataframe()`` that was made a dict.

    Raises:
        SettingError: if the parameters are not those of the space, or some are not suggested yet.
        ArchitectureError: if they make no network of the space.
    """
    made: _Candidate = prefixed(checked_space(space), prefix).suggest(
        Parameters(trial if isinstance(trial, Mapping) else trial.params)
    )
    return made


def architecture_parameters(
    architecture: AnyArchitecture, space: SuggestibleSpace, *, prefix: str = ""
) -> dict[str, Any]:
    """The parameters of an architecture, for ``study.enqueue_trial``.

    Args:
        architecture: one of the space.
        space: as given to :func:`suggest_architecture`.
        prefix: likewise.

    Returns:
        What :func:`architecture_of` makes the same network from, up to the order of a node's two operations.

    Raises:
        SettingError: if the space does not contain the architecture.
    """
    return prefixed(checked_space(space), prefix).parameters(architecture)


def checked_space(space: SuggestibleSpace) -> SuggestibleSpace:
    """The space.

    Raises:
        SettingError: if it has no parameters.
    """
    if isinstance(space, type):
        raise SettingError(f"`space` must be an object such as DartsSpace(), but got the class {space.__name__}.")
    if not hasattr(space, "suggest") or not hasattr(space, "parameters"):
        raise SettingError(f"{space!r} has no parameters to suggest: expected a space such as DartsSpace().")
    return space


def prefixed(space: SuggestibleSpace, prefix: str) -> SuggestibleSpace:
    """The space, its parameters' names with a prefix; all else of it as it is.

    Raises:
        SettingError: if the prefix is no string.
    """
    if not isinstance(prefix, str):
        raise SettingError(f"`prefix` must be a string, but got {short(prefix)}.")
    return _PrefixedSpace(space, prefix) if prefix else space


def settings_attribute(space: SuggestibleSpace | None) -> str:
    """The user attribute that holds the macro settings of an architecture of the space."""
    return f"{space.prefix if isinstance(space, _PrefixedSpace) else ''}{SETTINGS}"


class _PrefixedSpace:
    def __init__(self, space: SuggestibleSpace, prefix: str) -> None:
        self.space, self.prefix = space, prefix

    def __getattr__(self, name: str) -> Any:
        if name == "space" or name.startswith("__"):  # while it is unpickled
            raise AttributeError(name)
        return getattr(self.space, name)

    def __repr__(self) -> str:
        return f"{self.space!r} with the prefix {self.prefix!r}"

    def suggest(self, suggester: Suggester, /) -> Any:
        return self.space.suggest(_PrefixedSuggester(suggester, self.prefix))

    def parameters(self, architecture: AnyArchitecture, /) -> dict[str, Any]:
        return {f"{self.prefix}{name}": value for name, value in self.space.parameters(architecture).items()}


class _PrefixedSuggester:
    def __init__(self, suggester: Suggester, prefix: str) -> None:
        self._suggester, self._prefix = suggester, prefix

    def suggest_categorical(self, name: str, choices: Sequence[Any], /) -> Any:
        return self._suggester.suggest_categorical(f"{self._prefix}{name}", choices)

    def suggest_int(self, name: str, low: int, high: int, /, **how: Any) -> int:
        return self._suggester.suggest_int(f"{self._prefix}{name}", low, high, **how)

    def suggest_float(self, name: str, low: float, high: float, /, **how: Any) -> float:
        return self._suggester.suggest_float(f"{self._prefix}{name}", low, high, **how)


class _LegalSuggester:
    """A trial whose values are those of the distributions: enqueued ones may be numpy's numbers, or whole floats."""

    def __init__(self, trial: BaseTrial) -> None:
        self._trial = trial

    def __getattr__(self, name: str) -> Any:  # a user's space may ask for more than the protocol has
        return getattr(self._trial, name)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        value = self._trial.suggest_categorical(name, choices)
        return next((choice for choice in choices if choice == value), value)

    def suggest_int(self, name: str, low: int, high: int, **how: Any) -> int:
        return int(self._trial.suggest_int(name, low, high, **how))

    def suggest_float(self, name: str, low: float, high: float, **how: Any) -> float:
        return float(self._trial.suggest_float(name, low, high, **how))
