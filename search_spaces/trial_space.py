"""Search spaces of users' own: whatever networks a function ``build(trial)`` makes of Optuna's suggestions."""

import json
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral
from threading import RLock
from typing import Any

import numpy as np
import torch
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from torch import nn

from tart_nas.checks import short, whole
from tart_nas.errors import ArchitectureError, SettingError, TartError
from tart_nas.graphs import ComputationalGraph
from tart_nas.graphs.module_graph import ModuleRun
from tart_nas.search_spaces.parameters import Parameters, Suggester
from tart_nas.search_spaces.random_values import drawn, drawn_other, exact
from tart_nas.search_spaces.trial_architecture import TrialArchitecture
from tart_nas.search_spaces.trial_building import Build, build_name, built, imported_build, traced
from tart_nas.trials import Choose
from tart_nas.trials.optuna_internals import contains

__all__ = ["TrialSpace"]

_log = logging.getLogger(__name__)

_HOPELESS = 50  # draws of which the build makes no network at all: it is the build that is wrong
_BARREN = 200  # draws in a row, and twice as many as networks were found, without a new one: no more are there
_CHECKED = 3  # networks that are built twice, to see whether all that varies is suggested
_KEPT = 4096  # candidates that are not traced again, some 20 kB each
_AGAIN = 0.25  # probability of one more change in a mutation: neighbours are near, and none is out of reach


