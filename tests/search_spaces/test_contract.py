"""What the protocols say, of every space, and of one that is written from their docstrings alone."""

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pytest
from torch import nn

from tart_nas.architecture import Architecture
from tart_nas.deepnets1m import DeepNets1M
from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.genotype import Genotype
from tart_nas.layout import parameter_count
from tart_nas.published import DARTS, VIT
from tart_nas.search_spaces import (
    ArchitectureSource,
    DartsSpace,
    DeepNets1MSpace,
    Parameters,
    SearchSpace,
    TrialArchitecture,
    TrialSpace,
)
from tart_nas.strategies import evolve
from tart_nas.strategies.optuna_plugin import suggest_architecture
from tart_nas.strategies.optuna_plugin.parameters import SuggestibleSpace
from tart_nas.strings import StringSpace

OPS = ("conv_3x3", "sep_conv_5x5", "cse")


class OneNodeSpace:
    """Cells of one node: 3 x 3 operations and 2 to 4 cells, 27 networks."""

    name = "one-node"

    def __init__(self, C: int = 8) -> None:
        self.C = C

    @property
    def settings(self):
        return {"C": self.C}

    def __repr__(self):
        return f"OneNodeSpace({self.C})"

    def _made(self, first, second, n_cells):
        pairs = ((first, 0), (second, 1))
        return Architecture(Genotype(pairs, (2,), pairs, (2,)), n_cells, self.C)

    def sample(self, n, seed):
        if n < 0 or seed < 0:
            raise SettingError(f"`n` and `seed` must be at least 0, but got {n} and {seed}.")
        everything = [self._made(a, b, n_cells) for a in OPS for b in OPS for n_cells in (2, 3, 4)]
        return [everything[i] for i in np.random.default_rng(seed).permutation(len(everything))[:n]]

    def contains(self, architecture):
        return architecture in self.sample(27, 0)

    def canonical(self, architecture):
        return architecture

    def mutate(self, architecture, rng):
        values = self.parameters(architecture)
        name = list(values)[rng.integers(3)]
        choices = [choice for choice in (OPS if name != "n_cells" else (2, 3, 4)) if choice != values[name]]
        return self.suggest(Parameters({**values, name: choices[rng.integers(2)]}))

    def suggest(self, suggester):
        first, second = (suggester.suggest_categorical(name, OPS) for name in ("first", "second"))
        return self._made(first, second, suggester.suggest_int("n_cells", 2, 4))

    def parameters(self, architecture):
        if not self.contains(architecture):
            raise SettingError(f"{self!r} does not contain {architecture}.")
        (first, _), (second, _) = architecture.genotype.normal
        return {"first": first, "second": second, "n_cells": architecture.n_cells}


def plain(trial):
    """Networks with suggestions of each type, of which some depend on others."""
    width = trial.suggest_int("width", 8, 32, step=8)
    layers: list[nn.Module] = [nn.Conv2d(3, width, 3, padding=1)]
    for i in range(trial.suggest_int("depth", 1, 3)):
        kernel = trial.suggest_categorical(f"kernel{i}", [1, 3, 5])
        layers += [nn.Conv2d(width, width, kernel, padding=kernel // 2), nn.ReLU()]
        if trial.suggest_categorical(f"drops{i}", [False, True]):
            layers.append(nn.Dropout(trial.suggest_float(f"rate{i}", 0.1, 0.5)))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))


SPACES: list[SuggestibleSpace] = [
    DartsSpace(),
    DartsSpace(3, C=4, stem_type=1),  # fewer channels than heads of attention
    *map(DeepNets1MSpace, ("search", "val")),
    OneNodeSpace(),
    StringSpace("darts"),
    StringSpace("deepnets1m", split="val"),
    TrialSpace(f"{__name__}:plain", input_size=16),
]
every_space = pytest.mark.parametrize("space", SPACES, ids=repr)


