import json
import math

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler
from scipy import stats

from tart_nas.errors import NniError
from tart_nas.nni import suggest_nni
from tart_nas.strategies.nni_plugin.migration.json_parameters import JsonParameters


def parameter(kind, *arguments):
    return {"_type": kind, "_value": list(arguments)}


def one(kind, *arguments):
    return {"x": parameter(kind, *arguments)}


NESTED = {
    "optimizer": parameter(
        "choice",
        {"_name": "adam", "beta": parameter("uniform", 0.8, 0.999)},
        {
            "_name": "sgd",
            "beta": parameter("choice", 0, 1),
            "schedule": parameter("choice", {"_name": "none"}, {"_name": "step", "every": parameter("randint", 1, 9)}),
        },
    )
}


def draws(space, n=800):
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    return [suggest_nni(study.ask(), space)["x"] for _ in range(n)]


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (one("uniform", -1, 3), stats.uniform(-1, 4)),
        (one("loguniform", 0.001, 10), stats.loguniform(0.001, 10)),
        (one("normal", 5, 2), stats.norm(5, 2)),
        (one("lognormal", 1, 0.5), stats.lognorm(0.5, scale=math.e)),
    ],
)
def test_continuous_types_have_the_distribution_of_nni(space, expected):
    assert stats.kstest(draws(space), expected.cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("space", "continuous", "clip"),
    [
        (one("quniform", 2, 10, 5), stats.uniform(2, 8), (2, 10)),
        (one("quniform", 0.5, 9.7, 1), stats.uniform(0.5, 9.2), (0.5, 9.7)),
        (one("qloguniform", 1, 100, 10), stats.loguniform(1, 100), (1, 100)),
        (one("qnormal", 0, 10, 5), stats.norm(0, 10), (-math.inf, math.inf)),
        (one("qlognormal", 1, 1, 2), stats.lognorm(1, scale=math.e), (-math.inf, math.inf)),
    ],
)
def test_types_with_a_step_have_the_frequencies_of_the_rounded_draws(space, continuous, clip):
    """NNI's documentation defines each as ``clip(round(draw / q) * q)``: here scipy draws and numpy rounds."""
    q = space["x"]["_value"][2]
    theirs = np.clip(np.round(continuous.rvs(4000, random_state=1) / q) * q, *clip)
    ours = np.array(draws(space))
    steps = [step for step in np.unique(theirs) if (theirs == step).sum() >= 20]  # enough for a test of frequencies
    counts = [[(sample == step).sum() for step in steps] for sample in (ours, theirs)]
    assert stats.chi2_contingency(counts).pvalue > 0.01
    assert np.isin(ours, steps).mean() > 0.95


