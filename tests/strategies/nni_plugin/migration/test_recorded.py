"""Two experiments that NNI 3.0 ran, several trials at a time: tests/data/README.md tells how they were recorded."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from tart_nas.nni import cell_architecture, suggest_nni, to_optuna
from tart_nas.strategies.nni_plugin.migration.database import read_experiment

RECORDED = Path(__file__).parents[3] / "data/nni"
CLASSIC, NAS = RECORDED / "classic.sqlite", RECORDED / "nas.sqlite"


def metric_of(sample):
    """What a trial of the classic experiment reports of its sample."""
    return sample["lr"] + sample["momentum"] + sample["units"]


def noted_samples(path):
    """Each trial's sample as NNI's database notes it."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("select trialJobId, data from TrialJobEvent where data is not null").fetchall()
    return {trial: json.loads(data)["parameters"] for trial, data in rows}


def skips(sample):
    """What a trial of the search of networks reports of its sample."""
    return sum(value == "skip_connect" for value in sample.values())


@pytest.fixture(scope="module")
def classic():
    return to_optuna(CLASSIC)


def test_metrics_are_paired_with_the_parameters_that_gave_them(classic):
    """NNI's own database notes 6 of the 10 with other trials' parameters."""
    finished = classic.get_trials(states=(TrialState.COMPLETE,))
    noted = noted_samples(CLASSIC)
    wrong = {t.number for t in finished if metric_of(noted[t.user_attrs["nni_trial"]]) != pytest.approx(t.value)}
    assert (len(finished), len(wrong)) == (10, 6)
    for trial in finished:
        assert metric_of(trial.user_attrs["nni_sample"]) == pytest.approx(trial.value)
        assert ("nni_noted_sample" in trial.user_attrs) == (trial.number in wrong)


def test_trials_that_reported_nothing_have_the_samples_that_are_left(classic):
    """Trials with one layer fail; NNI notes one of the three with a sample of three layers."""
    failed = classic.get_trials(states=(TrialState.FAIL,))
    assert [trial.params["layers"] for trial in failed] == [1, 1, 1]
    noted = [noted_samples(CLASSIC)[trial.user_attrs["nni_trial"]]["layers"] for trial in failed]
    assert noted != [1, 1, 1]


def test_the_whole_of_a_classic_experiment(classic):
    assert classic.study_name == "nni-classic"
    assert Counter(trial.state.name for trial in classic.trials) == {"COMPLETE": 10, "FAIL": 3, "PRUNED": 1}
    for trial in classic.get_trials(states=(TrialState.COMPLETE,)):
        thirds = [trial.value / 3, 2 * trial.value / 3, trial.value]
        assert list(trial.intermediate_values.values()) == pytest.approx(thirds)
        assert trial.user_attrs["nni_metrics"] == {"default": trial.value, "loss": 0.25}
        assert trial.duration.total_seconds() > 0
    starts = [trial.datetime_start for trial in classic.trials]
    assert starts == sorted(starts)


def test_the_samples_come_back_from_the_parameters(classic):
    space = read_experiment(CLASSIC).search_space
    assert {spec["_type"] for spec in space.values()} == {
        *("choice", "randint", "uniform", "quniform", "loguniform", "qloguniform"),
        *("normal", "qnormal", "lognormal", "qlognormal"),
    }
    for trial in classic.trials:
        sample, again = trial.user_attrs["nni_sample"], suggest_nni(trial, space)
        assert again.pop("optimizer") == sample["optimizer"]
        assert again == pytest.approx({label: value for label, value in sample.items() if label != "optimizer"})


def test_a_sampler_goes_on_with_it(classic):
    space = read_experiment(CLASSIC).search_space
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0, n_startup_trials=5))
    study.add_trials(classic.trials)
    study.optimize(lambda trial: metric_of(suggest_nni(trial, space)), n_trials=5)
    assert all(trial.values[0] > 80 for trial in study.trials[-5:])  # of 16 to 129: it has learned of the units


def test_a_search_of_networks():
    study = to_optuna(NAS)
    finished = study.get_trials(states=(TrialState.COMPLETE,))
    assert len(finished) == len(study.trials) == 4
    noted = noted_samples(NAS)
    assert any(skips(noted[trial.user_attrs["nni_trial"]]["sample"]) != trial.value for trial in finished)
    for trial in finished:
        sample = trial.user_attrs["nni_sample"]
        assert (trial.value, list(trial.intermediate_values.values())) == (skips(sample), [skips(sample) / 2])
        architecture = cell_architecture(sample, n_cells=3)
        assert (architecture.n_cells, architecture.C) == (3, sample["width"])
        assert architecture.genotype.normal[0][0] == trial.params["normal/op_2_0"]
        assert trial.params["normal/input_2_0"] == json.dumps(sample["normal/input_2_0"])