class _Recorder:
    """A suggester that draws values and notes what was asked for."""

    def __init__(self, rng):
        self.rng, self.asked = rng, {}

    def suggest_categorical(self, name, choices, /):
        assert name not in self.asked, "each name is asked for once"
        self.asked[name] = tuple(choices)
        assert all(choice is None or isinstance(choice, bool | int | float | str) for choice in choices)
        return choices[self.rng.integers(len(choices))]

    def suggest_int(self, name, low, high, /, *, step=1):
        assert name not in self.asked, "each name is asked for once"
        self.asked[name] = (low, high, step)
        return int(self.rng.integers(0, (high - low) // step, endpoint=True)) * step + low

    def suggest_float(self, name, low, high, /):
        assert name not in self.asked, "each name is asked for once"
        self.asked[name] = (low, high)
        return float(self.rng.uniform(low, high))


@pytest.mark.parametrize("source", [*SPACES, "a data set"], ids=repr)
def test_a_source_samples_different_networks_by_seed(source, generator_files):
    if source == "a data set":
        source = DeepNets1M(generator_files, "test")
    assert isinstance(source, ArchitectureSource)
    n = 3 if isinstance(source, DeepNets1M) else 20  # its file holds no more
    sample = source.sample(n, seed=3)
    assert len(set(sample)) == len(sample) == n
    assert source.sample(n, seed=3) == sample != source.sample(n, seed=4)
    assert source.sample(0, seed=0) == []
    for n, seed in ((-1, 0), (1, -1)):
        with pytest.raises(SettingError):
            source.sample(n, seed)
    assert isinstance(source.name, str)
    assert json.loads(json.dumps(dict(source.settings))) == dict(source.settings)


@every_space
def test_its_settings_make_it_again(space):
    again = type(space)(**space.settings)
    assert (again.name, dict(again.settings)) == (space.name, dict(space.settings))
    assert again.sample(5, seed=1) == space.sample(5, seed=1)


@every_space
def test_it_contains_its_sample_of_which_no_two_are_one_network(space):
    assert isinstance(space, SearchSpace)
    sample = space.sample(20, seed=0)
    forms = [space.canonical(architecture) for architecture in sample]
    assert all(map(space.contains, sample))
    assert list(map(space.canonical, forms)) == forms
    assert len(set(forms)) == len(forms)
    assert not space.contains(replace(DARTS, n_cells=40))


@every_space
def test_it_answers_for_everything_whether_it_contains_it(space):
    spaces: list[Any] = [*SPACES]
    for architecture in (DARTS, VIT, replace(VIT, C=8), *(a for each in spaces for a in each.sample(3, seed=1))):
        assert type(space.contains(architecture)) is bool
    candidate: Any = spaces[-1].sample(1, seed=0)[0]
    foreign = replace(candidate, space="another:build")
    nothing: tuple[Any, ...] = (
        None,
        "sep_conv_3x3",
        3.5,
        [],
        DARTS.genotype,
        DARTS.to_dict(),
        Architecture,
        candidate.graph,
    )
    for other in (replace(DARTS, n_cells=40), replace(VIT, n_cells=40), foreign, *nothing):
        assert space.contains(other) is False
        with pytest.raises(SettingError):
            space.mutate(other, np.random.default_rng(0))
        with pytest.raises(SettingError):
            space.parameters(other)
    # Candidates that no trial's suggestions make.
    strange: list[Any] = [None, 3, "ab", {}, {1: 2, "a": 3}, {"width": [8]}, {"width": np.arange(3)}]
    for values in (*strange, {"width": math.nan}):
        assert space.contains(replace(candidate, values=values)) is False
    for name in candidate.values:
        others: list[Any] = [[], {}, None, 10**400]
        for value in others:
            assert space.contains(replace(candidate, values={**candidate.values, name: value})) is False


@every_space
def test_a_mutation_is_another_network_of_the_space(space):
    architecture = space.sample(1, seed=0)[0]
    for seed in range(20):
        child = space.mutate(architecture, np.random.default_rng(seed))
        assert child == space.mutate(architecture, np.random.default_rng(seed))
        assert space.contains(child)
        assert space.canonical(child) != space.canonical(architecture)
        architecture = child
    with pytest.raises(SettingError):
        space.mutate(replace(DARTS, n_cells=40), np.random.default_rng(0))


@every_space
def test_a_parameter_has_the_same_choices_each_time(space):
    rng, made = np.random.default_rng(0), 0
    ranges: dict[str, tuple[Any, ...]] = {}
    for _ in range(60):
        recorder = _Recorder(rng)
        try:
            architecture = space.suggest(recorder)
        except ArchitectureError:  # what the space rejects
            continue
        finally:
            for name, choices in recorder.asked.items():
                assert ranges.setdefault(name, choices) == choices
        assert space.contains(architecture)
        made += 1
    assert made > 5


@every_space
def test_parameters_make_the_network_again(space):
    for architecture in space.sample(10, seed=2):
        values = space.parameters(architecture)
        suggester = Parameters(values)
        assert space.canonical(space.suggest(suggester)) == space.canonical(architecture)
        assert suggester.asked == values
    with pytest.raises(SettingError):
        space.parameters(replace(DARTS, n_cells=40))


def _smallness(architectures):
    return [
        -(a.graph.num_parameters if isinstance(a, TrialArchitecture) else parameter_count(a)) for a in architectures
    ]


@every_space
def test_strategies_take_it(space):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(30):
        try:
            assert space.contains(suggest_architecture(study.ask(), space))
            break
        except ArchitectureError:
            continue
    else:
        raise AssertionError("no suggestion was accepted")
    scored, _ = evolve(space, _smallness, 20, 0, population=8, tournament=3, batch=4)
    assert len({space.canonical(architecture) for architecture in scored}) == len(scored) == 20
    assert all(map(space.contains, scored))
