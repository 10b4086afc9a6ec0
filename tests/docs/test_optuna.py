"""docs/optuna.md, run from its first block to its last, and what it leaves behind."""

import json
import threading
import urllib.request
from contextlib import chdir
from wsgiref.simple_server import WSGIRequestHandler, make_server

import matplotlib
import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from tests.docs.pages import ROOT
from tests.docs.running import run_page


@pytest.fixture(scope="module")
def tutorial(tmp_path_factory, commands):
    """The names that the tutorial leaves behind, and its folder."""
    matplotlib.use("Agg")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder = tmp_path_factory.mktemp("tutorial")
    names = run_page(ROOT / "docs/optuna.md", folder, commands)
    with chdir(folder):  # where the storage of its study is
        yield names, folder


def test_the_tutorial_ends_with_a_result(tutorial):
    names, folder = tutorial
    trials = names["study"].trials
    assert len(trials) == 10
    assert any("pruned_because" in trial.user_attrs for trial in trials)
    assert any("expected_value" in trial.user_attrs for trial in trials)
    assert names["study"].best_value > 0
    assert names["space"].contains(names["best"])
    assert (folder / "history.png").stat().st_size > 5_000
    assert (folder / "curves.png").stat().st_size > 5_000


def test_plotly_draws_the_study(tutorial):
    study = tutorial[0]["study"]
    history = optuna.visualization.plot_optimization_history(study)
    assert len(history.data[0].x) == sum(trial.state.name == "COMPLETE" for trial in study.trials)
    slices = optuna.visualization.plot_slice(study, params=["lr", "normal_node3_inputs"])
    assert [axis.title.text for axis in (slices.layout.xaxis, slices.layout.xaxis2)] == ["lr", "normal_node3_inputs"]


class Silent(WSGIRequestHandler):
    def log_message(self, format, *args):
        return


def test_the_dashboard_shows_names_and_attributes(tutorial):
    from optuna_dashboard import wsgi

    app = wsgi(JournalStorage(JournalFileBackend(str(tutorial[1] / "study.log"))))
    with make_server("127.0.0.1", 0, app, handler_class=Silent) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        studies = json.load(urllib.request.urlopen(f"{address}/api/studies"))["study_summaries"]
        detail = json.load(urllib.request.urlopen(f"{address}/api/studies/{studies[0]['study_id']}"))
        page = urllib.request.urlopen(f"{address}/dashboard").read()
        server.shutdown()
    assert b"<html" in page.lower()
    assert studies[0]["study_name"] == "cells"
    trials = detail["trials"]
    assert len(trials) == 10
    assert {"lr", "normal_node3_inputs", "reduce_node5_op1"} <= {param["name"] for param in trials[0]["params"]}
    attributes = {attribute["key"] for trial in trials for attribute in trial["user_attrs"]}
    assert {"predicted_score", "pruned_because", "expected_value"} <= attributes
