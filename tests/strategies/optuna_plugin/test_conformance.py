"""Optuna's own tests of samplers, on ours: in studies of anything, and in studies of each space's own parameters."""

import optuna
import pytest
from optuna.testing.pytest_samplers import BasicSamplerTestCase, MultiObjectiveSamplerTestCase, RelativeSamplerTestCase

from tart_nas.predictors import Predictor
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, TrialSpace
from tart_nas.search_spaces.deepnets1m_sampling import RULES
from tart_nas.search_spaces.mobilenet_v3 import mobilenet_v3
from tart_nas.search_spaces.nas_bench_201 import nas_bench_201
from tart_nas.search_spaces.resnet import resnet
from tart_nas.strategies.optuna_plugin import TartSampler, suggest_architecture
from tart_nas.strings import StringSpace
from tests.strategies.optuna_plugin.own_space import OWN

QUICK = [DartsSpace(), DeepNets1MSpace("search"), OWN]
SLOW = [
    *(DeepNets1MSpace(split) for split in RULES if split != "search"),
    StringSpace("darts"),
    StringSpace("deepnets1m", split="search"),
    *(TrialSpace(build, input_size=32) for build in (mobilenet_v3, nas_bench_201, resnet)),
]
SPACES = [*QUICK, *(pytest.param(space, marks=pytest.mark.slow) for space in SLOW)]


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


class TestWithArchitectures(BasicSamplerTestCase, RelativeSamplerTestCase):
    """Each objective suggests an architecture too. Tests that call the sampler themselves are those of above."""

    # They have no objective.
    test_float = test_int = test_categorical = test_conditional_sample_independent = None  # type: ignore[assignment]
    test_sample_relative_numerical = test_sample_relative_categorical = None  # type: ignore[assignment]
    test_sample_relative_mixed = test_sample_single_distribution = None  # type: ignore[assignment]
    # Their pairs of distributions and changing ranges are those of the other parameters, and take a minute.
    test_combination_of_different_distributions_objective = None  # type: ignore[assignment]
    test_dynamic_range_objective = None  # type: ignore[assignment]

    @pytest.fixture(params=SPACES, ids=repr)
    def space(self, request):
        return request.param

    @pytest.fixture
    def sampler(self, space, monkeypatch):
        optimize = optuna.Study.optimize

        def with_architecture(study, objective, *arguments, **named):
            def both(trial):
                value = objective(trial)
                assert space.contains(suggest_architecture(trial, space))
                return value

            optimize(study, both, *arguments, **named)

        monkeypatch.setattr(optuna.Study, "optimize", with_architecture)
        kind = "gp-graph" if isinstance(space, TrialSpace) else "ridge"
        return lambda: TartSampler(Predictor(kind), space, n_candidates=4, n_startup_trials=4)
