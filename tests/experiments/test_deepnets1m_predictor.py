import json

import numpy as np
import pytest

from tart_nas.experiments import deepnets1m_predictor
from tart_nas.experiments.deepnets1m_predictor import FOLDS, LABELS, MEANS, METHODS, fold_taus
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
    taus = fold_taus(results, "Gaussian process", data, 1)
    for name in PROPERTIES:  # the same folds, hence the same taus, as `tart-nas fit` prints
        np.testing.assert_allclose(taus[name], validated[name].taus, atol=0.02)
    assert "40 networks, cross-validations: 2" in printed
    assert f"{np.mean(taus['accuracy']):.3f} ± " in printed
    assert run(*options, "Gaussian process", "TART, graph") == 0
    again = json.loads((tmp_path / "out.json").read_text())["results"]
    assert again.items() >= results.items()
    assert [*again["TART, graph"]] == [f"0.{fold}" for fold in range(FOLDS)]  # only once
    assert "Gaussian process and TART, graph" in capsys.readouterr().out
    monkeypatch.setattr(deepnets1m_predictor, "FOLDS", 4)
    assert run(*options, "parameters") == 2
    assert "are of another setting: folds was 5 and is 4" in capsys.readouterr().err


def test_equal_predictions_rank_nothing_and_means_are_of_both(few):
    data = read_labelled_data(few)
    tasks = list(deepnets1m_predictor.tasks(40, 1))
    assert sorted(index for task in tasks for index in task.test) == list(range(40))
    truth, nothing = {}, {}
    for task in tasks:
        values = {name: of_all[task.test].tolist() for name, of_all in data.targets.items()}
        truth[task.name] = {"predictions": values}
        nothing[task.name] = {"predictions": {name: [1.0] * len(task.test) for name in values}}
    first, second = MEANS["Gaussian process and boosting"]
    results = {first: truth, second: nothing}
    assert fold_taus(results, second, data, 1)["accuracy"] == [0] * FOLDS
    for method in (first, "Gaussian process and boosting"):
        assert all(tau > 0.95 for taus in fold_taus(results, method, data, 1).values() for tau in taus)


def test_the_committed_results_are_of_the_committed_labels_and_the_bundled_predictor():
    content = json.loads(COMMITTED.read_text())
    n = content["setting"]["labels"]["n"]
    data = read_labelled_data(LABELS).take(np.arange(n))  # there may be more by now
    assert content["setting"]["labels"] == deepnets1m_predictor.identity(data)
    assert content["setting"]["methods"] == METHODS
    for method in ("parameters", "Gaussian process", "Neural Predictor"):
        taus = fold_taus(content["results"], method, data, 1)
        assert all(len(of_folds) == FOLDS for of_folds in taus.values())
    assert Predictor.from_pretrained("deepnets1m-cifar10").notes["data"]["n"] == n
