"""Candidates for a trial: drawn by Optuna's samplers, or by a search space itself."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from tart_nas.errors import ArchitectureError
from tart_nas.search_spaces.random_values import exact
from tart_nas.search_spaces.trial_architecture import AnyArchitecture
from tart_nas.strategies.mutations import mutant
from tart_nas.strategies.optuna_plugin.judging import ToArchitecture
from tart_nas.trials import Choose, StandInTrial
from tart_nas.trials.optuna_internals import contains, legal_value

__all__ = ["Candidate", "drawn_by_sampler", "drawn_by_space", "with_parameters"]


@dataclass(frozen=True)
class Candidate:
    """An architecture and the parameters that make it.

    Args:
        architecture: what is judged.
        values: the parameters by name.
        distributions: likewise.
    """

    architecture: AnyArchitecture
    values: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]


def drawn_by_sampler(
    base: BaseSampler,
    study: optuna.Study,
    trial: FrozenTrial,
    to_architecture: ToArchitecture,
    fixed: Mapping[str, Any],
    n: int,
) -> Iterator[Candidate]:
    """Draws candidates as the sampler would draw the trial itself; few are the same, and those that make no network go.

    Args:
        base: the sampler.
        study: of the trial.
        trial: the one to suggest for.
        to_architecture: suggests an architecture's parameters and makes it.
        fixed: values that are not to be drawn.
        n: how often to draw.
    """
    # Once, as in a trial: what a sampler draws together does not change while the candidates are drawn.
    relative = base.infer_relative_search_space(study, trial)

    def draw(name: str, distribution: BaseDistribution) -> Any:
        return base.sample_independent(study, trial, name, distribution)

    for _ in range(n):
        known = base.sample_relative(study, trial, relative)
        drawn = StandInTrial(_known_or({**known, **fixed}, draw), trial.number)
        try:
            architecture = to_architecture(drawn)
        except (ArchitectureError, optuna.TrialPruned):
            continue
        yield Candidate(architecture, drawn.params, drawn.distributions)
        if drawn.params.keys() <= fixed.keys():  # there is no other
            return


def drawn_by_space(
    space: Any, n: int, rng: np.random.Generator, parents: Sequence[AnyArchitecture] = ()
) -> list[AnyArchitecture]:
    """Draws n architectures from a space, half of them by mutation of the parents when there are any.

    Where a parent has no network near it, a sample takes the place of its mutation.

    Args:
        space: what has ``sample`` and, for parents, ``mutate``; its ``mutants`` makes many at once.
        n: how many.
        rng: source of randomness.
        parents: of the mutations.
    """
    # A space need not have mutations: all its candidates are then samples.
    n_mutants = n // 2 if parents and hasattr(space, "mutate") else 0
    if hasattr(space, "mutants"):
        mutants = space.mutants(parents, n_mutants, rng) if n_mutants else []
    else:
        barren: set[AnyArchitecture] = set()
        tried = (mutant(space, parents[int(rng.integers(len(parents)))], rng, barren) for _ in range(n_mutants))
        mutants = [child for child in tried if child is not None]
    return [*mutants, *space.sample(n - len(mutants), int(rng.integers(2**31)))]


def with_parameters(architecture: AnyArchitecture, space: Any) -> Candidate:
    """The architecture with its parameters in the space."""

    def draw(name: str, distribution: BaseDistribution) -> Any:
        raise AssertionError(f"{space!r}.parameters() lacks {name!r}, for which suggest() asks")

    drawn = StandInTrial(_known_or(space.parameters(architecture), draw))
    return Candidate(space.suggest(drawn), drawn.params, drawn.distributions)


def _known_or(known: Mapping[str, Any], draw: Choose) -> Choose:
    """Known values where the distribution has them, else drawn ones."""

    def choose(name: str, distribution: BaseDistribution) -> Any:
        value = exact(distribution, known.get(name))
        if name in known and contains(distribution, value):
            return legal_value(distribution, value)
        return draw(name, distribution)

    return choose
