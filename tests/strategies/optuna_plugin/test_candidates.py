"""What candidates are drawn of a space, in which mutations may fail."""

from dataclasses import replace

import numpy as np
import optuna
import pytest

from tart_nas.errors import SettingError
from tart_nas.search_spaces import DeepNets1MSpace
from tart_nas.strategies.optuna_plugin import TartSampler, suggest_architecture
from tart_nas.strategies.optuna_plugin.candidates import drawn_by_space
from tests.strategies.optuna_plugin.studies import RIDGE


class Islands(DeepNets1MSpace):
    """No network has a neighbour; it counts how often one was looked for."""

    looked = 0

    def mutate(self, architecture, rng):
        self.looked += 1
        if not self.contains(architecture):
            raise SettingError("Cannot mutate an architecture outside the space.")
        raise SettingError("No network is near it.")


def test_samples_take_the_place_of_mutations_that_fail():
    space = Islands("search")
    parents = space.sample(3, seed=0)
    drawn = drawn_by_space(space, 40, np.random.default_rng(0), parents)
    assert len(drawn) == 40
    assert space.looked == 3  # which may take long: once for each parent
    with pytest.raises(SettingError, match="outside the space"):
        drawn_by_space(space, 40, np.random.default_rng(0), [replace(parents[0], ks=9)])


def test_a_study_goes_on_where_no_network_has_a_neighbour():
    space = Islands("search")
    sampler = TartSampler(RIDGE, space, n_candidates=20, n_startup_trials=4, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda trial: suggest_architecture(trial, space).n_cells + 0.01 * trial.number, n_trials=6)
    assert space.looked > 0
    assert "expected_value" in study.trials[-1].user_attrs
