import json
import math
import sqlite3
from contextlib import closing
from datetime import timedelta

import optuna
import pytest
from optuna.distributions import CategoricalDistribution
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState

from tart_nas.errors import NniError, SettingError
from tart_nas.nni import suggest_nni, to_optuna
from tests.strategies.nni_plugin.migration.databases import SPACE, Database


def test_the_states_of_trials(tmp_path):
    experiment = Database(tmp_path, assessor={"name": "Medianstop"})
    experiment.trial("done", 0, curve=(0.5, 0.75), final=0.75)
    experiment.trial("silent", 1)
    experiment.trial("failed", 2, "FAILED", curve=(0.25,))
    experiment.trial("early", 3, "EARLY_STOPPED", curve=(0.5, 0.25))
    experiment.trial("stopped late", 4, "USER_CANCELED", curve=(0.5, 0.125))
    experiment.trial("cancelled", 5, "USER_CANCELED", curve=(0.5,))
    experiment.event("cancelled", "USER_TO_CANCEL")
    experiment.trial("running", 6, None, curve=(0.5,))
    experiment.event("waiting", "WAITING", 7, {"x": 7}, 7)
    experiment.trial("no number", 8, final="great")
    experiment.trial("by hand", 9, final=0.5, x=99)
    study = to_optuna(tmp_path)
    assert [(trial.user_attrs["nni_trial"], trial.state.name, trial.value) for trial in study.trials] == [
        ("done", "COMPLETE", 0.75),
        ("silent", "FAIL", None),
        ("failed", "FAIL", None),
        ("early", "PRUNED", 0.25),
        ("stopped late", "PRUNED", 0.125),
        ("cancelled", "FAIL", None),
        ("running", "WAITING", None),
        ("waiting", "WAITING", None),
        ("no number", "FAIL", None),
        ("by hand", "FAIL", None),
    ]
    assert study.trials[0].intermediate_values == {0: 0.5, 1: 0.75}
    assert [trial.user_attrs.get("nni_failure") for trial in study.trials] == [
        None,
        "it reported no final metric",
        "in NNI it ended as FAILED",
        None,
        None,
        "in NNI it ended as USER_CANCELED",
        None,
        None,
        "the metric 'great' is not a number",
        "'x' is outside the search space: 99",
    ]
    assert study.trials[9].user_attrs["nni_metrics"] == 0.5
    assert (study.trials[0].duration, study.trials[0].params) == (timedelta(seconds=4), {"x": 0.0})


def test_without_an_assessor_a_trial_that_was_killed_failed(tmp_path):
    experiment = Database(tmp_path)
    experiment.trial("killed", 0, "USER_CANCELED", curve=(0.5,))
    assert to_optuna(tmp_path).trials[0].state == TrialState.FAIL


def test_samples_that_nni_notes_with_other_trials_are_put_right(tmp_path):
    """Three start together, and each asks first for what is noted with another; one of them reports nothing."""
    experiment = Database(tmp_path)
    for number, trial in enumerate(("a", "b", "c")):
        experiment.event(trial, "WAITING", number, {"x": float(number)}, number)
    experiment.metric("a", 1, 0.5)
    experiment.metric("b", 2, 0.25, step=0)
    experiment.metric("b", 2, 0.75)
    for trial, status in (("a", "SUCCEEDED"), ("b", "SUCCEEDED"), ("c", "FAILED")):
        experiment.event(trial, status)
    study = to_optuna(tmp_path)
    assert [(trial.params["x"], trial.value) for trial in study.trials] == [(1.0, 0.5), (2.0, 0.75), (0.0, None)]
    assert [trial.user_attrs["nni_noted_sample"] for trial in study.trials] == [0, 1, 2]


def test_a_trial_that_was_started_anew_has_its_last_curve(tmp_path):
    experiment = Database(tmp_path)
    experiment.trial("a", 0, None, curve=(0.1, 0.2))
    experiment.event("a", "ADD_RESUMED")
    experiment.event("a", "RUNNING")
    for step, value in enumerate((0.3, math.nan, 0.5)):
        experiment.metric("a", 0, {"default": value, "loss": 1}, step)
    experiment.metric("a", 0, {"default": 0.5, "loss": 2})
    experiment.event("a", "SUCCEEDED")
    (trial,) = to_optuna(tmp_path).trials
    assert str(trial.intermediate_values) == "{0: 0.3, 1: nan, 2: 0.5}"
    assert trial.user_attrs["nni_metrics"] == {"default": 0.5, "loss": 2}


def test_the_study_goes_on_where_nni_stopped(tmp_path):
    """What waits is trained first; the distributions are those that `suggest_nni` suggests."""
    experiment = Database(tmp_path, tuner={"name": "TPE", "classArgs": {"optimize_mode": "minimize"}})
    experiment.trial("done", 0, final=4.0)
    experiment.trial("running", 1, None, x=3)
    storage = InMemoryStorage()
    study = to_optuna(tmp_path, storage=storage, study_name="mine")
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    study.optimize(lambda trial: suggest_nni(trial, SPACE)["x"], n_trials=2)
    assert study.trials[1].value == 3
    assert study.trials[2].distributions == study.trials[0].distributions
    assert len(optuna.load_study(study_name="mine", storage=storage).trials) == 3


