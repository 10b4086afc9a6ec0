"""Calling a user's ``build(trial)``, which may do anything: raise, return something else, change global state."""

import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from optuna.distributions import BaseDistribution
from torch import nn

from tart_nas.checks import short
from tart_nas.devices import forked_rng
from tart_nas.errors import ArchitectureError, SettingError, TartError, first_line
from tart_nas.graphs.module_graph import ModuleRun, module_run
from tart_nas.graphs.on_meta import OnMeta
from tart_nas.trials import Choose, StandInTrial
from tart_nas.user_code import load_object

__all__ = ["Build", "build_name", "built", "imported_build", "traced"]

Build = Callable[[Any], nn.Module]
"""A user's function: it asks a trial for suggestions and returns a network."""


def build_name(build: Build) -> str:
    """``module:function`` of a function; of a partial one with what was given to it."""
    if isinstance(build, partial):
        given = [*map(short, build.args), *(f"{key}={short(value)}" for key, value in build.keywords.items())]
        return f"{build_name(build.func)}({', '.join(given)})"
    named = build if hasattr(build, "__qualname__") else type(build)
    return f"{named.__module__}:{named.__qualname__}"


def imported_build(text: str) -> Build:
    """The function of a text ``module:function``, for which its module is imported.

    Raises:
        SettingError: if the text is none, or there is no such function.
    """
    build: Build = load_object(text)
    if not callable(build):
        raise SettingError(f"{text!r} must be a function of a trial, but is a {type(build).__name__}.")
    return build


def built(build: Build, choose: Choose, *, on_meta: bool, seed: int = 0) -> tuple[StandInTrial, nn.Module]:
    """Calls a build.

    Args:
        build: the user's.
        choose: gives the values of what it asks for.
        on_meta: whether its tensors have no memory and no numbers.
        seed: of the global random numbers, which are as before afterwards. None of a network should depend on them.

    Raises:
        ArchitectureError: if the build raises, or returns no module.
        TartError: what ``choose`` raises.
    """
    refused: list[TartError] = []

    mode = OnMeta()

    def noting(name: str, distribution: BaseDistribution) -> Any:
        try:
            with mode.paused():  # a sampler may fit a model when the first suggestion is asked for
                return choose(name, distribution)
        except TartError as error:
            refused.append(error)
            raise

    trial = StandInTrial(noting)
    name = build_name(build)
    with _global_state_kept(name, seed):
        try:
            module = _on_meta(build, trial, mode) if on_meta else build(trial)
        except (Exception, SystemExit) as error:  # whatever a user's code raises
            if refused:
                raise refused[0] from None
            told = f"{type(error).__name__}: {first_line(error)}".removesuffix(f": {type(error).__name__}")
            raise ArchitectureError(f"{name} raises for {_told(trial)}: {told}") from error
    if refused:  # and the build went on
        raise refused[0]
    if not isinstance(module, nn.Module):
        raise ArchitectureError(f"{name} must return a torch.nn.Module, but returns {_a(module)} for {_told(trial)}.")
    for suggestion, value in trial.params.items():
        if not (value is None or isinstance(value, bool | int | float | str)):
            raise ArchitectureError(
                f"{name} has choices of {suggestion!r} that are no texts, numbers, True, False or None: {short(value)}."
            )
    return trial, module


def traced(
    build: Build, trial: StandInTrial, module: nn.Module, input_size: tuple[int, int, int], *, seed: int = 0
) -> ModuleRun:
    """Traces what was built, without its weights where it needs none; it is of no use afterwards.

    Args:
        build: the user's.
        trial: what it was given.
        module: what it returned.
        input_size: of the images: channels, height, width.
        seed: as of :func:`built`.

    Raises:
        ArchitectureError: if there is no graph of the network.
    """
    try:
        run = _disposable_run(module, input_size)
        if run is None:
            values = dict(trial.params)
            _, module = built(build, lambda name, distribution: values[name], on_meta=False, seed=seed)
            run = module_run(module, input_size)
        return run
    except TartError as error:
        raise ArchitectureError(f"A network of {build_name(build)} cannot be traced: {error}") from error


def _disposable_run(module: nn.Module, input_size: tuple[int, int, int]) -> ModuleRun | None:
    """The run of a network without numbers, None where that cannot be."""
    try:
        return module_run(module, input_size, is_disposable=True)
    except TartError:
        raise
    except Exception:  # whatever its forward pass raises for want of numbers; or it was built with some
        return None


def _on_meta(build: Build, trial: StandInTrial, mode: OnMeta) -> Any:
    """The module without numbers; with them where the build looks at some."""
    try:
        with mode:
            return build(trial)
    except (Exception, SystemExit):
        # Suggestions are kept by the trial, so that the second call asks for the same. What raises again is the build's
        # own fault. Rates of stochastic depth, for example, are often taken out of a tensor.
        return build(trial)


def _set_default_device(device: torch.device) -> None:
    """Also without the mode that torch's own function leaves for the CPU, which slows all that makes tensors."""
    torch.set_default_device(None if device.type == "cpu" else device)


_STATE: tuple[tuple[str, Callable[[], Any], Callable[[Any], Any]], ...] = (
    ("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    ("torch's default device", torch.get_default_device, _set_default_device),
    ("whether torch computes gradients", torch.is_grad_enabled, torch.set_grad_enabled),
    (
        "whether torch's algorithms are deterministic",
        torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    ("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    ("the working directory", os.getcwd, os.chdir),
)
"""What a build must not change: a name, how it is read, how it is set."""


@contextmanager
def _global_state_kept(name: str, seed: int) -> Iterator[None]:
    """Gives random numbers back as they were, and says so where a build changes other global state."""
    before = [get() for _, get, _ in _STATE]
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  (a build may draw by it)
    try:
        with forked_rng(torch.device("cpu")):
            random.seed(seed)
            np.random.seed(seed)  # noqa: NPY002
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        changed = []
        for value, (what, get, give_back) in zip(before, _STATE, strict=True):
            if get() != value:
                changed.append(what)
                give_back(value)
        if changed:
            raise SettingError(f"{name} changes {' and '.join(changed)}, which a build must not: it was put back.")


def _told(trial: StandInTrial) -> str:
    """The suggestions so far, as messages tell them."""
    return ", ".join(f"{name}={value!r}" for name, value in trial.params.items()) or "no suggestions"


def _a(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"
