"""Optuna's own tests of samplers, on ours in studies of anything."""

import optuna
import pytest
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase

from tart_nas.search_spaces import DartsSpace
from tart_nas.strategies.optuna_plugin import TartSampler, suggest_architecture


def of_space():
    return TartSampler(space=DartsSpace(), n_candidates=2)


def of_function():
    return TartSampler(
        to_architecture=lambda trial: suggest_architecture(trial, DartsSpace()),
        base=optuna.samplers.RandomSampler(),
        n_candidates=2,
    )


class TestOurs(BasicSamplerTestCase, RelativeSamplerTestCase, MultiObjectiveSamplerTestCase):
    @pytest.fixture(params=[of_space, of_function])
    def sampler(self, request):
        return request.param
