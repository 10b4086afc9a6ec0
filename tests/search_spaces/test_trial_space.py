"""Spaces of users' own: what a function builds of suggestions, and what such functions do wrong."""

import json
import logging
import math
import pickle
import random
import sys
from functools import partial
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from torch import nn

from tart_nas.errors import ArchitectureError, SettingError
from tart_nas.graphs import ComputationalGraph
from tart_nas.predictors import Predictor
from tart_nas.search_spaces import Parameters, TrialArchitecture, TrialSpace, architecture_from_dict
from tart_nas.strategies import evolve
from tart_nas.strategies.optuna_plugin import TartSampler, architecture_of, suggest_architecture


def _head(width):
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10)]


class Residual(nn.Module):
    """Branches that are added in the order in which they are given."""

    def __init__(self, branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return sum(branch(x) for branch in self.branches)


def net(trial, classes=10):
    """A few convolutions, with a nonlinearity, of which a graph shows nothing."""
    width = trial.suggest_int("width", 4, 16, log=True)
    act = {"relu": nn.ReLU, "gelu": nn.GELU}[trial.suggest_categorical("act", ["relu", "gelu"])]
    layers = [nn.Conv2d(3, width, 3, padding=1), act()]
    if trial.suggest_categorical("deep", [False, True]):
        kernel = trial.suggest_categorical("kernel", [1, 3])
        layers += [nn.Conv2d(width, width, kernel, padding=kernel // 2), act()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes))


def branches(trial):
    """Two branches in either order: 4 suggestions, 3 networks."""
    kernels = [trial.suggest_categorical(name, [1, 3]) for name in ("first", "second")]
    return nn.Sequential(Residual(nn.Conv2d(3, 8, k, padding=k // 2) for k in kernels), *_head(8))


def test_a_candidate_has_the_graph_of_the_network_that_its_space_builds():
    space = TrialSpace(net, input_size=16)
    for architecture in space.sample(8, seed=0):
        network = space.network(architecture)
        assert architecture.graph == ComputationalGraph.from_module(network, 16)
        assert architecture.graph.num_parameters == sum(p.numel() for p in network.parameters())
        assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 10)
        assert not any(parameter.is_meta for parameter in network.parameters())
        assert architecture.input_size == (3, 16, 16)
        assert ("kernel" in architecture.values) == architecture.values["deep"]


def test_tracing_draws_none_of_the_global_random_numbers():
    space = TrialSpace(net)
    torch.manual_seed(3)
    before = torch.get_rng_state(), random.getstate()
    assert space.contains(*space.sample(1, seed=0))
    assert torch.equal(torch.get_rng_state(), before[0])
    assert random.getstate() == before[1]


def test_networks_of_a_candidate_differ_by_their_weights_and_a_seed_repeats_them():
    def drawing(trial):
        """Of all random numbers that a function may draw its weights by."""
        layer = nn.Conv2d(3, trial.suggest_int("width", 4, 8), 1)
        assert layer.bias is not None
        with torch.no_grad():
            layer.bias[0], layer.bias[1] = random.random(), np.random.random()  # noqa: NPY002
        return nn.Sequential(layer, nn.AdaptiveAvgPool2d(1))

    space = TrialSpace(drawing)
    [architecture] = space.sample(1, seed=0)

    def weights(n):
        made: list[Any] = [space.network(architecture).get_submodule("0") for _ in range(n)]
        return [(layer.weight.tolist(), *layer.bias.tolist()[:2]) for layer in made]

    torch.manual_seed(3)
    first = weights(3)
    torch.manual_seed(3)
    assert weights(3) == first
    torch.manual_seed(4)
    for drawn in zip(*first, *weights(2), strict=True):
        assert all(one != other for i, one in enumerate(drawn) for other in drawn[:i])
    torch.manual_seed(3)
    with torch.device("meta"), torch.inference_mode():
        assert next(space.network(architecture).parameters()).is_meta


def test_what_computes_the_same_is_one_candidate():
    space = TrialSpace(branches)
    assert len(space.sample(100, seed=0)) == 3
    one, other = (space.suggest(Parameters({"first": a, "second": b})) for a, b in ((1, 3), (3, 1)))
    assert one != other
    assert space.canonical(one) == space.canonical(other)


def test_a_nonlinearity_makes_another_candidate_although_the_graph_is_the_same():
    space = TrialSpace(net)
    one, other = (space.suggest(Parameters({"width": 8, "act": act, "deep": False})) for act in ("relu", "gelu"))
    assert one.graph == other.graph
    assert space.canonical(one) != space.canonical(other)


def test_one_layer_that_is_used_twice_is_another_network_than_two_layers():
    class Twice(nn.Module):
        def __init__(self, shared):
            super().__init__()
            self.one = nn.Conv2d(3, 3, 3, padding=1)
            self.other = self.one if shared else nn.Conv2d(3, 3, 3, padding=1)
            self.head = nn.Sequential(*_head(3))

        def forward(self, x):
            return self.head(self.other(self.one(x)))

    space = TrialSpace(lambda trial: Twice(trial.suggest_categorical("shared", [False, True])))
    assert len(space.sample(10, seed=0)) == 2


def test_candidates_go_to_and_from_json_and_run_no_code():
    [architecture] = TrialSpace(net).sample(1, seed=1)
    text = json.dumps(architecture.to_dict()).replace(f"{__name__}:net", "no_such_module:build")
    read = architecture_from_dict(json.loads(text))
    assert isinstance(read, TrialArchitecture)
    assert (read.space, read.values, read.digest) == ("no_such_module:build", architecture.values, architecture.digest)
    assert read.graph == architecture.graph
    assert str(read) == ", ".join(f"{name}={value}" for name, value in architecture.values.items())
    for values in (
        {**architecture.to_dict(), "values": {"a": [1]}},
        {"graph": 1},
        {**architecture.to_dict(), "space": 1},
    ):
        with pytest.raises(ArchitectureError):
            architecture_from_dict(values)
    with pytest.raises(ArchitectureError, match="has no cells"):
        architecture.resized(n_cells=3)


def test_a_mutation_keeps_what_it_does_not_change_and_draws_what_appears():
    space = TrialSpace(net)
    parent = space.suggest(Parameters({"width": 8, "act": "relu", "deep": False}))
    children = [space.mutate(parent, np.random.default_rng(seed)) for seed in range(20)]
    kept = [sum(child.values[name] == parent.values[name] for name in parent.values) for child in children]
    assert max(kept) == 2, "one of three is changed"
    assert sum(k == 2 for k in kept) > 10
    assert {child.values.get("kernel") for child in children} == {None, 1, 3}


def test_predictors_and_evolution_take_candidates():
    space = TrialSpace(net, input_size=16)
    sample = space.sample(12, seed=0)
    sizes = [-float(a.graph.num_parameters) for a in sample]
    predictor = Predictor("gp-graph").fit(sample, sizes, extend_scope=space.sample(30, seed=1))
    assert predictor.predict(sample[:3]) == pytest.approx(predictor.predict([a.graph for a in sample[:3]]))
    found, scores = evolve(space, lambda many: predictor.predict(many, outside="nan"), 24, 0, population=8, batch=8)
    assert max(scores) >= scores[:8].max()
    assert len({space.canonical(a) for a in found}) == len(found)


def test_a_study_suggests_candidates():
    space = TrialSpace(net)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    trial = study.ask()
    architecture = space.suggest(trial)
    assert trial.params == architecture.values
    assert space.suggest(Parameters(study.trials[0].params)) == architecture


def stepped(trial):
    """Rates in steps whose multiples no float holds; 0.75 is no step, which Optuna makes 0.7 of and says so."""
    rate, slope = trial.suggest_float("rate", 0.0, 0.3, step=0.1), trial.suggest_float("slope", 0.1, 0.75, step=0.2)
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.LeakyReLU(slope), nn.Dropout(rate), *_head(8))


def test_steps_of_floats_are_those_of_optunas_samplers(recwarn):
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.optimize(lambda trial: len(list(stepped(trial).parameters())), n_trials=100)
    expected = {name: {trial.params[name] for trial in study.trials} for name in ("rate", "slope")}
    assert expected["rate"] == {0.0, 0.1, 0.2, 0.3}
    assert expected["slope"] == {0.1, 0.1 + 0.2, 0.5, 0.7}, "of which 0.1 + 0.2 is not 0.3"

    space = TrialSpace(stepped, input_size=4)
    sample = space.sample(100, seed=0)
    assert len(sample) == 16
    assert {name: {a.values[name] for a in sample} for name in expected} == expected
    for number, architecture in enumerate(sample):
        read: Any = architecture_from_dict(json.loads(json.dumps(architecture.to_dict())))
        assert space.contains(architecture)
        assert space.contains(read)
        assert space.network(read).get_submodule("1").negative_slope == architecture.values["slope"]
        child = space.mutate(architecture, np.random.default_rng(number))
        assert space.contains(child)
        assert child in sample
    assert not [w for w in recwarn if "not divisible" not in str(w.message)], "such as of values out of a range"


@pytest.mark.parametrize("candidates", ["random", "evolution", "base"])
@pytest.mark.filterwarnings("ignore:.*(not divisible|out of range)", "error:TartSampler")
def test_studies_take_steps_of_floats(candidates):
    space = TrialSpace(stepped, input_size=4)
    sampler = TartSampler(space=space, candidates=candidates, n_candidates=8, n_startup_trials=4, seed=0)
    study = optuna.create_study(sampler=sampler)
    study.enqueue_trial({"rate": 3 * 0.1, "slope": 0.3})
    made = []

    def objective(trial):
        made.append(suggest_architecture(trial, space))
        assert architecture_of(trial, space) == made[-1]
        return sum(made[-1].values.values())

    study.optimize(objective, n_trials=8)
    assert made[0].values == {"rate": 0.3, "slope": 0.1 + 0.2}, "the values that samplers give for those"
    assert all("expected_value" in trial.user_attrs for trial in study.trials[5:])
    assert len({architecture.digest for architecture in made}) == 8
    assert set(made) <= set(space.sample(100, seed=0))


def test_a_value_that_misses_the_range_by_rounding_is_the_one_of_the_range():
    def asked(value, *bounds, **how):
        known = Parameters({"x": value})
        given = known.suggest_float("x", *bounds, **how)
        assert known.asked == {"x": given}
        return given

    assert asked(3 * 0.1, 0.0, 0.3, step=0.1) == 0.3
    assert asked(0.3, 0.0, 0.35, step=0.1) == 0.3, "the last step of 0.35"
    assert asked(np.float64(0.3), 0.0, 0.5, step=0.1) == 3 * 0.1
    assert asked(-0.3 + 3 * 0.1, -0.3, 0.0, step=0.1) == 0.0
    assert asked(3 * 0.1, 0.0, 0.3) == 0.3
    assert asked(0.1 - 1e-17, 0.1, 0.3) == 0.1
    assert asked(1e-9 * (1 - 1e-14), 1e-9, 1.0, log=True) == 1e-9
    assert asked(0.123, 0.0, 0.3) == 0.123
    for value, bounds, how in (
        (0.3 + 1e-9, (0.0, 0.3), {}),
        (0.9e-12, (1e-12, 1.0), {"log": True}),
        (0.35, (0.0, 0.35), {"step": 0.1}),
        (math.nan, (0.0, 0.3), {}),
        (math.inf, (1e-3, 0.3), {"log": True}),
        (-math.inf, (0.0, 0.3), {"step": 0.1}),
        (10**400, (0.0, 0.3), {}),
        ([0.1], (0.0, 0.3), {}),
        (None, (0.0, 0.3), {}),
        ("0.1", (0.0, 0.3), {}),
        (True, (0.0, 1.0), {}),
    ):
        with pytest.raises(SettingError, match="'x' must be a number in"):
            asked(value, *bounds, **how)


def test_names_are_those_of_the_functions():
    assert TrialSpace(net).settings == {"build": f"{__name__}:net", "input_size": [3, 32, 32]}
    assert TrialSpace(partial(net, classes=7)).build == f"{__name__}:net(classes=7)"
    again = pickle.loads(pickle.dumps(TrialSpace(net, (1, 8, 16))))
    size: Any = np.int64(8)
    assert TrialSpace(net, size).settings["input_size"] == [3, 8, 8]
    assert (again.build, again.input_size) == (f"{__name__}:net", (1, 8, 16))
    for text, told in (
        ("net", "Expected module:function"),
        ("no_such_module:build", "there is no module 'no_such_module'"),
        (f"{__name__}:no_net", "has no 'no_net'"),
        (f"{__name__}:__name__", "must be a function"),
        ("os:path.join; rm", "module:function"),
    ):
        with pytest.raises(SettingError, match=told):
            TrialSpace(text)
    wrong: list[Any] = [(3, 32), 0, (3, 8, 8.5), "32", 32.0, None, "332"]
    for size in wrong:
        with pytest.raises(SettingError, match="input_size"):
            TrialSpace(net, size)
    with pytest.raises(SettingError, match="function of a trial"):
        TrialSpace(None)  # type: ignore[arg-type]


# --- what functions do wrong


def sometimes(trial):
    width = trial.suggest_categorical("width", [3, 4, 6, 8])
    return nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 8, 1, groups=width), *_head(8))


def test_suggestions_for_which_it_raises_are_counted_and_left_out(caplog):
    space = TrialSpace(sometimes)
    with caplog.at_level(logging.WARNING):
        sample = space.sample(10, seed=0)
        space.sample(2, seed=1)
    assert {a.values["width"] for a in sample} == {4, 8}
    [record] = caplog.records
    assert "suggestions make no network" in record.message
    assert "ValueError: in_channels must be divisible by groups" in record.message
    assert "width=" in record.message
    with pytest.raises(ArchitectureError, match="raises for width=3"):
        space.suggest(Parameters({"width": 3}))
    parent = sample[0]
    assert space.mutate(parent, np.random.default_rng(0)).values["width"] in (4, 8)


def always(trial):
    raise KeyError("oops")


def nothing(trial):
    trial.suggest_int("a", 0, 9)


def not_traceable(trial):
    trial.suggest_int("a", 0, 9)
    return nn.Linear(7, 3)  # which no image fits


def flaky(trial):
    return nn.Sequential(nn.Conv2d(3, random.randint(1, 1000), trial.suggest_int("kernel", 1, 5)))


def odd_choices(trial):
    with pytest.warns(UserWarning, match="Choices"):
        trial.suggest_categorical("shape", [(1, 2), (2, 3)])
    return nn.Conv2d(3, 1, 1)


def double(trial):
    torch.set_default_dtype(torch.float64)
    return nn.Conv2d(3, trial.suggest_int("width", 1, 5), 1)


def placed(trial):
    torch.set_default_device("meta")
    torch.set_num_threads(torch.get_num_threads() + 1)
    return nn.Conv2d(3, trial.suggest_int("width", 1, 5), 1)


def exits(trial):
    sys.exit(3)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (always, "raises for no suggestions: KeyError: 'oops'"),
        (nothing, "must return a torch.nn.Module, but returns None for a="),
        (not_traceable, "cannot be traced.*cannot be run"),
        (flaky, "is not deterministic: it makes two networks of the same suggestions"),
        (odd_choices, "has choices of 'shape' that are no texts"),
        (double, "changes torch's default dtype, which a build must not: it was put back"),
        (placed, "changes torch's default device and torch's number of threads, which a build must not"),
        (exits, "raises for no suggestions: SystemExit: 3"),
    ],
)
def test_one_line_says_what_is_wrong_with_a_function(build, told):
    with pytest.raises(SettingError, match=told) as caught:
        TrialSpace(build).sample(4, seed=0)
    assert "\n" not in str(caught.value)
    assert torch.get_default_dtype() == torch.float32
    assert torch.get_default_device() == torch.device("cpu")


def test_a_function_that_was_changed_is_found_out():
    [architecture] = TrialSpace(net).sample(1, seed=0)
    changed = TrialSpace(lambda trial: nn.Sequential(net(trial), nn.ReLU()))
    assert not changed.contains(architecture)
    with pytest.raises(SettingError, match="makes another network"):
        changed.network(architecture)


def test_numbers_that_a_network_needs_to_be_built_or_run_are_there():
    class Scaled(nn.Module):
        def __init__(self, rates):
            super().__init__()
            self.rates, self.conv = rates, nn.Conv2d(3, 8, 1)

        def forward(self, x):
            assert self.conv.bias is not None
            scale = self.conv.bias.detach().abs().mean().item()
            return self.conv(x) * (scale + self.rates[-1])

    def build(trial):
        rates = [rate.item() for rate in torch.linspace(0, 1, trial.suggest_int("depth", 2, 4))]
        return nn.Sequential(Scaled(rates), *_head(8))

    assert len(TrialSpace(build).sample(2, seed=0)) >= 1