class TrialSpace:
    """The networks that a function makes of the suggestions of a trial, which may depend on each other.

    Example:
        >>> def build(trial):
        ...     width = trial.suggest_int("width", 8, 64, log=True)
        ...     layers = [nn.Conv2d(3, width, 3, padding=1), nn.ReLU()]
        ...     for i in range(trial.suggest_int("depth", 1, 4)):
        ...         kernel = trial.suggest_categorical(f"kernel{i}", [3, 5])
        ...         layers += [nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.ReLU()]
        ...     return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))
        >>> space = TrialSpace(build, input_size=32)
        >>> len(space.sample(5, seed=0))
        5

    A candidate (:class:`TrialArchitecture`) holds the suggestions and the network's graph: it is built and traced
    without weights. Suggestions that make networks which compute the same are one candidate. What the function raises
    for is left out, and the log says so, once.

    Args:
        build: asks a trial for suggestions and returns a network, which maps images (B, channels, height, width) to
            logits. It must depend on nothing else. Or its name, ``"module:function"``, which is imported.
        input_size: of the images at which networks are traced: (channels, height, width), or a number for
            (3, number, number).

    Raises:
        SettingError: if there is no such function, or the size is none.
    """

    name = "trial"

    def __init__(self, build: Build | str, input_size: int | Sequence[int] = 32) -> None:
        if not isinstance(build, str) and not callable(build):
            raise SettingError(f"`build` must be a function of a trial, or its name, but got {short(build)}.")
        self._build = imported_build(build) if isinstance(build, str) else build
        self._label = build if isinstance(build, str) else build_name(build)
        size: Any = (3, input_size, input_size) if isinstance(input_size, Integral) else input_size
        if isinstance(size, str) or not isinstance(size, Iterable) or len(size := tuple(size)) != 3:
            raise SettingError(
                f"`input_size` must be a number or (channels, height, width), but got {short(input_size)}."
            )
        channels, height, width = (whole("input_size", number, 1) for number in size)
        self._size = (channels, height, width)
        self._kept: OrderedDict[str, TrialArchitecture] = OrderedDict()
        self._n_checked = 0
        self._has_told = False
        self._lock = RLock()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_kept")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self._kept, self._lock = OrderedDict(), RLock()

    def __repr__(self) -> str:
        return f"TrialSpace({self._label!r}, input_size={self._size})"

    @property
    def build(self) -> str:
        """The name of the function, ``"module:function"``."""
        return self._label

    @property
    def input_size(self) -> tuple[int, int, int]:
        """Channels, height and width of the images at which networks are traced."""
        return self._size

    @property
    def settings(self) -> dict[str, Any]:
        """The function's name and the input size; ``TrialSpace(**settings)`` is this space if it can be imported."""
        return {"build": self._label, "input_size": list(self._size)}

    # --- candidates

    def sample(self, n: int, seed: int) -> list[Any]:
        """Draws n candidates by random suggestions, no two of them the same network.

        Args:
            n: how many, at least 0; fewer come where many draws in a row give nothing new.
            seed: the same seed gives the same candidates.

        Raises:
            SettingError: if the function makes no network of 50 draws, with the first reason; or if it is not
                deterministic.
        """
        whole("n", n, 0)
        rng = np.random.default_rng(whole("seed", seed, 0))
        found: dict[str, TrialArchitecture] = {}
        refused: list[ArchitectureError] = []
        draws = barren = 0
        while len(found) < n and barren < max(_BARREN, 2 * len(found)):
            draws, barren = draws + 1, barren + 1
            try:
                architecture = self._made(lambda name, distribution: drawn(distribution, rng))
            except ArchitectureError as error:
                refused.append(error)
                if not found and len(refused) == _HOPELESS:
                    raise SettingError(f"{self._label} made no network of {draws} draws. {refused[0]}") from error
                continue
            if architecture.digest not in found:
                found[architecture.digest], barren = architecture, 0
        if refused and not self._has_told:
            self._has_told = True
            _log.warning(
                "%d of %d suggestions make no network of %s and are left out (others later, too). The first: %s",
                len(refused),
                draws,
                self._label,
                refused[0],
            )
        return list(found.values())

    def contains(self, architecture: object) -> bool:
        """Whether the function makes this network of these suggestions."""
        if not isinstance(architecture, TrialArchitecture) or architecture.space != self._label:
            return False
        try:
            known = self._kept.get(_key(architecture.values))
        except (TypeError, ValueError):  # no values by name, or such as no trial suggests
            return False
        if known is None:
            try:
                known = self.suggest(Parameters(architecture.values))
            except TartError:
                return False
        return bool(known == architecture)

    def canonical(self, architecture: Any) -> Any:
        """One form for all suggestions that make networks which compute the same."""
        form: TrialArchitecture = architecture.canonical()
        return form

    def mutate(self, architecture: Any, rng: np.random.Generator) -> Any:
        """Changes one suggestion, in a quarter of cases one more, and so on; those that then appear are drawn.

        Args:
            architecture: one of the space.
            rng: source of randomness.

        Returns:
            A candidate that is another network.

        Raises:
            SettingError: if the space does not contain the candidate, or no other was found.
        """
        if not self.contains(architecture):
            raise SettingError(f"{self!r} does not contain the architecture {architecture}.")
        values, names = architecture.values, list(architecture.values)
        for _ in range(_BARREN if names else 0):
            changed = {names[int(rng.integers(len(names)))]}
            while rng.random() < _AGAIN:
                changed.add(names[int(rng.integers(len(names)))])
            try:
                child = self._made(_changing(values, changed, rng))
            except ArchitectureError:
                continue
            if child.digest != architecture.digest:
                return child
        raise SettingError(f"{self!r} has no network near {architecture}: {_BARREN} changes of it gave none.")

    def suggest(self, suggester: Suggester) -> TrialArchitecture:
        """The candidate that the function makes of what it asks for.

        Args:
            suggester: an Optuna trial, or :class:`Parameters` with known values.

        Raises:
            ArchitectureError: if the function raises, or returns what is no network.
            SettingError: if known values lack one that it asks for.
        """
        return self._made(lambda name, distribution: _asked(suggester, name, distribution))

    def parameters(self, architecture: Any) -> dict[str, Any]:
        """The suggestions.

        Raises:
            SettingError: if the space does not contain the candidate.
        """
        if not self.contains(architecture):
            raise SettingError(f"{self!r} does not contain the architecture {architecture}.")
        return dict(architecture.values)

    # --- networks

    def network(self, architecture: TrialArchitecture) -> nn.Module:
        """Builds the network of a candidate, with the weights that the function gives it.

        They are drawn from torch's global random numbers, as those of any network: two calls give different ones, and
        the same ones after the same ``torch.manual_seed``.

        Raises:
            SettingError: if the function makes another network of these suggestions than it did, or asks for others.
            ArchitectureError: if it makes none.
        """
        choose = _known(architecture.values)
        trial, module = built(self._build, choose, on_meta=True)
        if traced(self._build, trial, module, architecture.input_size).digest != architecture.digest:
            raise SettingError(
                f"{self._label} makes another network of {architecture} than it did: it was changed, or is not "
                "deterministic."
            )
        # On the CPU, also where the network is built on another device. Numpy's seeds are below 2**32.
        seed = int(torch.randint(2**32, (), dtype=torch.int64, device="cpu"))
        return built(self._build, choose, on_meta=False, seed=seed)[1]

    def network_from(self, candidate: Mapping[str, Any]) -> nn.Module:
        """The network of a candidate that a file describes (:meth:`TrialArchitecture.to_dict`).

        Raises:
            TartError: as :meth:`network`, or if it describes none.
        """
        return self.network(TrialArchitecture.from_dict(candidate))

    def is_importable(self) -> bool:
        """Whether another process can import the function by its name."""
        try:
            return imported_build(self._label) is self._build
        except TartError:
            return False

    def _made(self, choose: Choose) -> TrialArchitecture:
        """The candidate of what is chosen."""
        with self._lock:
            trial, module = built(self._build, choose, on_meta=True)
            values = dict(trial.params)
            key = _key(values)
            if key not in self._kept:
                run = traced(self._build, trial, module, self._size)
                if self._n_checked < _CHECKED:
                    self._check_again(values, run)
                graph = ComputationalGraph(**run.arrays._asdict())
                self._kept[key] = TrialArchitecture(self._label, values, run.digest, graph)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            return self._kept[key]

    def _check_again(self, values: Mapping[str, Any], run: ModuleRun) -> None:
        """Makes sure that the same suggestions make the same network, whatever random numbers there are."""
        self._n_checked += 1
        trial, module = built(self._build, _known(values), on_meta=True, seed=1)
        again = traced(self._build, trial, module, self._size, seed=1)
        if trial.params != values or again.digest != run.digest:
            raise SettingError(
                f"{self._label} is not deterministic: it makes two networks of the same suggestions "
                f"({short(values)}). All that varies must be suggested by the trial."
            )


