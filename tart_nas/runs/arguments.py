"""What a search is given, checked before anything is scored or written."""

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from optuna.pruners import BasePruner
from optuna.storages import BaseStorage

from tart_nas.architecture import Architecture
from tart_nas.checks import number, one_of, short, whole
from tart_nas.choices import ENGINES, IMAGE_DATASETS, LOOPBACK, NNI_HOSTS
from tart_nas.cluster import check_ray_options
from tart_nas.errors import SettingError
from tart_nas.generators import ArchitectureGenerator
from tart_nas.predictors import Predictor
from tart_nas.runs.defaults import default_generator
from tart_nas.runs.goals import Goals
from tart_nas.runs.settings import TrainingBudget
from tart_nas.search_spaces import ArchitectureSource, TrialArchitecture, TrialSpace
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.training import TrainingRecipe

__all__ = ["check_budget", "check_engine", "check_generator", "check_latency_predictor", "check_scope", "check_types"]

_SPACE = "a search space such as DartsSpace(), or a data set such as DeepNets1M(folder, split)"


def check_types(arguments: dict[str, Any]) -> None:
    """Makes sure that the arguments of :func:`tart_nas.search` are of their types; ranges are the settings' matter.

    Raises:
        SettingError: naming the argument, what was expected and what was given.
    """
    space, candidates = arguments["space"], arguments["candidates"]
    if space is not None and (
        isinstance(space, type) or not all(hasattr(space, n) for n in ("name", "settings", "sample"))
    ):
        raise SettingError(f"`space` must be {_SPACE}, but got {space!r}.")
    path = (str, Path, type(None))
    for name, kinds, expected in (
        ("predictor", (Predictor, *path), "a Predictor, the name of a bundled one, or the path of a saved one"),
        ("latency_predictor", (Predictor, *path), "a Predictor, the name of a bundled one, or the path of a saved one"),
        ("budget", (TrainingBudget, str, type(None)), "a TrainingBudget or the name of one"),
        ("recipe", (TrainingRecipe, type(None)), "a TrainingRecipe"),
        ("strategy", (str, type(None)), "the name of a strategy"),
        ("generator", (ArchitectureGenerator, *path), "an ArchitectureGenerator, or the name or path of one"),
        ("data_dir", path, "a path"),
        ("out", (str, Path), "a path"),
        ("storage", (*path, BaseStorage), "the address of a storage, a path, or a storage of Optuna's"),
        ("init", (str, type(None)), "the file or name of a graph hypernetwork"),
        ("heartbeat", (Real,), "a number of seconds"),
    ):
        if not isinstance(arguments[name], kinds) or isinstance(arguments[name], bool):
            raise SettingError(f"`{name}` must be {expected}, but got {arguments[name]!r}.")
    train, pruner = arguments["train"], arguments["pruner"]
    if train is not None and (not callable(train) or arguments["workers"] != 1 or arguments["engine"] != "process"):
        raise SettingError(
            "`train` must be a function of a network and a reporter, and needs `workers` 1 and `engine` 'process', "
            f"since other processes do not have it, but got {train!r}."
        )
    if pruner is not None and (train is None or not isinstance(pruner, BasePruner)):
        raise SettingError(f"`pruner` must be a pruner of Optuna's beside `train`, which asks it, but got {pruner!r}.")
    if isinstance(arguments["dataset"], str | int | float | None):
        one_of("dataset", arguments["dataset"], IMAGE_DATASETS)
    elif arguments["workers"] != 1 or arguments["engine"] == "nni":
        raise SettingError(
            "`dataset` must be the name of a data set for `workers` and `engine` 'nni', whose processes cannot be "
            "given images in Python: write them into a folder, and name it 'folder'."
        )
    if isinstance(candidates, int):
        return
    if not isinstance(candidates, Sequence) or isinstance(candidates, str):
        raise SettingError(f"`candidates` must be a number or a list of architectures, but got {candidates!r}.")
    for i, candidate in enumerate(candidates):
        if not isinstance(candidate, TrialArchitecture if isinstance(space, TrialSpace) else Architecture):
            of = f"candidates of {space!r}" if isinstance(space, TrialSpace) else "architectures"
            hint = ": give the `space` that builds it" if isinstance(candidate, TrialArchitecture) else ""
            raise SettingError(f"`candidates` must be {of}, but entry {i} is {short(candidate)}{hint}.")


