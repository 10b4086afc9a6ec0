import json

import numpy as np
import pytest
from scipy.stats import kendalltau

from tart_nas.experiments import deepnets1m_predictor
from tart_nas.experiments.deepnets1m_predictor import FOLDS, LABELS, METHODS, tasks
from tart_nas.experiments.methods import Measurement, ranking_tau
from tart_nas.measurements import PROPERTIES, read_label_file, read_labelled_data
from tart_nas.measurements.label_file import write_label_file
from tart_nas.predictors import Predictor, cross_validate_targets

COMMITTED = LABELS.parents[2] / "deepnets1m_predictor.json"


def run(*options):
    return deepnets1m_predictor.main([*map(str, options)])


@pytest.fixture
def few(tmp_path):
    about, labels, failed = read_label_file(LABELS, "val")
    path = tmp_path / "labels.json"
    write_label_file(path, about, "val", {index: labels[index] for index in range(40)}, failed)
    return path


def test_the_tables_and_going_on(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(METHODS, "TART, graph", {"kind": "tart-graph", "width": 8, "layers": 1, "epochs": 1})
    options = ("--labels", few, "--out", tmp_path / "out.json", "--repeats", 2, "--only")
    assert run(*options, "parameters", "Gaussian process") == 0
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "out.json").read_text())["results"]
    data = read_labelled_data(few)
    validated = cross_validate_targets(lambda: Predictor("gp"), data, folds=FOLDS, seed=0)
    for name in PROPERTIES:  # the same folds, hence the same taus, as `tart-nas fit` prints
        taus = [results["Gaussian process"][f"0.{fold}"][name] for fold in range(FOLDS)]
        np.testing.assert_allclose(taus, validated[name].taus, atol=0.02)
        assert f"{np.mean(taus):.3f} ± " in printed
    assert run(*options, "Gaussian process", "TART, graph") == 0
    again = json.loads((tmp_path / "out.json").read_text())["results"]
    assert again.items() >= results.items()
    assert [*again["TART, graph"]] == [f"0.{fold}" for fold in range(FOLDS)]  # only once
    assert "│ TART, graph " in capsys.readouterr().out
    monkeypatch.setattr(deepnets1m_predictor, "FOLDS", 4)
    assert run(*options, "parameters") == 2
    assert "are of another setting: folds was 5 and is 4" in capsys.readouterr().err


def test_means_are_of_both(few):
    data = read_labelled_data(few)
    task = next(deepnets1m_predictor.tasks(40, 1))
    measurement = Measurement(data)
    method = {"kind": "ensemble", "weights": None, "members": [{"kind": "ridge"}, {"kind": "svr"}]}
    found = measurement.of(method, task)
    rest, asked = data.take(task.train), data.take(task.test)
    predictor = Predictor("ensemble", weights=None, members=method["members"])
    predictor.fit(
        rest.architectures, rest.targets, seed=task.seed, label_size=data.label_size, extend_scope=asked.architectures
    )
    for name, values in asked.targets.items():
        tau = kendalltau(predictor.predict(asked.architectures, target=name), values).statistic
        assert found[name] == pytest.approx(tau, abs=1e-9)


def test_equal_predictions_rank_nothing():
    assert ranking_tau([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]) == 0


def test_the_committed_results_are_of_the_committed_labels_and_the_bundled_predictor():
    content = json.loads(COMMITTED.read_text())
    n = content["setting"]["labels"]["n"]
    data = read_labelled_data(LABELS).take(np.arange(n))  # there may be more by now
    assert content["setting"]["labels"] == deepnets1m_predictor.identity(data)
    assert content["setting"]["methods"] == METHODS
    for method in ("parameters", "Gaussian process", "Neural Predictor"):
        assert content["results"][method].keys() >= {task.name for task in tasks(n, 1)}
    assert Predictor.from_pretrained("deepnets1m-cifar10").notes["data"]["of"][0]["n"] == n