def _key(values: Mapping[str, Any]) -> str:
    return json.dumps(dict(values), sort_keys=True)


def _known(values: Mapping[str, Any]) -> Choose:
    known = Parameters(values)
    return lambda name, distribution: _asked(known, name, distribution)


def _changing(values: Mapping[str, Any], changed: set[str], rng: np.random.Generator) -> Choose:
    """The values, but for some that get others, and those that are not there, which are drawn."""

    def choose(name: str, distribution: BaseDistribution) -> Any:
        if name not in values or not contains(distribution, values[name]):
            return drawn(distribution, rng)
        return drawn_other(distribution, values[name], rng) if name in changed else values[name]

    return choose


def _asked(suggester: Suggester, name: str, distribution: BaseDistribution) -> Any:
    """Asks for a value of a distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return suggester.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, FloatDistribution):
        value = suggester.suggest_float(name, distribution.low, distribution.high, **_spacing(distribution, None))
        # A trial has an enqueued value as it was given, such as 0.3 where samplers give 0.30000000000000004.
        return exact(distribution, value)
    assert isinstance(distribution, IntDistribution)
    return suggester.suggest_int(name, distribution.low, distribution.high, **_spacing(distribution, 1))


def _spacing(distribution: IntDistribution | FloatDistribution, usual: int | None) -> dict[str, Any]:
    """Step and logarithm where they are not the usual ones: a suggester of a user's may not take them."""
    step = {} if distribution.step == usual else {"step": distribution.step}
    return step | ({"log": True} if distribution.log else {})