def check_engine(
    engine: str,
    of_nni: tuple[int | None, str, int],
    of_ray: tuple[str | None, float, float],
    workers: int,
    heartbeat: float,
) -> None:
    """Makes sure that what trains is known, and that options of an engine are given to no other.

    Args:
        engine: its name.
        of_nni: port, host and concurrency.
        of_ray: address, CPUs and GPUs per trial.
        workers: processes of this machine.
        heartbeat: in seconds.

    Raises:
        SettingError: if not.
    """
    number("heartbeat", heartbeat, above=0)  # seconds
    one_of("engine", engine, ENGINES)
    one_of("nni_host", of_nni[1], NNI_HOSTS)
    if engine != "nni" and of_nni != (None, LOOPBACK, 1):
        raise SettingError("`nni_port`, `nni_host` and `nni_concurrency` are for `engine` 'nni'.")
    check_ray_options(engine, *of_ray)
    whole("workers", workers, 1)
    if engine == "nni" and workers > 1:
        raise SettingError(f"`workers` must be 1 for `engine` 'nni', which has `nni_concurrency`, but got {workers}.")
    if engine == "ray" and workers > 1:
        raise SettingError(f"`workers` must be 1 for `engine` 'ray', which has `cpus_per_trial`, but got {workers}.")


def check_generator(
    strategy: str, generator: ArchitectureGenerator | str | Path | None, space: ArchitectureSource, is_given: bool
) -> ArchitectureGenerator | None:
    """The generator of a search, opened; None where its strategy has none.

    Args:
        strategy: of the search.
        generator: what the search was given.
        space: whose networks it must generate.
        is_given: whether the candidates were given.

    Raises:
        SettingError: if the strategy finds its own candidates and some were given, or has no generator and one was
            given; or if the generator is of another space.
        CheckpointError: if there is no such generator.
    """
    if is_given and strategy in ("evolution", "generate"):
        raise SettingError(f"`strategy` is {strategy!r}, which finds its own candidates, but some were given.")
    if strategy != "generate":
        if generator is not None:
            raise SettingError(f"`generator` is for `strategy` 'generate', but `strategy` is {strategy!r}.")
        return None
    generator = default_generator(space) if generator is None else generator
    opened = generator if isinstance(generator, ArchitectureGenerator) else ArchitectureGenerator.open(generator)
    opened.check_space(space)
    return opened


def check_scope(predictor: Predictor, architectures: Sequence[AnyArchitecture]) -> None:
    """Makes sure that the predictor judges architectures: all of the given ones, or one that a space sampled.

    Raises:
        PredictorError: naming the first that it does not judge, and why.
    """
    outside = np.flatnonzero(~predictor.judges(architectures))
    if len(outside):
        predictor.predict(architectures[: outside[0] + 1])  # which raises, and says what differs


def check_budget(budget: TrainingBudget, architectures: Sequence[AnyArchitecture]) -> None:
    """Makes sure that all architectures can be shrunk to the training budget, before they are scored.

    Raises:
        SettingError: naming the first of which there is no such network.
    """
    for i, architecture in enumerate(architectures):
        try:
            budget.apply(architecture)
        except ValueError as error:
            raise SettingError(f"The training budget {budget} does not fit candidate {i}: {error}") from None


def check_latency_predictor(goals: Goals, given: Predictor | str | Path | None) -> Predictor | None:
    """What predicts the latency, opened; None where one is fitted in the run.

    Raises:
        SettingError: if it is given and nothing asks for the latency, or it predicts another thing.
        TartError: if there is no such predictor.
    """
    if given is None:
        return None
    if "latency_ms" not in goals.costs:
        raise SettingError("`latency_predictor` needs an objective latency or a limit latency_ms.")
    predictor = given if isinstance(given, Predictor) else Predictor.open(given)
    if "inference_speed" not in predictor.targets:
        raise SettingError(
            f"`latency_predictor` must have a target inference_speed, as `tart-nas fit` makes of labels of `tart-nas "
            f"measure`, but it has {', '.join(predictor.targets)}."
        )
    return predictor