def test_the_direction_and_the_space_may_be_given(tmp_path):
    experiment = Database(tmp_path, searchSpace={"x": {"_type": "mine", "_value": [0]}}, advisor={"name": "BOHB"})
    experiment.trial("done", 0, final=4.0)
    (tmp_path / "space.json").write_text(json.dumps(SPACE))
    study = to_optuna(experiment.file, search_space=tmp_path / "space.json", direction="minimize")
    assert study.direction == optuna.study.StudyDirection.MINIMIZE
    assert to_optuna(experiment.file, search_space=SPACE).direction == optuna.study.StudyDirection.MAXIMIZE
    with pytest.raises(NniError, match=r"'x' of the type 'mine', which is none of NNI's: choice, randint"):
        to_optuna(experiment.file)
    with pytest.raises(SettingError, match="direction"):
        to_optuna(experiment.file, direction="up")


def test_labels_that_the_space_does_not_have_are_categories(tmp_path):
    experiment = Database(tmp_path)
    for number, source in enumerate(([0], [1], [0])):
        experiment.event(f"t{number}", "WAITING", number, {"x": 1, "input": source}, number)
        experiment.metric(f"t{number}", number, 0.5)
        experiment.event(f"t{number}", "SUCCEEDED")
    study = to_optuna(tmp_path)
    assert [trial.params["input"] for trial in study.trials] == ["[0]", "[1]", "[0]"]
    assert {repr(trial.distributions["input"]) for trial in study.trials} == {
        repr(CategoricalDistribution(("[0]", "[1]")))
    }


def test_a_study_of_that_name_is_left_alone(tmp_path):
    experiment = Database(tmp_path)
    experiment.trial("done", 0, final=4.0)
    storage = InMemoryStorage()
    to_optuna(tmp_path, storage=storage)
    with pytest.raises(SettingError, match="has a study 'nni-byhand' already: give another `study_name`"):
        to_optuna(tmp_path, storage=storage)
    assert len(optuna.load_study(study_name="nni-byhand", storage=storage).trials) == 1


def test_a_locked_database_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("tart_nas.strategies.nni_plugin.migration.database._PATIENCE", 0.05)
    experiment = Database(tmp_path)
    with closing(sqlite3.connect(experiment.file, isolation_level=None)) as other:
        other.execute("begin exclusive")
        with pytest.raises(NniError, match=r"nni\.sqlite cannot be read: database is locked\.$"):
            to_optuna(tmp_path)


def test_what_is_no_experiment_is_named(tmp_path):
    with pytest.raises(NniError, match=r"holds no experiment of NNI: expected its folder, such as"):
        to_optuna(tmp_path)
    experiment = Database(tmp_path / "whole")
    for number in range(30):
        experiment.trial(f"trial {number}", number, final=1.0)
    content = experiment.file.read_bytes()
    cases = {
        "truncated": (content[: len(content) // 2], "cannot be read: database disk image is malformed"),
        "text": (b"no database, " * 1000, "cannot be read: file is not a database"),
        "empty": (b"", "is not a database of NNI 3.0: it has no table ExperimentProfile"),
    }
    for name, (damaged, message) in cases.items():
        file = tmp_path / f"{name}.sqlite"
        file.write_bytes(damaged)
        with pytest.raises(NniError) as raised:
            to_optuna(file)
        assert message in str(raised.value), name
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("alter table MetricData drop column parameterId", "no parameterId in its table MetricData"),
        ("delete from ExperimentProfile", "holds no experiment yet"),
        ("update ExperimentProfile set params = '{'", "is not an experiment of NNI 3.0: it is not JSON"),
        ("update TrialJobEvent set data = '{\"a\": 1}'", "is not an experiment of NNI 3.0: it lacks 'parameter_id'"),
        ("update ExperimentProfile set params = '[]'", "is not an experiment of NNI 3.0"),
        (f"update ExperimentProfile set params = '{'[' * 5000}'", "it is nested too deeply"),
        ("update TrialJobEvent set timestamp = 1e300", "its values are not of the expected form"),
        ('update TrialJobEvent set data = \'{"parameter_id": 1e999, "parameters": {}}\'', "of the expected form"),
    ],
)
def test_a_database_of_another_form_is_named(tmp_path, change, message):
    experiment = Database(tmp_path)
    experiment.trial("done", 0, final=4.0)
    with closing(sqlite3.connect(experiment.file)) as database, database:
        database.execute(change)
    with pytest.raises(NniError) as raised:
        to_optuna(tmp_path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_damaged_schema(tmp_path):
    """SQLite quotes it in its message, which Python cannot decode."""
    experiment = Database(tmp_path)
    content = experiment.file.read_bytes()
    assert b"CREATE TABLE" in content
    experiment.file.write_bytes(content.replace(b"CREATE TABLE", b"CREATE TAB\xf5E"))
    with pytest.raises(NniError, match=r"nni\.sqlite cannot be read: it is not UTF-8 text\.$"):
        to_optuna(tmp_path)


def test_a_sample_that_is_no_object_is_a_failed_trial(tmp_path):
    experiment = Database(tmp_path)
    experiment.event("by hand", "WAITING", 0, ["x", 1], 0)
    experiment.event("by hand", "SUCCEEDED")
    (trial,) = to_optuna(tmp_path).trials
    assert (trial.state.name, trial.user_attrs["nni_failure"]) == ("FAIL", "NNI's database has no sample of it")


def test_samples_that_somebody_submitted_twice_end(tmp_path):
    """No pairs can be told of numbers that are noted twice; what reports say is taken."""
    experiment = Database(tmp_path)
    for trial in ("a", "b", "c"):
        experiment.event(trial, "WAITING", 0, {"x": 1}, None)
        experiment.event(trial, "SUCCEEDED")
    experiment.metric("a", 0, 0.5)
    assert [trial.params["x"] for trial in to_optuna(tmp_path).trials] == [1, 1, 1]