def test_whole_steps_are_stored_as_they_are_used():
    """A ``quniform`` whose bounds are multiples of the step is Optuna's float with a step."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    trials = [study.ask() for _ in range(40)]
    values = [suggest_nni(trial, one("quniform", 16, 64, 16))["x"] for trial in trials]
    assert set(values) == {16.0, 32.0, 48.0, 64.0}
    assert [trial.params for trial in trials] == [{"x": value} for value in values]


def test_the_upper_bound_of_randint_is_exclusive():
    assert set(draws(one("randint", 2, 5), 60)) == {2, 3, 4}


def test_choices_of_all_that_json_has():
    options = [1, 0.5, "a", True, None, [1, 2], {"width": 3}]
    values = draws(one("choice", *options), 100)
    assert all(option in values for option in options)
    assert all(value in options for value in values)


def test_nested_choices_become_what_nni_hands_out():
    study = optuna.create_study(sampler=RandomSampler(seed=1))
    trials = [study.ask() for _ in range(30)]
    samples = [suggest_nni(trial, NESTED)["optimizer"] for trial in trials]
    adam = next(sample for sample in samples if sample["_name"] == "adam")
    assert adam.keys() == {"_name", "beta"}
    assert 0.8 <= adam["beta"] <= 0.999
    step = next(sample for sample in samples if sample.get("schedule", {}).get("_name") == "step")
    assert step.keys() == {"_name", "beta", "schedule"}
    assert 1 <= step["schedule"]["every"] <= 8
    names = set().union(*(trial.params for trial in trials))
    assert names == {
        "optimizer",
        "optimizer/adam/beta",
        "optimizer/sgd/beta",
        "optimizer/sgd/schedule",
        "optimizer/sgd/schedule/step/every",
    }


def test_the_parameters_of_a_sample_make_it_again():
    space = {
        **NESTED,
        "a": parameter("qlognormal", 0, 2, 1),
        "b": parameter("normal", 0, 1),
        "c": parameter("choice", [0], [1]),
        "d": parameter("qloguniform", 0.01, 10, 0.01),
    }
    parameters = JsonParameters(space)
    study = optuna.create_study(sampler=RandomSampler(seed=2))
    for _ in range(50):
        sample = suggest_nni(study.ask(), space)
        values, _ = parameters.of_sample(json.loads(json.dumps(sample)))
        again = suggest_nni(optuna.trial.FixedTrial(values), space)
        assert again.pop("b") == pytest.approx(sample.pop("b"))
        assert again == sample


def test_a_multivariate_sampler_learns_a_nested_space(tmp_path):
    """The distributions of a name never change, which Optuna would refuse; the space is read from its file."""
    path = tmp_path / "search_space.json"
    path.write_text(json.dumps(NESTED | one("normal", 0, 1)))
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5, multivariate=True))
    study.optimize(lambda trial: abs(suggest_nni(trial, path)["x"] - 1), n_trials=25)
    assert suggest_nni(study.best_trial, path)["x"] == pytest.approx(1, abs=0.5)


def nested(depth):
    space = one("uniform", 0, 1)
    for _ in range(depth):
        space = one("choice", {"_name": "a", **space})
    return space


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (one("gaussian", 0, 1), "'x' of the type 'gaussian', which is none of NNI's: choice, randint"),
        (one(["uniform"], 0, 1), "'x' of the type ['uniform'], which is none of NNI's: choice, randint"),
        (one("uniform", 0, 10**400), "'x': uniform takes 2 finite numbers, got [0, 1000"),
        (one("lognormal", 0, 1000), "'x': lognormal with [0, 1000] reaches beyond what a float holds"),
        (one("quniform", 0, 1e300, 1e-300), "'x': quniform needs a larger step, got [0, 1e+300, 1e-300]"),
        (nested(600), "The search space is nested too deeply"),
        ([1], "`search_space` must be a mapping or the path of a file, but got [1]"),
        ("nowhere.json", "The search space nowhere.json cannot be read: No such file or directory"),
        ({"x": [1, 2]}, "'x' without `_type` and a list `_value`: [1, 2]"),
        (one("uniform", 1), "'x': uniform takes 2 finite numbers, got [1]"),
        (one("uniform", 0, "1"), "'x': uniform takes 2 finite numbers"),
        (one("uniform", 3, 1), "'x': uniform needs low < high"),
        (one("loguniform", 0, 1), "'x': loguniform needs 0 < low < high"),
        (one("normal", 0, 0), "'x': normal needs a deviation and a step above 0"),
        (one("quniform", 0, 1, 0), "'x': quniform needs a deviation and a step above 0"),
        (one("randint", 0.2, 0.9), "'x': randint holds no integer in [0.2, 0.9)"),
        (one("choice"), "'x', a choice without options"),
        (one("choice", {"_name": "a"}, {"_name": "a"}), "'x', whose options need different names"),
        (
            one("choice", {"_name": "a", "y": parameter("layer_choice", 1)}),
            "'x/a/y' of the type 'layer_choice'",
        ),
    ],
)
def test_what_is_no_search_space_is_named(space, message):
    with pytest.raises(NniError) as raised:
        suggest_nni(optuna.create_study().ask(), space)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("text", ["{", "[1]", pytest.param('{"x":' * 3000 + "1" + "}" * 3000, id="deep")])
def test_a_file_that_is_no_search_space(tmp_path, text):
    path = tmp_path / "space.json"
    path.write_text(text)
    with pytest.raises(NniError, match="space.json is not a search space of NNI"):
        suggest_nni(optuna.create_study().ask(), path)
