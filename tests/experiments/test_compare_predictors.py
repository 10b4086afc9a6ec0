import json
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.stats import kendalltau

from tart_nas.experiments import ablations, compare_predictors, methods
from tart_nas.experiments.compare_predictors import FULL, METHODS, is_measured, labels_of, tasks
from tart_nas.experiments.methods import Measurement
from tart_nas.predictors import LabelledData, Predictor, cross_validate

COMMITTED = {module: Path(str(module.__file__)).with_suffix(".json") for module in (ablations, compare_predictors)}


@pytest.fixture(scope="module")
def darts(darts_file):
    return LabelledData.read(darts_file)


@pytest.fixture(scope="module")
def accuracies(darts):
    (targets,) = darts.targets.values()
    return targets


def run(module, *options):
    return module.main([*map(str, options)])


def test_tasks_share_nothing_between_learning_and_judging():
    found = list(tasks(718, draws=2, repeats=1))
    assert [task.name for task in found[:3]] == ["32/0", "32/1", "50/0"]
    for task in found:
        assert sorted([*task.train, *task.test]) == list(range(718))
        assert labels_of(task.name) in (FULL, len(task.train))
    folds = [task for task in found if labels_of(task.name) == FULL]
    assert [len(task.train) for task in folds] == [574, 574, 574, 575, 575]
    assert sorted(index for task in folds for index in task.test) == list(range(718))


def test_measures_are_those_of_a_predictor_of_its_own(darts, accuracies):
    task = next(task for task in tasks(718, draws=1, repeats=0) if labels_of(task.name) == 50)
    found = Measurement(darts).of({"kind": "gp"}, task)
    predictor = Predictor("gp").fit(
        [darts.architectures[i] for i in task.train], accuracies[task.train], seed=task.seed
    )
    scores = predictor.predict([darts.architectures[i] for i in task.test])
    truth = accuracies[task.test]
    assert found["tau"] == pytest.approx(kendalltau(scores, truth).statistic, abs=1e-6)
    by_truth, by_score = np.argsort(-truth)[:66], np.argsort(-scores)[:66]
    assert found["top"] == len(np.intersect1d(by_truth, by_score)) / 66
    assert found["regret"] == pytest.approx(truth.max() - truth[np.argsort(-scores)[:10]].max())
    assert 0.5 < found["coverage"] < 1
    assert "coverage" not in Measurement(darts).of({"kind": "neural-predictor", "width": 8, "epochs": 1}, task)


def test_an_ensemble_is_put_together_from_what_its_members_predicted(darts, accuracies):
    task = next(iter(tasks(718, draws=1, repeats=0)))
    method = {"kind": "ensemble", "members": [{"kind": "ridge"}, {"kind": "gp"}]}
    found = Measurement(darts).of(method, task)
    predictor = Predictor("ensemble", members=method["members"])
    predictor.fit([darts.architectures[i] for i in task.train], accuracies[task.train], seed=task.seed)
    scores = predictor.predict([darts.architectures[i] for i in task.test])
    assert found["tau"] == pytest.approx(kendalltau(scores, accuracies[task.test]).statistic, abs=1e-3)


def test_folds_are_those_of_cross_validation(darts, accuracies):
    folds = [task for task in tasks(718, draws=0, repeats=1) if labels_of(task.name) == FULL]
    found = [Measurement(darts).of({"kind": "ridge"}, task)["tau"] for task in folds]
    validated = cross_validate(lambda: Predictor("ridge"), darts.architectures, accuracies, seed=0)
    np.testing.assert_allclose(found, validated.taus, atol=1e-9)


def test_the_table_and_going_on(darts_file, tmp_path, capsys):
    out = tmp_path / "out.json"
    options = (darts_file, "--out", out, "--draws", 2, "--repeats", 1, "--only")
    assert run(compare_predictors, *options, "parameters", "ridge", "--numbers", 50) == 0
    printed = capsys.readouterr().out
    results = json.loads(out.read_text())["results"]
    taus = [results["ridge"][task]["tau"] for task in ("50/0", "50/1")]
    assert f"{mean(taus):.3f} ± " in printed
    assert f"{FULL} labels" not in printed
    assert Image.open(out.with_suffix(".png")).width > 500
    assert run(compare_predictors, *options, "ridge", "SVR", "--numbers", FULL) == 0
    printed = capsys.readouterr().out
    again = json.loads(out.read_text())["results"]
    assert all(again["ridge"][task] == result for task, result in results["ridge"].items())
    assert "50/0" not in printed
    assert [*again["SVR"]] == [f"{FULL}/0.{fold}" for fold in range(5)]
    assert f"{mean(measured['tau'] for measured in again['SVR'].values()):.3f} ± " in printed
    assert f"{FULL} labels" in printed


@pytest.mark.parametrize("module", COMMITTED)
def test_what_is_wrong_is_told_in_one_line(module, darts_file, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert run(module, tmp_path / "none.json", "--out", out) == 2
    assert capsys.readouterr().err.startswith(f"error: Cannot read {tmp_path}/none.json")
    other = tmp_path / "other.json"
    other.write_text(json.dumps(json.loads(darts_file.read_text())[:700]))
    before = COMMITTED[module].read_text()
    out.write_text(before)
    assert run(module, other, "--out", out) == 2
    assert "are of another setting: data was" in capsys.readouterr().err
    assert out.read_text() == before


def test_differences_to_all_parts(darts_file, tmp_path, monkeypatch, capsys):
    variants: dict[str, dict[str, Any]] = {
        "all features": {"kind": "gp"},
        "without size": {"kind": "gp", "without": ["size"]},
    }
    study = ablations.Study(variants, ("50/0", "50/1"))
    monkeypatch.setattr(ablations, "STUDIES", {"Gaussian process": study})
    out = tmp_path / "out.json"
    assert run(ablations, darts_file, "--out", out) == 0
    printed = capsys.readouterr().out
    results = json.loads(out.read_text())["results"]
    whole, part = (
        np.array([result["tau"] for result in results["Gaussian process"][name].values()]) for name in variants
    )
    np.testing.assert_allclose(ablations.differences(results, "Gaussian process", "without size", 50), part - whole)
    assert f"{(part - whole).mean():+.3f} ± {(part - whole).std(ddof=1) / 2**0.5:.3f}" in printed
    assert run(ablations, darts_file, "--out", out) == 0
    assert "50/0" not in capsys.readouterr().out


def test_a_variant_may_start_from_structure(darts, monkeypatch):
    tiny = {"ensemble": 1, "width": 8, "layers": 1}
    monkeypatch.setattr(
        methods, "pretrained", lambda sample, kind, seed: Predictor(kind, **tiny).fit(sample[:20], np.arange(20.0))
    )
    task = next(iter(tasks(718, draws=1, repeats=0)))
    settings = {"kind": "tart-cell", "epochs": 1, "calibration": 0, **tiny}
    measurement = Measurement(darts)
    taus = [measurement.of(settings | start, task)["tau"] for start in ({}, {"init": "structure"})]
    assert taus[0] != taus[1]


def test_the_committed_results_are_complete():
    content = json.loads(COMMITTED[compare_predictors].read_text())
    assert content["setting"]["methods"] == METHODS
    names = [task.name for task in tasks(718, draws=5, repeats=2)]
    for method in METHODS.keys() - {*compare_predictors.SLOW}:
        assert content["results"][method].keys() == {name for name in names if is_measured(method, name)}
    content = json.loads(COMMITTED[ablations].read_text())
    for name, study in ablations.STUDIES.items():
        for variant in study.variants:
            assert content["results"][name][variant].keys() == set(study.tasks)
