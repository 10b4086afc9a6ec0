"""Evolution on the predictor alone: candidates far better than random ones, without any training.

Of one objective: Real et al., "Regularized Evolution for Image Classifier Architecture Search", AAAI 2019: of a random
part of the population the best one is mutated, and the oldest one dies. Of several: NSGA-II (:mod:`.pareto`), by which
those with the least part in the Pareto front die. Here a batch of children is made and scored at once.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tart_nas.architecture import Architecture
from tart_nas.checks import number, whole
from tart_nas.errors import SettingError
from tart_nas.strategies.mutations import mutant
from tart_nas.strategies.populations import AgingPopulation, FrontPopulation, Population

__all__ = ["evolve"]

Floats = npt.NDArray[np.float64]

_BARREN = 50  # batches in a row without a new network: with 250 children each, 12,500 failures mean an exhausted space


def evolve(
    space: Any,
    score: Callable[[Sequence[Architecture]], npt.ArrayLike],
    evaluations: int,
    seed: int,
    *,
    population: int = 500,
    tournament: int = 25,
    batch: int = 250,
    crossover: float = 0.0,
    advance: Callable[[int], None] = lambda n: None,
) -> tuple[list[Architecture], Floats]:
    """Evolves architectures towards high scores, or with several objectives towards their Pareto front.

    Args:
        space: with ``sample``, ``canonical`` and ``mutate`` (``mutants``, where it has that, is faster).
        score: (n,) scores of n architectures, or (n, m) of m objectives. Higher is better; NaN counts as worst.
        evaluations: how many architectures are scored, at least 1; the first ``population`` are random.
        seed: of everything random.
        population: at least 1.
        tournament: how many of the population compete to be a parent, at least 1; of several objectives it is two.
        batch: children scored at once, at least 1.
        crossover: share of the children that have two parents, crossed by the space's ``crossover`` and then mutated;
            :class:`tart_nas.strings.StringSpace` has one. The others are mutations of one parent.
        advance: called with the number of architectures just scored.

    Returns:
        All that were scored, in their order, no two of them the same network, and their scores, (n,) or (n, m), with
        -inf for what is not judged; fewer than asked for only if no new ones could be found.

    Raises:
        SettingError: if the space cannot be mutated, or a number is outside its range.
    """
    if not (hasattr(space, "mutate") and hasattr(space, "canonical")):
        raise SettingError(f"{space!r} cannot be mutated: evolution needs a search space such as DartsSpace().")
    for name, value in (
        ("evaluations", evaluations),
        ("population", population),
        ("tournament", tournament),
        ("batch", batch),
    ):
        whole(name, value, 1)
    if number("crossover", crossover, 0, 1) and not hasattr(space, "crossover"):
        raise SettingError(f"{space!r} has no crossover: give a StringSpace, or `crossover` 0.")
    rng = np.random.default_rng(seed)
    found: list[Architecture] = space.sample(min(population, evaluations), seed)
    seen = {space.canonical(architecture) for architecture in found}
    scores = [_scored(score, found)]
    advance(len(found))
    alive = _population(scores[0], population, tournament)
    barren = 0
    childless: set[Architecture] = set()
    while len(found) < evaluations and barren < _BARREN:
        parents = [found[i] for i in alive.parents(batch, rng)]
        if crossover:
            parents = _crossed(space, parents, crossover, rng)
        children = _new(_mutants(space, parents, rng, childless), space, seen)[: evaluations - len(found)]
        barren = 0 if children else barren + 1
        if children:
            found += children
            scores.append(_scored(score, children))
            alive.add(_columns(scores[-1]))
            advance(len(children))
    every = np.concatenate(scores)
    every[np.isnan(_columns(every)).any(axis=1)] = -np.inf
    return found, every


def _population(scores: Floats, size: int, tournament: int) -> Population:
    """The first population: with one objective another one than with several."""
    columns = _columns(scores)
    single = scores.ndim == 1
    alive: Population = AgingPopulation(size, tournament) if single else FrontPopulation(size, columns.shape[1])
    alive.add(columns)
    return alive


def _columns(scores: Floats) -> Floats:
    """The scores as (n, m)."""
    return scores.reshape(len(scores), -1)


def _crossed(space: Any, parents: list[Architecture], share: float, rng: np.random.Generator) -> list[Architecture]:
    """The parents, of which a share is crossed with another each."""
    others = rng.permutation(len(parents)).tolist()
    return [
        space.crossover(parent, parents[other], rng) if rng.random() < share else parent
        for parent, other in zip(parents, others, strict=True)
    ]


def _mutants(
    space: Any, parents: list[Architecture], rng: np.random.Generator, childless: set[Architecture]
) -> list[Architecture]:
    """Mutations of the parents, fewer where some have none; these are added to the childless."""
    if hasattr(space, "mutants"):
        children: list[Architecture] = space.mutants(parents, len(parents), rng)
        return children
    mutants = (mutant(space, parent, rng, childless) for parent in parents)
    return [child for child in mutants if child is not None]


def _new(children: list[Architecture], space: Any, seen: set[Architecture]) -> list[Architecture]:
    """The children that are no network seen before, which are then seen too."""
    new = []
    for child in children:
        if (form := space.canonical(child)) not in seen:
            seen.add(form)
            new.append(child)
    return new


def _scored(score: Callable[[Sequence[Architecture]], npt.ArrayLike], architectures: list[Architecture]) -> Floats:
    """The scores, (n,) or (n, m), with NaN for what is not judged.

    Raises:
        SettingError: if they are of another shape.
    """
    values = np.asarray(score(architectures), dtype=np.float64)
    if values.ndim not in (1, 2) or len(values) != len(architectures) or 0 in values.shape[1:]:
        raise SettingError(f"`score` must give (n,) or (n, m) for n={len(architectures)}, but gave {values.shape}.")
    return values
