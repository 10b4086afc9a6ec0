"""The study of a run as Optuna's own tools see it: the dashboard's server, the functions of importance."""

import json
import threading
import urllib.request
from wsgiref.simple_server import make_server

import optuna
import pytest
from optuna.artifacts import FileSystemArtifactStore, get_all_artifact_meta
from optuna.distributions import IntDistribution
from torch import nn

from tart_nas.runs.study import Pick, plan, shown_of_pick
from tart_nas.runs.trial_parameters import trial_parameters
from tart_nas.search_spaces import DartsSpace, DeepNets1MSpace, TrialSpace
from tart_nas.strategies.optuna_plugin import architecture_of, suggest_architecture
from tart_nas.trials.optuna_internals import storage_of
from tests.docs.test_optuna import Silent


@pytest.fixture
def study(finished):
    return optuna.load_study(study_name=None, storage=f"sqlite:///{finished.folder}/study.sqlite3")


def test_it_has_the_names_and_parameters_of_the_run(finished, study):
    assert study.study_name == finished.folder.name
    assert study.metric_names == ["validation accuracy"]
    for trial, p in zip(study.trials, finished.picks, strict=True):
        again = architecture_of(trial, DartsSpace())
        assert DartsSpace().canonical(again) == DartsSpace().canonical(p.pick.architecture)
        assert (trial.user_attrs["pick"], trial.value) == (p.pick.name, p.validation_accuracy)


def build(trial):
    """Networks of a space of one's own."""
    width = trial.suggest_int("width", 2, 9)
    return nn.Sequential(nn.Conv2d(3, width, trial.suggest_categorical("kernel", [1, 3])), nn.Flatten())


def test_nni_is_shown_what_a_pick_is_made_of(study):
    """Without NNI, which an engine needs to send it."""
    shown = [shown_of_pick(trial) for trial in study.trials]
    assert [each["pick"] for each in shown] == ["top-1", "top-2", "random-1"]
    assert all(list(each) == ["pick", "rank", "predicted_score", "parameters", "round", "genotype"] for each in shown)
    space, own = TrialSpace(build, input_size=8), optuna.create_study()
    (candidate,) = space.sample(1, 0)
    plan(own, [Pick("top-1", 1, 0.5, candidate, candidate, 1000)], space)
    (trial,) = own.trials
    told = shown_of_pick(trial)
    assert json.loads(told.pop("suggestions")) == candidate.values
    assert told == {"pick": "top-1", "rank": 1, "predicted_score": 0.5, "parameters": 1000, "round": 1}


@pytest.mark.parametrize("space", [DartsSpace(), DeepNets1MSpace("search")])
def test_the_distributions_are_those_of_an_ordinary_study(space):
    """So that trials which `suggest_architecture` asks for and those of a run are compared with each other."""
    planned = [trial_parameters(architecture, space) for architecture in space.sample(20, 0)]
    study = optuna.create_study()
    for values, _ in planned:
        study.enqueue_trial(values)
        suggest_architecture(study.ask(), space)
    for (values, distributions), trial in zip(planned, study.trials, strict=True):
        assert trial.params == values
        assert trial.distributions == distributions


def test_sources_without_parameters_have_counts():
    class Files:
        name, settings = "files", {}

        def sample(self, n, seed):
            return []

    architectures = DeepNets1MSpace("search").sample(5, 0)
    for source in (Files(), None):  # files, a list that is not of the DARTS space
        described = [trial_parameters(architecture, source) for architecture in architectures]
        for (values, distributions), a in zip(described, architectures, strict=True):
            assert (values["cells"], values["channels"]) == (a.n_cells, a.C)
            ops = [op for op, _ in a.genotype.normal + a.genotype.reduce]
            assert values["number of conv_3x3"] == ops.count("conv_3x3")
            assert distributions == described[0][1]  # else Optuna compares nothing
            assert all(
                isinstance(d, IntDistribution) and d.low <= values[n] <= d.high for n, d in distributions.items()
            )
    darts = DartsSpace(n_cells=5, C=16).sample(1, 0)[0]
    assert "normal_node3_op0" in trial_parameters(darts, None)[0]


def test_planning_twice_adds_nothing(finished):
    study = optuna.create_study()
    for _ in range(2):
        plan(study, [p.pick for p in finished.picks], DartsSpace())
    assert [trial.user_attrs["pick"] for trial in study.trials] == ["top-1", "top-2", "random-1"]
    assert [trial.state.name for trial in study.trials] == ["WAITING"] * 3


def test_the_dashboard_shows_importance_slices_and_cells(finished, study):
    from optuna_dashboard import wsgi

    store = FileSystemArtifactStore(finished.folder / "artifacts")
    app = wsgi(storage_of(study), artifact_store=store)
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        api = f"http://127.0.0.1:{server.server_port}"
        number = json.load(urllib.request.urlopen(f"{api}/api/studies"))["study_summaries"][0]["study_id"]
        importances = urllib.request.urlopen(f"{api}/api/studies/{number}/param_importances")
        detail = json.load(urllib.request.urlopen(f"{api}/api/studies/{number}"))
        first = detail["trials"][0]
        (artifact,) = first["artifacts"]
        picture = urllib.request.urlopen(
            f"{api}/artifacts/{number}/{first['trial_id']}/{artifact['artifact_id']}"
        ).read()
        server.shutdown()
    assert importances.status == 200
    values = json.load(importances)["param_importances"][0]
    assert {"normal_node3_inputs", "reduce_node5_op1"} <= {value["name"] for value in values}
    assert sum(value["importance"] for value in values) == pytest.approx(1)
    assert {parameter["name"] for parameter in first["params"]} >= {"normal_node2_op0"}
    assert (artifact["filename"], artifact["mimetype"]) == ("top-1-cells.svg", "image/svg+xml")
    assert b"<svg" in picture
    for trial in study.trials:
        assert len(get_all_artifact_meta(trial, storage=storage_of(study))) == 1
