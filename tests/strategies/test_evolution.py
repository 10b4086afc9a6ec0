from typing import Any

import numpy as np
import pytest
from optuna._hypervolume import compute_hypervolume
from torch import nn

from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import SettingError
from tart_nas.layout import parameter_count
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, TrialSpace
from tart_nas.strategies import evolve

SPACE = DartsSpace()


@pytest.fixture(scope="module")
def ridge(labelled):
    return Predictor("ridge").fit(*labelled)


def test_it_finds_far_better_ones_than_a_random_sample(ridge):
    told: list[int] = []
    found, scores = evolve(SPACE, ridge.predict, 3000, seed=0, population=100, tournament=20, advance=told.append)
    assert len(found) == len(scores) == sum(told) == 3000
    assert len({SPACE.canonical(architecture) for architecture in found}) == 3000  # none twice up to isomorphism
    assert all(SPACE.contains(architecture) for architecture in found)
    assert scores == pytest.approx(ridge.predict(found))
    sampled = ridge.predict(SPACE.sample(3000, seed=1))
    assert scores.max() > sampled.max() + sampled.std()
    again = evolve(SPACE, ridge.predict, 3000, seed=0, population=100, tournament=20)[0]
    assert found == again


def test_other_spaces_and_scores_that_are_not_numbers():
    def score(architectures):
        return [np.nan if a.n_cells % 2 else -parameter_count(a) for a in architectures]

    space = DeepNets1MSpace("search")
    found, scores = evolve(space, score, 60, seed=0, population=20, tournament=5, batch=10)
    assert len(found) == 60
    assert all((score == -np.inf) == (a.n_cells % 2 == 1) for a, score in zip(found, scores, strict=True))
    assert len(evolve(space, score, 5, seed=0)[0]) == 5


def _two(architectures):
    """Many operations of 3x3 and few parameters, which exclude each other in part."""
    wide = [str(a.genotype).count("3x3") for a in architectures]
    return np.stack([wide, [-parameter_count(a) / 1e6 for a in architectures]], axis=1)


def _hypervolume(values, worst):
    """By Optuna, which minimises."""
    return compute_hypervolume(-values[(values >= worst).all(axis=1)], -worst)


def test_of_several_objectives_it_finds_a_front_that_dominates_that_of_a_random_sample():
    for seed in range(2):
        found, scores = evolve(SPACE, _two, 800, seed=seed, population=100, batch=100)
        assert len({SPACE.canonical(architecture) for architecture in found}) == len(scores) == 800
        assert np.array_equal(scores, _two(found))
        sampled = _two(SPACE.sample(800, seed=seed + 10))
        worst = sampled.min(axis=0)
        evolved, random = (_hypervolume(values, worst) for values in (scores, sampled))
        assert evolved > 1.05 * random
    arguments: dict[str, Any] = {"evaluations": 100, "seed": 0, "population": 50, "batch": 50}
    assert evolve(SPACE, _two, **arguments)[0] == evolve(SPACE, _two, **arguments)[0]


def test_of_several_objectives_what_is_not_judged_comes_last():
    def score(architectures):
        return [[np.nan if a.n_cells % 2 else -parameter_count(a), a.n_cells] for a in architectures]

    space = DeepNets1MSpace("search")
    found, scores = evolve(space, score, 40, seed=0, population=10, batch=10)
    assert [bool((row == -np.inf).all()) for row in scores] == [a.n_cells % 2 == 1 for a in found]
    nothing = evolve(space, lambda some: np.full((len(some), 2), np.nan), 15, seed=0, population=10, batch=10)
    assert (nothing[1] == -np.inf).all()


@pytest.mark.parametrize("gives", [lambda some: 3.0, lambda some: np.zeros((len(some), 0)), lambda some: [0.0]])
def test_scores_of_another_shape_are_refused(gives):
    with pytest.raises(SettingError, match=r"`score` must give \(n,\) or \(n, m\) for n=5"):
        evolve(SPACE, gives, 5, seed=0)


class Tiny(DartsSpace):
    """All of it is known after a few mutations."""

    def mutants(self, parents, n, rng):
        return [self.sample(30, seed=0)[int(rng.integers(30))] for _ in range(n)]


def test_an_exhausted_space_ends_it(ridge):
    found, _ = evolve(Tiny(), ridge.predict, 100, seed=0, population=5, batch=20)
    assert len(found) == 35  # the first five and the thirty


class Islands(DeepNets1MSpace):
    """Networks of an even number of cells have no neighbour."""

    def mutate(self, architecture, rng):
        if self.contains(architecture) and architecture.n_cells % 2 == 0:
            raise SettingError("no network near it")
        return super().mutate(architecture, rng)


def test_a_network_without_neighbours_has_no_children():
    found, _ = evolve(Islands("search"), lambda some: [a.n_cells for a in some], 60, seed=0, population=20, batch=10)
    assert len(found) == 60
    alone: Any = evolve(TrialSpace(lone), lambda some: [0.0] * len(some), 10, seed=0, batch=5)[0]
    assert [architecture.values for architecture in alone] == [{"width": 8}]


def lone(trial):
    """One network, and neighbours that cannot be built."""
    return nn.Conv2d(3, 8, 1, groups=1 if trial.suggest_categorical("width", [8, 3]) == 8 else 3)


@pytest.mark.parametrize("name", ["evaluations", "population", "tournament", "batch"])
def test_wrong_arguments(name, ridge):
    arguments: dict[str, Any] = {"evaluations": 10, name: 0}
    with pytest.raises(SettingError, match=f"`{name}` must be a whole number of at least 1, but got 0"):
        evolve(SPACE, ridge.predict, seed=0, **arguments)


def test_a_data_set_cannot_be_mutated(generator_files):
    data = DeepNets1M(generator_files, "val")
    with pytest.raises(SettingError, match="cannot be mutated"):
        evolve(data, lambda architectures: [0.0] * len(architectures), 10, seed=0)
